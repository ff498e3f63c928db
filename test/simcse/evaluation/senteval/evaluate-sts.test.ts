import { describe, expect, it } from "vitest";
import { ShapeError } from "../../../../src/errors.ts";
import { pearson, spearman } from "../../../../src/simcse/evaluation/metrics/correlation.ts";
import { evaluateSts, type StsProgress, scoreSts } from "../../../../src/simcse/evaluation/senteval/evaluate-sts.ts";
import { memoryFolder, semEvalFiles, stsTask } from "./senteval-files.ts";

/** Sentences are written as their embeddings: "3,-1" is [3, −1]. */
const encode = async (sentences: string[]) => Float32Array.from(sentences.flatMap((sentence) => sentence.split(",").map(Number)));

/** A pair whose cosine is cos of that many degrees, with vectors that are not of unit length. */
function pairAt(degrees: number, score: number) {
  const angle = (degrees * Math.PI) / 180;
  return { a: "2,0", b: `${Math.cos(angle) * 5},${Math.sin(angle) * 5}`, score };
}

const first = [pairAt(10, 5), pairAt(30, 4), pairAt(100, 1), pairAt(70, 4.5)];
const second = [pairAt(20, 1), pairAt(40, 3), pairAt(90, 2)];
const cosineOf = (degrees: number) => Math.cos((degrees * Math.PI) / 180);

/** Embeddings are float32 (ε = 6e-8), so a cosine of them is within 1e-6 of the exact one; Spearman sees only their order. */
const COSINE_TOLERANCE = 1e-6;

describe("scoreSts", () => {
  it("correlates cosines with gold scores, in each subset and over all pairs", async () => {
    const scores = await scoreSts(
      [
        { name: "first", pairs: first },
        { name: "second", pairs: second },
      ],
      encode,
    );
    const firstCosines = [10, 30, 100, 70].map(cosineOf);
    const secondCosines = [20, 40, 90].map(cosineOf);
    const cosines = [...firstCosines, ...secondCosines];
    const gold = [5, 4, 1, 4.5, 1, 3, 2];

    expect(scores.n).toBe(7);
    expect(scores.undefinedCosines).toBe(0);
    expect(scores.subsets.first!.n).toBe(4);
    expect(scores.subsets.first!.spearman).toBe(spearman(firstCosines, [5, 4, 1, 4.5]));
    expect(Math.abs(scores.subsets.second!.pearson - pearson(secondCosines, [1, 3, 2]))).toBeLessThan(COSINE_TOLERANCE);
    expect(scores.spearman.all).toBe(spearman(cosines, gold));
    expect(Math.abs(scores.pearson.all - pearson(cosines, gold))).toBeLessThan(COSINE_TOLERANCE);
    for (const kind of ["pearson", "spearman"] as const) {
      const [a, b] = [scores.subsets.first![kind], scores.subsets.second![kind]];
      expect(scores[kind].mean).toBeCloseTo((a + b) / 2, 14);
      expect(scores[kind].wmean).toBeCloseTo((4 * a + 3 * b) / 7, 14);
    }
  });

  it("encodes every distinct sentence once, in one call", async () => {
    const calls: string[][] = [];
    const counting = (sentences: string[]) => {
      calls.push(sentences);
      return encode(sentences);
    };
    await scoreSts(
      [
        { name: "first", pairs: first },
        { name: "again", pairs: first },
      ],
      counting,
    );
    expect(calls).toHaveLength(1);
    expect(calls[0]).toEqual(["2,0", ...first.map(({ b }) => b)]);
  });

  it("counts a cosine that is not a number as 0, and says how many there were", async () => {
    const pairs = [
      { a: "1,0", b: "1,0", score: 3 },
      { a: "0,0", b: "1,0", score: 2 },
      { a: "NaN,1", b: "1,0", score: 2 },
      { a: "Infinity,1", b: "1,0", score: 2 },
      { a: "-1,0", b: "1,0", score: 1 },
    ];
    const scores = await scoreSts([{ name: "some", pairs }], encode);
    expect(scores.undefinedCosines).toBe(3);
    expect(scores.pearson.all).toBeCloseTo(1, 14);
  });

  it("is undefined for a collapsed model", async () => {
    const scores = await scoreSts([{ name: "first", pairs: first }], async (sentences) => new Float32Array(sentences.length * 2).fill(1));
    expect(scores.spearman.all).toBeNaN();
    expect(JSON.parse(JSON.stringify(scores)).spearman).toEqual({ all: null, mean: null, wmean: null });
  });

  it("refuses embeddings of the wrong size", async () => {
    const subsets = [{ name: "first", pairs: first }];
    await expect(scoreSts(subsets, async () => new Float32Array(7))).rejects.toThrow(ShapeError);
    await expect(scoreSts(subsets, async () => new Float32Array(0))).rejects.toThrow("0 values for 5 sentences");
    await expect(scoreSts(subsets, encode, 3)).rejects.toThrow("expected [5, 3]");
    expect((await scoreSts(subsets, encode, 2)).n).toBe(4);
  });
});

describe("evaluateSts", () => {
  const sts13 = semEvalFiles("STS13", ["FNWN", "headlines", "OnWN"], "1,0\t1,0\n1,0\t1,1\n1,0\t0,1\n", "5\n2\n3\n");
  const row = (a: string, b: string, score: number) => `\t\t\t\t${score}\t${a}\t${b}\n`;
  const stsb = { "STS/STSBenchmark/sts-dev.csv": row("1,0", "1,0", 5) + row("1,0", "1,1", 3) + row("1,0", "0,1", 1) };
  const folder = memoryFolder({ ...sts13, ...stsb });

  it("averages what is there and names what is missing", async () => {
    const tasks = ["STS13", "STSBenchmark"].map(stsTask);
    const report = await evaluateSts({ encode, folder, mode: "test", tasks });
    expect(report.tasks.STSBenchmark).toEqual({ missing: "memory/STS/STSBenchmark/sts-test.csv" });
    expect(report.average.tasks).toEqual(["STS13"]);
    // Ranks 3, 2, 1 against 3, 1, 2: the concatenation ties three copies of each, which changes nothing.
    expect(report.average.spearman).toBeCloseTo(0.5, 14);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it("scores STS12–16 in dev mode, and averages only tasks with a dev set", async () => {
    const report = await evaluateSts({ encode, folder, mode: "dev" });
    expect(report.tasks.STS13).toHaveProperty("n", 9);
    expect(report.tasks.STS12).toHaveProperty("missing");
    expect(report.tasks.SICKRelatedness).toEqual({ missing: "memory/SICK/SICK_trial.txt" });
    expect(report.average.tasks).toEqual(["STSBenchmark"]);
    expect(report.average.spearman).toBeCloseTo(1, 14);
  });

  it("has an undefined average over no task", async () => {
    const report = await evaluateSts({ encode, folder: memoryFolder({}), mode: "test" });
    expect(report.average).toEqual({ pearson: Number.NaN, spearman: Number.NaN, tasks: [] });
  });

  it("refuses a mode that it has not", async () => {
    await expect(evaluateSts({ encode, folder, mode: "train" as never })).rejects.toThrow('There is no mode "train"');
  });

  it("tells its progress", async () => {
    const told: StsProgress[] = [];
    const tasks = ["STS12", "STSBenchmark"].map(stsTask);
    await evaluateSts({ encode, folder, mode: "dev", tasks, onProgress: (progress) => told.push(progress) });
    expect(told).toEqual([
      { task: "STS12", state: "missing", finished: 1, tasks: 2 },
      { task: "STSBenchmark", state: "encoding", finished: 1, tasks: 2 },
      { task: "STSBenchmark", state: "scored", finished: 2, tasks: 2 },
    ]);
  });

  it("stops between tasks when aborted", async () => {
    const controller = new AbortController();
    const encoded: number[] = [];
    const aborting = (sentences: string[]) => {
      encoded.push(sentences.length);
      controller.abort(new Error("enough"));
      return encode(sentences);
    };
    const tasks = ["STS13", "STSBenchmark"].map(stsTask);
    await expect(evaluateSts({ encode: aborting, folder, mode: "dev", tasks, signal: controller.signal })).rejects.toThrow("enough");
    expect(encoded).toEqual([3]);
  });
});
