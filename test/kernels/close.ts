/** Assertions that f32 results equal float64 ones within a stated number of roundings. */
import { expect } from "vitest";
import { derivative, directionalDerivative, type ScalarFunction, weighted } from "../reference/differences.ts";
import { integers } from "./data.ts";

/** The largest relative error of one f32 rounding. */
const epsilon = 2 ** -24;

export interface Tolerance {
  /**
   * Roundings of a single term: the operations on it, and what WGSL grants functions such as exp (3 + 2|x| ulp). 4 if absent: the error of a
   * sum of K terms is normal with a deviation near ε·√K of the result's size, and thousands of elements are compared.
   */
  readonly c?: number;
  /** Terms summed into one element, K: in a fixed order their roundings add up like a random walk, with √K. 1 if absent. */
  readonly terms?: number;
  /** Size of the numbers that are rounded, where that is more than the largest expected magnitude. */
  readonly scale?: number;
}

function largestMagnitude(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]!));
  return largest;
}

/** Expects the first elements of `actual`, its live part, within c·ε·√K·scale of `expected`. NaN is never close. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, { c = 4, terms = 1, scale = 0 }: Tolerance = {}): void {
  expect(actual.length).toBeGreaterThanOrEqual(expected.length);
  const limit = c * epsilon * Math.sqrt(terms) * Math.max(scale, largestMagnitude(expected));
  expect(limit, "the allowed error").toBeLessThan(Number.POSITIVE_INFINITY);
  let worst = { error: 0, index: -1 };
  for (let index = 0; index < expected.length; index++) {
    const difference = Math.abs(actual[index]! - expected[index]!);
    const error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    if (error > worst.error) worst = { error, index };
  }
  const { error, index } = worst;
  expect(error, `element ${index} of ${expected.length}: ${actual[index]}, expected ${expected[index]}`).toBeLessThanOrEqual(limit);
}

/** Expects the first elements of `actual`, its live part, to be those of `expected`, bit for bit except for the sign of zero. */
export function expectSame(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expectClose(actual, expected, { c: 0 });
}

/**
 * Expects `actual` to be the gradient of `value` at `x`: element by element at some places, the first and the last among them, and all
 * elements together along a random direction, where the allowed errors of N elements add up to √N.
 */
export function expectGradient(
  actual: Float32Array,
  x: ArrayLike<number>,
  value: ScalarFunction,
  { samples = 12, scale = 0, ...tolerance }: Tolerance & { readonly samples?: number } = {},
): void {
  const at = Float64Array.from(x);
  const count = at.length;
  const live = actual.subarray(0, count);
  const size = Math.max(scale, largestMagnitude(live));
  const places = count <= samples ? [...at.keys()] : [0, count - 1, ...integers(samples - 2, count, count)];
  expectClose(
    places.map((i) => live[i]!),
    places.map((i) => derivative(value, at, i)),
    { ...tolerance, scale: size },
  );
  const direction = Float64Array.from(integers(count, 2, count + 1), (bit) => 2 * bit - 1);
  const along = live.reduce((sum, v, i) => sum + v * direction[i]!, 0);
  expectClose([along], [directionalDerivative(value, at, direction)], { ...tolerance, scale: size * Math.sqrt(count) });
}

/** Expects `actual` to be what a function's adjoint makes of `dy` at `x`: the gradient of the function's results, weighted with `dy`. */
export function expectAdjoint(
  actual: Float32Array,
  x: ArrayLike<number>,
  dy: ArrayLike<number>,
  f: (x: Float64Array) => ArrayLike<number>,
  tolerance?: Parameters<typeof expectGradient>[3],
): void {
  expectGradient(actual, x, weighted(dy, f), tolerance);
}
