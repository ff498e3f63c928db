import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Fold } from "../../../../src/simcse/evaluation/classifiers/classifier-data.ts";
import { regularisations, trainClassifiers as trainCandidates } from "../../../../src/simcse/evaluation/classifiers/classifiers.ts";
import { scoreTransfer, type TransferMode, transferSettings } from "../../../../src/simcse/evaluation/senteval/evaluate-transfer.ts";
import { openTestDevice } from "../../../device.ts";
import { labelledFeatures } from "./labelled-features.ts";

const device = await openTestDevice();

interface GoldenTask {
  readonly mode: TransferMode;
  readonly classes: number;
  readonly dimension: number;
  readonly rows: readonly number[];
  readonly noise: number;
  readonly strengths: readonly { readonly dev: number; readonly test: number; readonly test_sd: number }[];
}

const goldens = (JSON.parse(readFileSync(new URL("../../../golden/classifiers.json", import.meta.url), "utf8")) as { tasks: GoldenTask[] })
  .tasks;

/** Outcomes of each fold at each strength. */
async function trainClassifiers(
  data: Parameters<typeof trainCandidates>[1],
  folds: readonly Fold[],
  settings: Parameters<typeof trainCandidates>[3],
  hooks: Parameters<typeof trainCandidates>[4] = {},
) {
  const candidates = folds.flatMap((fold) => regularisations.map((strength) => ({ fold, strength })));
  const outcomes = await trainCandidates(device, data, candidates, settings, hooks);
  return folds.map((_, i) => outcomes.slice(4 * i, 4 * i + 4));
}

const range = (start: number, count: number) => Uint32Array.from({ length: count }, (_, i) => start + i);

function prepare({ classes, dimension, rows: [train, dev, test], noise }: Omit<GoldenTask, "mode" | "strengths">) {
  const { x, labels } = labelledFeatures(23, train! + dev! + test!, dimension, classes, noise);
  const fold: Fold = { train: range(0, train!), dev: range(train!, dev!), test: range(train! + dev!, test!) };
  return { data: { features: Float32Array.from(x), dimension, labels, classes }, fold };
}

describe("the classifier with early stopping is as good as PyTorch's", () => {
  it.each(goldens)("$mode settings, $classes classes", async ({ mode, strengths, ...task }) => {
    const { data, fold } = prepare(task);
    const [outcomes] = await trainClassifiers(data, [fold], transferSettings[mode]);
    outcomes!.forEach(({ devAccuracy, testAccuracy }, i) => {
      const { dev, test, test_sd } = strengths[i]!;
      // One seed against the mean of five: three of the seeds' deviations, and the parity of 0.3 points that is asked for.
      expect(Math.abs(testAccuracy - test), `strength ${i}: ${testAccuracy}, PyTorch ${test} ± ${test_sd}`).toBeLessThan(
        0.003 + 3 * test_sd,
      );
      expect(Math.abs(devAccuracy - dev)).toBeLessThan(0.015); // 500 rows: a row is 0.2 points, the best of some rounds varies by a few.
    });
  });
});

describe("trainClassifiers", () => {
  const task = { classes: 3, dimension: 6, rows: [200, 40, 60], noise: 2 };
  const { data, fold } = prepare(task);
  const settings = transferSettings.fasttest;

  it("gives the same bits in a rerun", async () => {
    const [a, b] = [await trainClassifiers(data, [fold], settings), await trainClassifiers(data, [fold], settings)];
    expect(a).toEqual(b);
  });

  it("trains a fold as it trains it beside others that stop at other times", async () => {
    // With the same common order and minibatches, which follow from the folds' sizes alone.
    const other: Fold = { train: fold.train, dev: fold.test, test: fold.dev };
    const [alone] = await trainClassifiers(data, [fold], settings);
    const together = await trainClassifiers(data, [{ ...other }, fold, other], settings);
    // The sums are the same and in the same order; only what multiplies zeros differs.
    expect(together[1]).toEqual(alone);
    expect(together[0]).toEqual(together[2]);
  });

  it("gives the same bits where the features are sent with each minibatch", async () => {
    const resident = await trainClassifiers(data, [fold], settings);
    expect(await trainClassifiers(data, [fold], settings, { residentBytes: 0 })).toEqual(resident);
  });

  it("tells how many are done, and stops when asked to", async () => {
    const told: number[] = [];
    await trainClassifiers(data, [fold], settings, { onRound: (done) => told.push(done) });
    expect(told.at(-1)).toBe(4);
    expect(told.length).toBeGreaterThan(3);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(trainClassifiers(data, [fold], settings, { signal })).rejects.toThrow("enough");
  });
});

describe("scoreTransfer", () => {
  /** Sentences are written as their embeddings. */
  const encode = async (sentences: string[]) => Float32Array.from(sentences.flatMap((sentence) => sentence.split(",").map(Number)));
  const sentence = (label: number, i: number) => `${label === 1 ? 1 : -1},${Math.sin(i)}`;
  const examples = (count: number, from = 0) => Array.from({ length: count }, (_, i) => ({ a: sentence(i % 2, from + i), label: i % 2 }));

  it("separates what can be separated, by each protocol", async () => {
    const score = (data: Parameters<typeof scoreTransfer>[1]) => scoreTransfer({ classes: 2 }, data, { encode, device, mode: "fasttest" });
    expect(await score({ all: examples(100) })).toEqual({ devAccuracy: 1, accuracy: 1, n: 100 });
    expect(await score({ train: examples(100), test: examples(30, 100) })).toEqual({ devAccuracy: 1, accuracy: 1, n: 30 });
    expect(await score({ train: examples(50), dev: examples(20, 50), test: examples(30, 70) })).toEqual({
      devAccuracy: 1,
      accuracy: 1,
      n: 30,
    });
  });

  it("scores pairs by |u − v| and u ⊙ v, with F1", async () => {
    // A paraphrase has the same sign twice: u ⊙ v tells.
    const pairs = (count: number) =>
      Array.from({ length: count }, (_, i) => ({
        a: sentence(i % 2, i),
        b: sentence((i >> 1) % 2, 3 * i),
        label: i % 2 === (i >> 1) % 2 ? 1 : 0,
      }));
    const scores = await scoreTransfer({ classes: 2 }, { train: pairs(200), test: pairs(60) }, { encode, device, mode: "fasttest" });
    expect(scores).toEqual({ devAccuracy: 1, accuracy: 1, f1: 1, n: 60 });
  });
});
