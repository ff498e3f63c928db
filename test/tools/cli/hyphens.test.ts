/** Options with hyphens. */
import { Command } from "commander";
import { expect, it } from "vitest";
import { acceptHyphens } from "../../../tools/cli/hyphens.ts";

function run(...words: string[]): { options: Record<string, unknown>; texts: string[] } {
  const train = new Command("train")
    .argument("[texts...]")
    .option("--max_seq_length <n>")
    .option("--do_eval [flag]")
    .option("--no-autotune")
    .option("--no_duplicates")
    .action(() => {});
  const program = new Command("simcse").addCommand(train);
  acceptHyphens(program);
  program.parse(["train", ...words], { from: "user" });
  return { options: train.opts(), texts: train.args };
}

it("are those with underscores; values and texts are left alone", () => {
  expect(run("--max-seq-length", "8", "--do-eval").options).toEqual({ max_seq_length: "8", do_eval: true, autotune: true });
  expect(run("--max-seq-length=8", "--no-autotune").options).toEqual({ max_seq_length: "8", autotune: false });
  expect(run("--max_seq_length", "--do-eval").options).toEqual({ max_seq_length: "--do-eval", autotune: true });
  expect(run("--", "--do-eval").texts).toEqual(["--do-eval"]);
});

it("that begin with no_ are not negations", () => {
  expect(run().options).toEqual({ autotune: true });
  expect(run("--no-duplicates").options).toEqual({ autotune: true, no_duplicates: true });
});
