/** The examples of an update: each one once per epoch, in an order determined by the seed, whatever is left over at the end. */
import { describe, expect, it } from "vitest";
import { trainingDefaults } from "../../../src/simcse/training/training-options.ts";
import { TrainingOrder } from "../../../src/simcse/training/training-order.ts";

const examples = (length: number) => ({ length, keys: (index: number) => [String(index % 20)] });

function order(length: number, changes: Partial<ConstructorParameters<typeof TrainingOrder>[1]> = {}) {
  return new TrainingOrder(examples(length), { ...trainingDefaults, batchSize: 4, ...changes });
}

/** The updates of so many epochs. */
function epochs(from: TrainingOrder, count: number) {
  const updates = from.updates(0);
  return Array.from({ length: count }, () => Array.from({ length: from.updatesPerEpoch }, () => updates.next().value as readonly number[]));
}

const sorted = (updates: readonly (readonly number[])[]) => updates.flat().sort((a, b) => a - b);
const all = (length: number) => Array.from({ length }, (_, i) => i);

describe("an epoch", () => {
  it("takes every example once, and the next one in another order", () => {
    const [first, second] = epochs(order(23), 2) as [number[][], number[][]];
    expect(first.map(({ length }) => length)).toEqual([4, 4, 4, 4, 4, 3]);
    expect(sorted(first)).toEqual(all(23));
    expect(sorted(second)).toEqual(all(23));
    expect(second).not.toEqual(first);
    expect(epochs(order(23, { seed: 43 }), 1)[0]).not.toEqual(first);
    expect(order(23).totalSteps).toBe(18); // Three epochs.
    expect(order(23, { epochs: 0.5 }).totalSteps).toBe(3);
    expect(order(23, { maxSteps: 7 }).totalSteps).toBe(7);
  });

  it("counts its batches, and those of one example", () => {
    expect(order(41).batches).toEqual({ all: 11, ofOne: 1 });
    const repeating = { length: 10, keys: (index: number) => [index < 3 ? String(index) : "the same"] };
    const settings = { ...trainingDefaults, batchSize: 4, noDuplicates: true };
    // Seven examples have one text, so no two of them meet; three others keep at most three of them company.
    const { all, ofOne } = new TrainingOrder(repeating, settings).batches;
    expect(all).toBe(7);
    expect(ofOne).toBeGreaterThanOrEqual(4);
  });

  it("leaves its smaller last batch out when told to", () => {
    expect(epochs(order(23, { dropLast: true }), 1)[0]!.map(({ length }) => length)).toEqual([4, 4, 4, 4, 4]);
  });

  it("has floor(batches / accumulation) updates; the batches left over belong to none", () => {
    const accumulated = order(30, { gradientAccumulationSteps: 3 });
    // Eight batches make two updates; the last two batches are in neither, and the next epoch begins anew.
    expect(accumulated.updatesPerEpoch).toBe(2);
    const single = epochs(order(30), 2);
    expect(epochs(accumulated, 2)).toEqual(single.map((batches) => [batches.slice(0, 3).flat(), batches.slice(3, 6).flat()]));
    expect(accumulated.totalSteps).toBe(6);
  });

  it("is one update where it has fewer batches than that", () => {
    const accumulated = order(7, { gradientAccumulationSteps: 3 });
    expect(accumulated.updatesPerEpoch).toBe(1);
    expect(sorted(epochs(accumulated, 1)[0]!)).toEqual(all(7));
  });

  it("accumulates no more batches than it has, so that the loss is their mean", () => {
    const accumulations = (changes: object) =>
      [3, 4, 7, 9, 100].map((length) => order(length, { gradientAccumulationSteps: 3, ...changes }).accumulation);
    expect(accumulations({})).toEqual([1, 1, 2, 3, 3]);
    expect(accumulations({ dropLast: true })).toEqual([1, 1, 1, 2, 3]);
  });

  it("has a batch in each update where duplicates leave none full, which could not be told apart in a larger one", () => {
    // Five labels: a batch without duplicates has five examples at most.
    const labelled = { length: 43, keys: (index: number) => [`text ${index}`, `label ${index % 5}`] };
    const settings = { ...trainingDefaults, batchSize: 16, noDuplicates: true, gradientAccumulationSteps: 4 };
    const accumulated = new TrainingOrder(labelled, settings);
    expect(accumulated.accumulation).toBe(1);
    const updates = epochs(accumulated, 1)[0]!;
    expect(sorted(updates)).toEqual(all(43));
    for (const update of updates) expect(new Set(update.map((index) => index % 5)).size).toBe(update.length);
  });

  it("has updates of as many batches, also where a later epoch without duplicates needs fewer", () => {
    for (let seed = 0; seed < 40; seed++) {
      const accumulated = order(50, { seed, noDuplicates: true, gradientAccumulationSteps: 20 });
      for (const update of epochs(accumulated, 4).flat()) expect(update).toHaveLength(4 * accumulated.accumulation);
    }
  });
});

it("an order is taken up after any update where it was left", () => {
  for (const changes of [{}, { gradientAccumulationSteps: 2 }, { noDuplicates: true }]) {
    // Without duplicates epochs of these seeds need different numbers of batches.
    for (const seed of [42, 27]) {
      const whole = epochs(order(50, { ...changes, seed }), 4).flat();
      for (const done of whole.keys()) {
        const rest = order(50, { ...changes, seed }).updates(done);
        expect(rest.next().value, `after ${done}`).toEqual(whole[done]);
      }
    }
  }
});

it("no batch holds a sentence twice where duplicates are kept apart", () => {
  for (const gradientAccumulationSteps of [1, 2]) {
    for (const update of epochs(order(50, { noDuplicates: true, gradientAccumulationSteps }), 2).flat()) {
      for (let first = 0; first < update.length; first += 4) {
        const keys = update.slice(first, first + 4).map((index) => index % 20);
        expect(new Set(keys).size).toBe(keys.length);
      }
    }
  }
});
