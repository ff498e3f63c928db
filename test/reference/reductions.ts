/** Sums over vectors and matrices, in float64. */

export function mean(x: ArrayLike<number>): number {
  return Array.from(x).reduce((sum, v) => sum + v, 0) / x.length;
}

/** f64 [width]: the sum of the rows of `x`. */
export function columnSum(x: ArrayLike<number>, width: number): Float64Array {
  const sums = new Float64Array(width);
  for (let i = 0; i < x.length; i++) sums[i % width]! += x[i]!;
  return sums;
}

/** The Euclidean norm of all tensors as one vector. */
export function globalNorm(tensors: readonly ArrayLike<number>[]): number {
  return Math.sqrt(tensors.reduce((sum, x) => sum + Array.from(x).reduce((part, v) => part + v * v, 0), 0));
}
