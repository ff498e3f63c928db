import { expect, it } from "vitest";
import { allBut, randomSplit, stratifiedParts } from "../../../../src/simcse/evaluation/classifiers/folds.ts";

const rows = Uint32Array.from({ length: 103 }, (_, i) => 2 * i);
const labels = Uint32Array.from({ length: 206 }, (_, i) => (i < 60 ? 1 : 0));

it("stratifiedParts deals every row once, and each class evenly", () => {
  const parts = stratifiedParts(rows, labels, 10, 1111, "x");
  expect(parts.flatMap((part) => [...part]).sort((a, b) => a - b)).toEqual([...rows]);
  for (const part of parts) {
    expect([10, 11]).toContain(part.length);
    expect(part.filter((row) => labels[row] === 1)).toHaveLength(3);
    expect([...part]).toEqual([...part].sort((a, b) => a - b));
  }
  expect(stratifiedParts(rows, labels, 10, 1111, "x")).toEqual(parts);
  expect(stratifiedParts(rows, labels, 10, 1111, "y")).not.toEqual(parts);
});

it("randomSplit takes a share and keeps the rest", () => {
  const { kept, taken } = randomSplit(rows, 0.05, 1111, "x");
  expect(taken).toHaveLength(5);
  expect([...kept, ...taken].sort((a, b) => a - b)).toEqual([...rows]);
});

it("allBut leaves one part out", () => {
  expect([...allBut([Uint32Array.of(5), Uint32Array.of(1, 9), Uint32Array.of(3)], 1)]).toEqual([3, 5]);
});
