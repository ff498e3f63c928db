/** One vector a sentence, in float64. */
import type { Pooling } from "../../src/kernels/pool.ts";

/** The result of each kind of pooling for one feature of a sentence's tokens. */
const pooled: Readonly<Record<Pooling, (values: readonly number[], before: number) => number>> = {
  first: (values) => values[0]!,
  last: (values) => values.at(-1)!,
  mean: (values) => total(values) / values.length,
  meanSqrtLength: (values) => total(values) / Math.sqrt(values.length),
  weightedMean: (values, before) => total(values.map((value, i) => value * (before + i + 1))) / total(values.map((_, i) => before + i + 1)),
  max: (values) => Math.max(...values),
};

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

/** f64 [sentences, width · poolings] from packed rows `x` f64 [tokens, width] of sentences of the given lengths; `before` rows are left out of each. */
export function pool(
  x: ArrayLike<number>,
  width: number,
  lengths: readonly number[],
  poolings: readonly Pooling[],
  before = 0,
): Float64Array {
  const y: number[] = [];
  let start = 0;
  for (const length of lengths) {
    const rows = Array.from({ length: length - before }, (_, i) => start + before + i);
    for (const pooling of poolings) {
      for (let c = 0; c < width; c++)
        y.push(
          pooled[pooling](
            rows.map((row) => x[row * width + c]!),
            before,
          ),
        );
    }
    start += length;
  }
  return Float64Array.from(y);
}
