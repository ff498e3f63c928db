import { describe, expect, it } from "vitest";
import { DataError } from "../../../../src/errors.ts";
import { loadSts, STS_TASKS, type StsSubset } from "../../../../src/simcse/evaluation/senteval/sts.ts";
import { memoryFolder, semEvalFiles, stsTask } from "./senteval-files.ts";

const STS13 = ["FNWN", "headlines", "OnWN"];
const STSB_DEV = "STS/STSBenchmark/sts-dev.csv";
const SICK_TRIAL = "SICK/SICK_trial.txt";
const SICK_HEADER = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n";

async function load(files: Record<string, string | Uint8Array>, task: string, mode: "test" | "dev" = "dev"): Promise<StsSubset[]> {
  const loaded = await loadSts(memoryFolder(files), stsTask(task), mode);
  if ("missing" in loaded) throw new Error(`missing ${loaded.missing}`);
  return loaded;
}

/** The pairs of STS13's first subset, made of these two files. */
async function loadSts13(input: string | Uint8Array, gold: string | Uint8Array): Promise<StsSubset["pairs"]> {
  const files = {
    ...semEvalFiles("STS13", STS13, "a\tb\n", "1\n"),
    "STS/STS13-en-test/STS.input.FNWN.txt": input,
    "STS/STS13-en-test/STS.gs.FNWN.txt": gold,
  };
  return (await load(files, "STS13"))[0]!.pairs;
}

describe("STS tasks", () => {
  it("are the seven of the published tables", () => {
    expect(STS_TASKS.map(({ name, subsets }) => [name, subsets.test.length])).toEqual([
      ["STS12", 5],
      ["STS13", 3],
      ["STS14", 6],
      ["STS15", 5],
      ["STS16", 5],
      ["STSBenchmark", 1],
      ["SICKRelatedness", 1],
    ]);
  });

  it("are found by name, and no others", () => {
    expect(stsTask("SICKRelatedness").hasDevSet).toBe(true);
  });
});

describe("SemEval files", () => {
  it("become pairs by line", async () => {
    expect(await loadSts13("a man\ta woman\nx\ty\n", "2.5\n0\n")).toEqual([
      { a: "a man", b: "a woman", score: 2.5 },
      { a: "x", b: "y", score: 0 },
    ]);
  });

  it("may end lines with CRLF or CR and lack the last line end", async () => {
    const expected = await loadSts13("a\tb\nc\td\n", "1\n2\n");
    expect(await loadSts13("a\tb\r\nc\td\r\n", "1\r\n2\r\n")).toEqual(expected);
    expect(await loadSts13("a\tb\rc\td", "1\r2")).toEqual(expected);
  });

  it("drop pairs with a blank gold line, wherever it stands", async () => {
    const pairs = await loadSts13("a\tb\nc\td\ne\tf\ng\th\n", "\n1\n  \n4\n");
    expect(pairs.map(({ a, score }) => [a, score])).toEqual([
      ["c", 1],
      ["g", 4],
    ]);
    expect(await loadSts13("a\tb\nc\td\n", "3\n\n")).toHaveLength(1);
    expect(await loadSts13("a\tb\n\nc\td\n", "3\n\n2\n")).toHaveLength(2);
  });

  it("ignore blank lines at either end of file", async () => {
    expect(await loadSts13("a\tb\n\n\n", "3\n")).toHaveLength(1);
    expect(await loadSts13("a\tb\n", "3\n\n\n")).toHaveLength(1);
  });

  it("are UTF-8, or latin-1 where they are not", async () => {
    expect(await loadSts13("\u{feff}café\t日本\n", "3\n")).toEqual([{ a: "café", b: "日本", score: 3 }]);
    // 0x92 is a control character in latin-1 (and a quotation mark in windows-1252, which this is not).
    const latin1 = Uint8Array.from([0x63, 0x61, 0x66, 0xe9, 0x09, 0x78, 0x92, 0x0a]);
    expect(await loadSts13(latin1, "3\n")).toEqual([{ a: "café", b: "x\u0092", score: 3 }]);
  });

  it("may hold empty sentences and uneven white space", async () => {
    expect(await loadSts13("\tb\na  b \t\n", "1\n2\n")).toEqual([
      { a: "", b: "b", score: 1 },
      { a: "a b", b: "", score: 2 },
    ]);
  });

  it("may have further columns", async () => {
    expect(await loadSts13("a\tb\tsource\tsource\n", "1\n")).toEqual([{ a: "a", b: "b", score: 1 }]);
  });

  it.each([
    ["a line with one column", "a\tb\nno tab\n", "1\n2\n", /memory\/STS\/STS13-en-test\/STS\.input\.FNWN\.txt, line 2: .*"no tab"/],
    ["a score that is no number", "a\tb\nc\td\n", "1\ngood\n", /STS\.gs\.FNWN\.txt, line 2: .*"good"/],
    ["a score that is not finite", "a\tb\n", "NaN\n", /STS\.gs\.FNWN\.txt, line 1/],
    ["fewer gold lines than pairs", "a\tb\nc\td\n", "1\n", /1 lines for the 2 pairs of .*line 2/],
    ["more gold lines than pairs", "a\tb\n", "1\n2\n3\n", /3 lines for the 1 pairs of .*line 2/],
    ["no pair at all", "", "", /STS\.input\.FNWN\.txt holds no scored pair/],
  ])("are refused with %s", async (_, input, gold, message) => {
    const loading = loadSts13(input, gold);
    await expect(loading).rejects.toThrow(DataError);
    await expect(loading).rejects.toThrow(message);
  });
});

describe("STS-B and SICK files", () => {
  it("have their columns", async () => {
    const stsb = 'main-captions\tMSRvid\t2012test\t0000\t4.750\ta "young" child\tb\tlicence\n\n';
    expect(await load({ [STSB_DEV]: stsb }, "STSBenchmark")).toEqual([
      { name: "dev", pairs: [{ a: 'a "young" child', b: "b", score: 4.75 }] },
    ]);
    const sick = `${SICK_HEADER}4\tA boy\tA man\t3.6\tNEUTRAL\n`.replaceAll("\n", "\r\n");
    expect(await load({ [SICK_TRIAL]: sick }, "SICKRelatedness")).toEqual([
      { name: "dev", pairs: [{ a: "A boy", b: "A man", score: 3.6 }] },
    ]);
  });

  it("may hold an empty second sentence", async () => {
    const pairs = (await load({ [STSB_DEV]: "g\tf\ty\t0\t1\ta\t\n" }, "STSBenchmark"))[0]!.pairs;
    expect(pairs).toEqual([{ a: "a", b: "", score: 1 }]);
  });

  it.each([
    [
      "too few columns",
      STSB_DEV,
      "STSBenchmark",
      "g\tf\ty\t0\t1\ta\tb\ng\tf\ty\t0\t1\ta\n",
      /sts-dev\.csv, line 2: expected at least 7 .* found 6/,
    ],
    ["an empty score", STSB_DEV, "STSBenchmark", "g\tf\ty\t0\t\ta\tb\n", /sts-dev\.csv, line 1: expected a number/],
    [
      "a bad score below the header",
      SICK_TRIAL,
      "SICKRelatedness",
      `${SICK_HEADER}4\ta\tb\tthree\tx\n`,
      /SICK_trial\.txt, line 2: .*"three"/,
    ],
    ["only a header", SICK_TRIAL, "SICKRelatedness", SICK_HEADER, /holds no scored pair/],
  ])("are refused with %s", async (_, file, task, text, message) => {
    const loading = load({ [file]: text }, task);
    await expect(loading).rejects.toThrow(DataError);
    await expect(loading).rejects.toThrow(message);
  });

  it("are the dev or the test split", async () => {
    const files = { [STSB_DEV]: "\t\t\t\t1\tdev\tb\n", "STS/STSBenchmark/sts-test.csv": "\t\t\t\t1\ttest\tb\n" };
    expect((await load(files, "STSBenchmark", "dev"))[0]!.pairs[0]!.a).toBe("dev");
    expect((await load(files, "STSBenchmark", "test"))[0]!.pairs[0]!.a).toBe("test");
  });
});

describe("a data folder", () => {
  it.each(["", "downstream/", "data/downstream/"])("may hold STS/ in '%s'", async (root) => {
    const folder = memoryFolder({ [`${root}${STSB_DEV}`]: "\t\t\t\t1\ta\tb\n" });
    expect(await loadSts(folder, stsTask("STSBenchmark"), "dev")).toHaveLength(1);
  });

  it("gives STS12–16 the same data in both modes", async () => {
    const files = semEvalFiles("STS13", STS13, "a\tb\n", "1\n");
    expect(await load(files, "STS13", "dev")).toEqual(await load(files, "STS13", "test"));
  });

  it("that lacks one file lacks the task", async () => {
    const { "STS/STS13-en-test/STS.gs.OnWN.txt": _, ...files } = semEvalFiles("STS13", STS13, "a\tb\n", "1\n");
    expect(await loadSts(memoryFolder(files), stsTask("STS13"), "test")).toEqual({
      missing: "memory/STS/STS13-en-test/STS.gs.OnWN.txt",
    });
  });
});
