import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";
import { parsed, simcse } from "./run-simcse.ts";

const folder = await temporaryFolder();
const model = join(folder, "model");
const data = join(folder, "data");

const evaluate = (...more: string[]) => simcse(["evaluate", "--model_name_or_path", model, "--pooler", "avg", "--data_dir", data, ...more]);

beforeAll(async () => {
  await writeTinyModel(model);
  await mkdir(join(data, "SUBJ"), { recursive: true });
  // One sentence is longer than the model takes.
  const lines = (own: readonly string[]) => `${Array.from({ length: 30 }, (_, i) => own[i % own.length]).join("\n")}\n`;
  await writeFile(join(data, "SUBJ/subj.objective"), lines([...tinySentences.slice(0, 3), "A cat sleeps. ".repeat(60)]));
  await writeFile(join(data, "SUBJ/subj.subjective"), lines(tinySentences.slice(3)));
});

describe("simcse evaluate", () => {
  it("says where the tasks come from if their folder is not there", async () => {
    const { code, stderr } = await evaluate("--data_dir", join(folder, "nowhere"));
    expect(code).toBe(1);
    expect(stderr).toContain("nowhere, where the tasks of SentEval are looked for, does not exist");
    expect(stderr).toContain("simcse data download senteval");
  });

  it("scores transfer tasks, names what is missing, and writes JSON", async () => {
    const output = join(folder, "results.json");
    const { code, stdout, stderr } = await evaluate("--task_set", "transfer", "--mode", "fasttest", "--output", output);
    expect(code).toBe(0);
    expect(stderr).toContain("SUBJ: its data has 60 examples, SentEval's has 10,000.");
    const lines = stdout.split("\n");
    expect(lines[0]).toBe("------ fasttest ------");
    expect(lines[2]).toMatch(/MR .* CR .* SUBJ .* MPQA .* SST2 .* TREC .* MRPC .* Avg\./);
    expect(stdout).toContain("Avg. covers 1 of 7 tasks: SUBJ.");
    expect(stdout).toContain(`MR: no data, ${data}/MR/rt-polarity.pos is missing.`);
    const { mode, transfer, sts } = JSON.parse(await readFile(output, "utf8"));
    expect({ mode, sts, tasks: transfer.average.tasks }).toEqual({ mode: "fasttest", sts: undefined, tasks: ["SUBJ"] });
    expect(transfer.tasks.SUBJ.n).toBe(60);
    // All embeddings of the untrained model are nearly one: how good a classifier is, other tests show.
    expect(transfer.tasks.SUBJ.accuracy).toBeGreaterThan(0.3);
    expect(transfer.average.accuracy).toBe(transfer.tasks.SUBJ.accuracy);
  });

  it("takes tasks of both kinds by name, with commas or without", async () => {
    const { code, stdout } = await evaluate("--task_set", "na", "--tasks", "STS12,SUBJ", "--mode", "dev");
    expect(code).toBe(0);
    expect(stdout).toContain("STS12: no data");
    expect(stdout).toContain("Avg. covers 1 of 7 tasks: SUBJ.");
  });

  it("says that a tree holds nothing", async () => {
    const { code, stdout, stderr } = await evaluate("--task_set", "na", "--tasks", "STS12,MR");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/none of these tasks: .*STS12-en-test.* is missing, and so are the others[\s\S]*simcse data download senteval/);
  });

  it("names a task that there is not, and --tasks without na", async () => {
    expect((await evaluate("--task_set", "na", "--tasks", "SST5")).stderr).toMatch(/There is no task "SST5"[\s\S]*SST2/);
    expect((await evaluate("--tasks", "MR")).stderr).toContain("--task_set na");
    expect((await evaluate("--task_set", "na")).stderr).toContain("needs --tasks");
  });
});

describe("simcse evaluate --eval_file", () => {
  const own = (name: string) => join(folder, name);

  it("scores files by their columns, leaves SentEval out, and writes results and predictions", async () => {
    const pairs = tinySentences.map((a, i) => [a, tinySentences[(i + 1) % 6]!] as const);
    await writeFile(own("scored.csv"), `sentence1,sentence2,score\n${pairs.map(([a, b], i) => `${a},${b},${i}`).join("\n")}\n`);
    await writeFile(own("faq.tsv"), `question\tanswer\n${pairs.map((pair) => pair.join("\t")).join("\n")}\n`);
    await writeFile(own("more.txt"), "A text that no question asks for.\n");
    const [output, predictions] = [own("own.json"), own("own.jsonl")];
    const { code, stdout } = await evaluate(
      ...["--eval_file", own("scored.csv"), own("faq.tsv"), "--output", output, "--predictions", predictions],
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^scored: scored pairs, 6\n[\s\S]*spearman[\s\S]*\nfaq: retrieval, 6\n[\s\S]*mrr@10/);
    expect(stdout).not.toContain("Avg.");
    const { sets, sts } = JSON.parse(await readFile(output, "utf8"));
    expect(sts).toBeUndefined();
    expect(sets.scored).toMatchObject({ kind: "scored pairs", n: 6, main: "spearman", metrics: { spearman: expect.any(Number) } });
    const rows = parsed(await readFile(predictions, "utf8"));
    expect(rows).toHaveLength(12);
    expect(rows[0]).toEqual({ set: "scored", a: pairs[0]![0], b: pairs[0]![1], score: 0, cosine: expect.any(Number) });
    expect(rows[6]).toMatchObject({ set: "faq", query: pairs[0]![0], rank_of_first_relevant: expect.any(Number) });
    // As in the README: the texts to search are for the sets that are searched.
    await writeFile(own("alike.csv"), `sentence1,sentence2,label\n${pairs[0]![0]},${pairs[0]![0]},0\n${pairs[0]!.join(",")},1\n`);
    await writeFile(own("class.csv"), `text,label\n${tinySentences.map((text) => `${text},one`).join("\n")}\n`);
    const files = ["scored.csv", "faq.tsv", "alike.csv", "class.csv"].map(own);
    const more = await evaluate("--eval_file", ...files, "--corpus_file", own("more.txt"));
    expect(more.stdout).toContain("faq: retrieval, 6");
    expect(more.stderr).toContain("class has no score (nan): its texts have one class");
    expect(more.stderr).not.toContain("alike has no score"); // Only the best threshold is infinite.
  });

  it("names what cannot be evaluated on", async () => {
    await writeFile(own("plain.txt"), "One.\nTwo.\n");
    const { code, stderr } = await evaluate("--eval_file", own("plain.txt"));
    expect(code).toBe(1);
    expect(stderr).toMatch(/plain\.txt holds sentences alone[\s\S]*--columns/);
    expect((await evaluate("--eval_file", own("absent.csv"))).stderr).toContain("absent.csv");
    expect((await evaluate("--eval_file", own("plain.txt"), own("plain.txt"))).code).toBe(1);
  });
});
