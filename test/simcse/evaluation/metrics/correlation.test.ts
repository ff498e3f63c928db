import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DataError, ShapeError } from "../../../../src/errors.ts";
import { averageRanks, pearson, spearman } from "../../../../src/simcse/evaluation/metrics/correlation.ts";
import { integers } from "../../../uniform.ts";

type Golden = number | "inf" | null;
interface Expected {
  readonly name: string;
  readonly pearson: Golden;
  readonly spearman: Golden;
}
interface Stored extends Expected {
  readonly x: Golden[];
  readonly y: Golden[];
  readonly ranks: Golden[];
}
interface Formula extends Expected {
  readonly seed: number;
  readonly n: number;
  readonly slope: number;
  readonly levels: number;
  readonly offset: number;
  readonly scale: number;
}

const goldens: { stored: Stored[]; formulas: Formula[] } = JSON.parse(
  readFileSync(new URL("../../../golden/correlation.json", import.meta.url), "utf8"),
);

/**
 * Relative. Both sides are float64 (ε = 2.2e-16) and two-pass; they differ in the order of sums of up to 20,000 terms, whose rounding
 * grows like √n·ε = 3e-14. 1e-12 leaves room for that, and is far below what f32 sums (1e-6) or a one-pass formula would reach.
 */
const TOLERANCE = 1e-12;

describe("correlation equals scipy's", () => {
  for (const golden of goldens.stored) {
    it(golden.name, () => {
      const x = golden.x.map(toNumber);
      const y = golden.y.map(toNumber);
      expect([...averageRanks(x)]).toEqual(golden.ranks.map(toNumber));
      expectClose(pearson(x, y), toNumber(golden.pearson));
      expectClose(spearman(x, y), toNumber(golden.spearman));
    });
  }

  for (const golden of goldens.formulas) {
    it(`${golden.name}, ${golden.n} values`, () => {
      const { x, y } = formula(golden);
      expectClose(pearson(x, y), toNumber(golden.pearson));
      expectClose(spearman(x, y), toNumber(golden.spearman));
    });
  }
});

describe("correlation", () => {
  it("is undefined for samples without spread", () => {
    expect(pearson([], [])).toBeNaN();
    expect(spearman([1], [2])).toBeNaN();
    // The mean of these is not exactly 0.1, so that deviations computed from it are rounding noise.
    expect(pearson(new Array(10).fill(0.1), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])).toBeNaN();
  });

  it("never leaves [−1, 1]", () => {
    const x = Float64Array.from({ length: 101 }, (_, i) => Math.sin(i));
    expect(pearson(x, x)).toBeLessThanOrEqual(1);
    expect(
      pearson(
        x,
        x.map((value) => -3 * value),
      ),
    ).toBeGreaterThanOrEqual(-1);
  });

  it("refuses samples of different lengths", () => {
    expect(() => pearson([1, 2], [1, 2, 3])).toThrow(ShapeError);
    expect(() => spearman([1, 2], [1])).toThrow("2 and 1 values");
  });

  it("refuses texts, which have another order, and takes true and false as 1 and 0", () => {
    const texts = ["9", "10", "2"] as unknown as number[];
    for (const correlation of [pearson, spearman]) {
      expect(() => correlation(texts, [1, 2, 3])).toThrow(DataError);
      expect(() => correlation([1, 2, 3], texts)).toThrow('Value 0 is "9", which is no number.');
      expect(correlation([true, false, true] as unknown as number[], [3, 1, 2])).toBe(correlation([1, 0, 1], [3, 1, 2]));
    }
  });
});

function expectClose(actual: number, expected: number): void {
  if (Number.isNaN(expected)) expect(actual).toBeNaN();
  else expect(Math.abs(actual - expected) / Math.abs(expected)).toBeLessThanOrEqual(TOLERANCE);
}

function toNumber(golden: Golden): number {
  return golden === null ? Number.NaN : golden === "inf" ? Number.POSITIVE_INFINITY : golden;
}

/** `formula` of test/golden/correlation.py, operation by operation. */
function formula({ seed, n, slope, levels, offset, scale }: Formula): { x: number[]; y: number[] } {
  const x = fractions(seed, n);
  const noise = fractions(seed + 1, n);
  const y = x.map((value, i) => slope * value + noise[i]!).map((value) => (levels ? Math.floor(levels * value) / levels : value));
  return { x: x.map((value) => offset + scale * value), y: y.map((value) => offset + scale * value) };
}

const fractions = (seed: number, n: number): number[] => Array.from(integers(seed, n), (state) => state / 2 ** 32);
