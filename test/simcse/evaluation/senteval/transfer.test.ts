import { describe, expect, it } from "vitest";
import { DataError } from "../../../../src/errors.ts";
import { loadTransfer, TRANSFER_TASKS, type TransferData } from "../../../../src/simcse/evaluation/senteval/transfer.ts";
import { memoryFolder, transferTask } from "./senteval-files.ts";

async function load(files: Record<string, string | Uint8Array>, task: string): Promise<TransferData> {
  const loaded = await loadTransfer(memoryFolder(files), transferTask(task));
  if ("missing" in loaded) throw new Error(`missing ${loaded.missing}`);
  return loaded;
}

const MR = { "MR/rt-polarity.pos": "good\n", "MR/rt-polarity.neg": "bad\n" };
const SST = "SST/binary/sentiment-";
const PARAPHRASE_HEADER = "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n";

describe("transfer tasks", () => {
  it("are the seven of the published tables, found by name and no others", () => {
    expect(TRANSFER_TASKS.map(({ name, classes }) => [name, classes])).toEqual([
      ["MR", 2],
      ["CR", 2],
      ["SUBJ", 2],
      ["MPQA", 2],
      ["SST2", 2],
      ["TREC", 6],
      ["MRPC", 2],
    ]);
  });

  it.each([
    ["MR", "MR/rt-polarity.pos", "MR/rt-polarity.neg"],
    ["CR", "CR/custrev.pos", "CR/custrev.neg"],
    ["SUBJ", "SUBJ/subj.objective", "SUBJ/subj.subjective"],
    ["MPQA", "MPQA/mpqa.pos", "MPQA/mpqa.neg"],
  ])("%s has one file of each class, with an empty line as an empty sentence", async (task, one, zero) => {
    expect(await load({ [one]: "a  b\n\n", [zero]: "c\r\nd\r\n" }, task)).toEqual({
      all: [
        { a: "a b", label: 1 },
        { a: "", label: 1 },
        { a: "c", label: 0 },
        { a: "d", label: 0 },
      ],
    });
  });

  it("may be latin-1", async () => {
    const { all } = await load({ ...MR, "MR/rt-polarity.neg": Uint8Array.from([0x63, 0x61, 0x66, 0xe9, 0x0a]) }, "MR");
    expect(all![1]).toEqual({ a: "café", label: 0 });
  });

  it("SST2 has a label after a tab, and three splits", async () => {
    const files = { [`${SST}train`]: "a b\t1\n\nc\t0\n", [`${SST}dev`]: "d\t1\r\n", [`${SST}test`]: "\t0\n" };
    expect(await load(files, "SST2")).toEqual({
      train: [
        { a: "a b", label: 1 },
        { a: "c", label: 0 },
      ],
      dev: [{ a: "d", label: 1 }],
      test: [{ a: "", label: 0 }],
    });
  });

  it("TREC has a coarse class before a colon", async () => {
    const files = { "TREC/train_5500.label": "DESC:manner How so ?\nNUM:count How many : 3 ?\n", "TREC/TREC_10.label": "ABBR:exp\n" };
    expect(await load(files, "TREC")).toEqual({
      train: [
        { a: "How so ?", label: 1 },
        { a: "How many : 3 ?", label: 5 },
      ],
      test: [{ a: "", label: 0 }],
    });
  });

  it("MRPC has a header, and quotation marks that are text", async () => {
    const row = `${PARAPHRASE_HEADER}1\t7\t8\tHe said "yes\tShe said "no"\n`;
    const files = { "MRPC/msr_paraphrase_train.txt": row, "MRPC/msr_paraphrase_test.txt": row.replaceAll("\n", "\r\n") };
    const expected = [{ a: 'He said "yes', b: 'She said "no"', label: 1 }];
    expect(await load(files, "MRPC")).toEqual({ train: expected, test: expected });
  });

  it("that lack a file lack the task", async () => {
    expect(await loadTransfer(memoryFolder({ "MR/rt-polarity.pos": "a\n" }), transferTask("MR"))).toEqual({
      missing: "memory/MR/rt-polarity.neg",
    });
    expect(
      await load(Object.fromEntries(Object.entries(MR).map(([file, text]) => [`data/downstream/${file}`, text])), "MR"),
    ).toHaveProperty("all");
  });

  it.each([
    ["MR", { ...MR, "MR/rt-polarity.neg": "" }, /rt-polarity\.neg holds no sentence/],
    [
      "SST2",
      { [`${SST}train`]: "a\t1\nb\n", [`${SST}dev`]: "", [`${SST}test`]: "" },
      /sentiment-train, line 2: expected a sentence and a label/,
    ],
    ["SST2", { [`${SST}train`]: "a\t2\n", [`${SST}dev`]: "", [`${SST}test`]: "" }, /sentiment-train, line 1: .* 0 to 1, found "2"/],
    ["TREC", { "TREC/train_5500.label": "WHAT:x y\n", "TREC/TREC_10.label": "" }, /train_5500\.label, line 1: .*ABBR/],
    [
      "MRPC",
      { "MRPC/msr_paraphrase_train.txt": `${PARAPHRASE_HEADER}1\t2\t3\ta\n`, "MRPC/msr_paraphrase_test.txt": "" },
      /line 2: .* found 4/,
    ],
    ["MRPC", { "MRPC/msr_paraphrase_train.txt": PARAPHRASE_HEADER, "MRPC/msr_paraphrase_test.txt": "" }, /holds no labelled sentence/],
  ])("%s is refused with a bad line", async (task, files, message) => {
    const loading = load(files as unknown as Record<string, string>, task);
    await expect(loading).rejects.toThrow(DataError);
    await expect(loading).rejects.toThrow(message);
  });
});
