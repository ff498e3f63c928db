/** Average precision, accuracy and F1 of a threshold; the values beside scikit-learn's are in the tests of sets. */
import { expect, it } from "vitest";
import { DataError } from "../../../../src/errors.ts";
import { averagePrecision, bestAccuracy, bestF1 } from "../../../../src/simcse/evaluation/metrics/binary.ts";

const scores = [0.9, 0.8, 0.3, 0.1];
const labels = [1, 0, 1, 0];
const measures = [averagePrecision, bestAccuracy, bestF1];

it("takes true and false as 1 and 0", () => {
  const booleans = labels.map((label) => label === 1) as never[];
  for (const measure of measures) expect(measure(scores, booleans)).toEqual(measure(scores, labels));
  // Precisions of 1 and 2/3 at the two positive pairs.
  expect(averagePrecision(scores, labels)).toBeCloseTo((1 + 2 / 3) / 2, 12);
});

it("refuses what is of neither class, and scores that have no order", () => {
  for (const measure of measures) {
    for (const label of [2, -1, "1", undefined]) expect(() => measure(scores, [1, 0, label as never, 0])).toThrow(DataError);
    expect(() => measure([0.9, Number.NaN, 0.3, 0.1], labels)).toThrow("Score 1 is NaN");
  }
});

it("refuses scores that are texts", () => {
  expect(() => bestF1(["0.9", "0.5"] as unknown as number[], [1, 0])).toThrow('Value 0 is "0.9", which is no number.');
});
