/** Options without a value. */
import { Command, Option } from "commander";
import { expect, it } from "vitest";
import { refuseEmptyValues } from "../../../tools/cli/empty-values.ts";

it("refuses an option whose value is empty, except where it may be", async () => {
  const run = async (...words: string[]) => {
    const encode = new Command("encode")
      .addOption(new Option("--model <model>"))
      .addOption(new Option("--files <files...>"))
      .addOption(new Option("--prompt <text>"))
      .action(() => {});
    const program = new Command("simcse").addCommand(encode);
    refuseEmptyValues(program);
    await program.parseAsync(["encode", ...words], { from: "user" });
  };
  await expect(run("--model", "")).rejects.toThrow("--model is empty.");
  await expect(run("--files", "a", "")).rejects.toThrow("--files is empty.");
  await run("--model", "a", "--prompt", "");
});
