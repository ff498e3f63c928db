import { describe, expect, it } from "vitest";
import { ShapeError } from "../../../../src/errors.ts";
import { alignment, alignmentAndUniformity, uniformity } from "../../../../src/simcse/evaluation/metrics/alignment.ts";
import { uniform } from "../../../uniform.ts";

const vector = (...values: number[]) => Float32Array.from(values);

describe("alignment", () => {
  it("is the mean squared distance on the unit sphere", () => {
    // Squared distances 0 (the same direction), 2 (a right angle) and 4 (opposite).
    expect(alignment([[vector(1, 0), vector(9, 0)]])).toBe(0);
    const pairs = [
      [vector(1, 0), vector(0, 3)],
      [vector(2, 0), vector(-1, 0)],
    ] as const;
    expect(alignment(pairs)).toBe(3);
    expect(alignment([])).toBeNaN();
  });
});

describe("uniformity", () => {
  it("is the log of the mean Gaussian potential over pairs of different rows", () => {
    expect(uniformity([vector(1, 1), vector(2, 2), vector(3, 3)])).toBeCloseTo(0, 14);
    // Of the six pairs of a square's corners four are at squared distance 2 and two at 4.
    const square = [vector(1, 0), vector(0, 2), vector(-3, 0), vector(0, -4)];
    expect(uniformity(square)).toBeCloseTo(Math.log((4 * Math.exp(-4) + 2 * Math.exp(-8)) / 6), 14);
    expect(uniformity([vector(1, 0)])).toBeNaN();
  });

  it("comes near −4 for random directions in many dimensions", () => {
    const numbers = Float32Array.from(uniform(1, 60 * 512));
    const vectors = Array.from({ length: 60 }, (_, row) => numbers.subarray(row * 512, (row + 1) * 512));
    // Squared distances are 2 ± 2/√512 (0.09), so the exponent of −4 has a spread of 0.18 and its mean a bias of 0.18²/2 = 0.016.
    expect(Math.abs(uniformity(vectors) + 4)).toBeLessThan(0.05);
  });
});

describe("alignmentAndUniformity", () => {
  it("takes pairs above 4 as positive, and each distinct sentence once", async () => {
    const pairs = [
      { a: "1,0", b: "0,1", score: 4.1 },
      { a: "1,0", b: "-1,0", score: 4 },
      { a: "0,1", b: "1,0", score: 0 },
    ];
    const encode = async (sentences: string[]) => Float32Array.from(sentences.flatMap((sentence) => sentence.split(",").map(Number)));
    const report = await alignmentAndUniformity(pairs, encode);
    expect(report.positivePairs).toBe(1);
    expect(report.sentences).toBe(3);
    expect(report.alignment).toBe(2);
    expect(report.uniformity).toBeCloseTo(Math.log((2 * Math.exp(-4) + Math.exp(-8)) / 3), 14);
  });
});

it("refuses vectors of different lengths", () => {
  const [short, long] = [Float32Array.of(1, 0), Float32Array.of(1, 0, 2)];
  expect(() => alignment([[short, long]])).toThrow(ShapeError);
  expect(() => alignment([[long, short]])).toThrow(ShapeError);
  expect(() => uniformity([short, long])).toThrow("Vectors of 3 and 2 numbers");
});
