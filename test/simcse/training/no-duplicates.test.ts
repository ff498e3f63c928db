import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { permutation } from "../../../src/nn/random.ts";
import { batchesWithoutDuplicates } from "../../../src/simcse/training/no-duplicates.ts";

const deal = (texts: readonly (readonly string[])[], batchSize: number, order: Iterable<number> = texts.keys()) =>
  [...batchesWithoutDuplicates(order, batchSize, (example) => texts[example]!)].map((batch) => [...batch]);

describe("batchesWithoutDuplicates", () => {
  it("changes nothing where nothing is double", () => {
    expect(deal([["a"], ["b"], ["c"], ["d"], ["e"]], 2)).toEqual([[0, 1], [2, 3], [4]]);
  });

  it("lets a duplicate wait for the next batch, before those that come later", () => {
    expect(deal([["a"], ["a"], ["b"], ["c"]], 2)).toEqual([
      [0, 2],
      [1, 3],
    ]);
  });

  it("looks at every column, and lets an example repeat itself", () => {
    expect(
      deal(
        [
          ["a", "a"],
          ["b", "a"],
          ["c", "d"],
          ["e", "d"],
        ],
        2,
      ),
    ).toEqual([
      [0, 2],
      [1, 3],
    ]);
  });

  it("ends in smaller batches where only duplicates are left", () => {
    expect(deal([["a"], ["a"], ["a"]], 2)).toEqual([[0], [1], [2]]);
    expect(deal([], 2)).toEqual([]);
  });

  it("takes every example once, in batches without a duplicate, the same each time", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 3 }), { maxLength: 80 }),
        fc.integer({ min: 1, max: 9 }),
        (rows, size) => {
          const texts = rows.map((row) => row.map(String));
          const order = permutation(7, "order", texts.length);
          const batches = deal(texts, size, order);
          expect(batches.flat().sort((a, b) => a - b)).toEqual([...texts.keys()]);
          for (const batch of batches) {
            expect(batch.length).toBeLessThanOrEqual(size);
            const sentences = batch.flatMap((example) => [...new Set(texts[example])]);
            expect(new Set(sentences).size).toBe(sentences.length);
          }
          expect(deal(texts, size, order)).toEqual(batches);
        },
      ),
    );
  });
});
