/**
 * Pearson's and Spearman's correlation, as in scipy, which SentEval uses.
 *
 * All sums are float64 and two-pass (means first, then products of deviations), never E[xy] − E[x]E[y], which cancels when the scores of a
 * model lie close together, as cosines of untrained models do. No p-values here.
 */
import { ShapeError } from "../../../errors.ts";
import { checkNumbers } from "./check-numbers.ts";
import { mean } from "./mean.ts";

/**
 * Pearson's correlation of two samples `x` and `y` of the same length [n].
 *
 * In [−1, 1]; NaN where it is undefined: fewer than two values, a constant sample, or a value that is not finite.
 * @throws ShapeError when the lengths differ, DataError for a value that is no number, such as a text.
 */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number {
  if (x.length !== y.length) {
    throw new ShapeError(
      `A correlation needs two samples of one length, and got ${x.length} and ${y.length} values.`,
      "Give one score and one gold score for each pair.",
    );
  }
  checkNumbers(x);
  checkNumbers(y);
  // A constant sample is found by comparison, because its computed deviations may be rounding noise instead of zeros.
  if (isConstant(x) || isConstant(y)) return Number.NaN;
  const meanX = mean(x);
  const meanY = mean(y);
  let xx = 0;
  let yy = 0;
  let xy = 0;
  for (let i = 0; i < x.length; i++) {
    const dx = x[i]! - meanX;
    const dy = y[i]! - meanY;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  // Two roots instead of the root of the product, because the product could overflow or underflow.
  return Math.max(-1, Math.min(1, xy / (Math.sqrt(xx) * Math.sqrt(yy))));
}

/**
 * Ranks of `x` [n] from 1 to n in ascending order; tied values share the average of their ranks (scipy's `rankdata`, method "average").
 *
 * One NaN makes every rank NaN, because the order is then undefined.
 * @throws DataError for a value that is no number.
 */
export function averageRanks(x: ArrayLike<number>): Float64Array {
  checkNumbers(x);
  const n = x.length;
  const ranks = new Float64Array(n);
  for (let i = 0; i < n; i++) if (Number.isNaN(x[i])) return ranks.fill(Number.NaN);
  const order = Uint32Array.from({ length: n }, (_, i) => i).sort((i, j) => (x[i]! < x[j]! ? -1 : x[i]! > x[j]! ? 1 : 0));
  for (let first = 0; first < n; ) {
    let end = first + 1;
    while (end < n && x[order[end]!] === x[order[first]!]) end++;
    const rank = (first + 1 + end) / 2;
    for (let k = first; k < end; k++) ranks[order[k]!] = rank;
    first = end;
  }
  return ranks;
}

/**
 * Spearman's rank correlation of `x` and `y`, each [n]: Pearson's correlation of their average ranks.
 *
 * NaN where it is undefined: fewer than two values, a constant sample, or a NaN.
 * @throws ShapeError when the lengths differ, DataError for a value that is no number, such as a text.
 */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): number {
  return pearson(averageRanks(x), averageRanks(y));
}

/** True for samples without spread, including those with fewer than two values. */
function isConstant(x: ArrayLike<number>): boolean {
  for (let i = 1; i < x.length; i++) if (x[i] !== x[0]) return false;
  return true;
}
