/** How `simcse train` reads its files, and its report on them before the first step. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { DataError, OptionError } from "../../../src/errors.ts";
import { wordPieceTokenizer } from "../../../src/io/tokenizer.ts";
import { readTrainingFiles, type TrainingFileOptions, trainingTexts } from "../../../tools/training/training-files.ts";
import { collect } from "../../io/collect.ts";
import { startHub } from "../../io/hub-server.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const folder = await temporaryFolder();
const tokenizer = wordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"], { lowerCase: true });
const path = (name: string) => join(folder, name);
await writeFile(path("a.csv"), "sent1;sent0\nb;a a a a\nb;a a a a\n;\u001b[31ma\n");
await writeFile(path("many.txt"), Array.from({ length: 1000 }, (_, i) => `a ${i}\n`).join(""));
await writeFile(path("few.jsonl"), '{"text":"x"}\n{"text":"y"}\n');
await writeFile(path("scored.csv"), "sentence1,sentence2,score\na,b,1\nc,d,2\n");
await writeFile(path("classes.csv"), "text,label\na,x\nb,y\n");

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** Reads files of the folder; gives the examples and what was said. */
async function read(names: readonly string[], options: Omit<TrainingFileOptions, "train_file"> = {}) {
  const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const { examples } = await readTrainingFiles({ train_file: names.map(path), ...options }, tokenizer, 4);
  return {
    examples: examples.map(({ texts }) => texts),
    said: written.mock.calls.map(([text]) => String(text).replaceAll(`${folder}/`, "")),
  };
}

it("says what was understood", async () => {
  const { examples, said } = await read(["a.csv"]);
  expect(examples).toEqual([
    ["a a a a", "b"],
    ["a a a a", "b"],
    ["\u001b[31ma", " "],
  ]);
  expect(said).toEqual([
    "a.csv: 2 columns: sent0, sent1; separated by a semicolon; 3 pairs\n",
    'first example: "a a a a" | "b"\n',
    '1 duplicate; 1 missing text is taken as " ", as in the original; about 33.3% of the texts are cut at 4 tokens\n',
  ]);
});

it("joins files by their weights, the same ones each time", async () => {
  const { examples, said } = await read(["many.txt:0.25", "few.jsonl:2"]);
  expect(examples.length - 4).toBeGreaterThan(200);
  expect(examples.length - 4).toBeLessThan(300);
  expect(examples.slice(-4)).toEqual([["x"], ["x"], ["y"], ["y"]]);
  expect(said[0]).toBe(`many.txt: one text a line; 1,000 sentences, ${examples.length - 4} taken\n`);
  expect((await read(["many.txt:0.25", "few.jsonl:2"])).examples).toEqual(examples);
});

it("takes the texts of any kind for a language model", async () => {
  expect(await collect(trainingTexts({ train_file: [path("scored.csv")] }))).toEqual(["a", "b", "c", "d"]);
});

it("keeps the scores of scored pairs", async () => {
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
  expect(await readTrainingFiles({ train_file: [path("scored.csv")] }, tokenizer, 4)).toEqual({
    kind: "scored pairs",
    examples: [
      { texts: ["a", "b"], score: 1 },
      { texts: ["c", "d"], score: 2 },
    ],
    held: null,
  });
});

it("takes a data set of the hub by its name", async () => {
  const tables = new URL("../../golden/tables.json", import.meta.url);
  const { bytes, rows } = (JSON.parse(readFileSync(tables, "utf8")) as Record<string, { bytes: string; rows: string[][] }>)[
    "none.parquet"
  ]!;
  const hub = await startHub({ "datasets/lab/set": { files: { "nli/dev.parquet": Uint8Array.from(Buffer.from(bytes, "base64")) } } });
  vi.stubEnv("HF_ENDPOINT", hub.url);
  const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const given = { dataset_name: "lab/set", dataset_config_name: "nli", dataset_split: "dev", cache_dir: path("cache") };
  const { examples } = await readTrainingFiles({ ...given, eval_split: 0.2 }, tokenizer, 4);
  expect(examples.length).toBeLessThan(rows.length);
  expect(written.mock.calls.map(([text]) => text)).toContain("lab/set nli dev: 3 columns: sent0, sent1, hard_neg; 60 triplets\n");
  expect(await collect(trainingTexts({ ...given, offline: true }))).toEqual(rows.flat());
  await expect(readTrainingFiles({ ...given, dataset_split: "train" }, tokenizer, 4)).rejects.toMatchObject({
    remedy: expect.stringContaining("--dataset_split (in the library, split): dev"),
  });
});

it("takes files or a data set, and one of them", async () => {
  const refused: [TrainingFileOptions, string][] = [
    [{}, "Nothing is named to train on"],
    [{ train_file: ["a"], dataset_name: "b" }, "--train_file and --dataset_name name two things"],
    [{ train_file: ["a"], dataset_split: "b" }, "--dataset_split is of a data set"],
  ];
  for (const [given, message] of refused) await expect(readTrainingFiles(given, tokenizer, 4)).rejects.toThrow(message);
});

it("refuses what there is no loss for, kinds that differ, and a weight of nothing", async () => {
  await expect(read(["classes.csv"])).rejects.toThrow(/classes\.csv holds labelled texts \(text, label\), and there is no loss/);
  await expect(read(["classes.csv"])).rejects.toMatchObject({ remedy: expect.stringContaining("--columns sent0=text") });
  expect((await read(["classes.csv"], { columns: "sent0=text" })).examples).toEqual([["a"], ["b"]]);
  await expect(read(["few.jsonl", "a.csv"])).rejects.toThrow(DataError);
  await expect(read(["few.jsonl", "a.csv"])).rejects.toThrow(/a\.csv holds pairs, and .*few\.jsonl sentences/);
  await expect(read(["few.jsonl:0"])).rejects.toThrow(OptionError);
  await expect(read(["few.jsonl:0.0001"])).rejects.toThrow("takes none of its 2 sentences");
});

it("hints at pairs with a tab between them in a text", async () => {
  await writeFile(path("tabs.txt"), "a\ta a\na a\ta\n");
  expect((await read(["tabs.txt"])).said.join("")).toContain("hint: every line of tabs.txt has a tab");
  await writeFile(path("some.txt"), "a\ta a\na a\n");
  expect((await read(["some.txt"])).said.join("")).not.toContain("hint: every line of some.txt");
});
