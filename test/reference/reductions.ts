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

/** The values along each line of an axis of a row-major tensor, in the order of the result's elements. */
export function linesAlong(x: ArrayLike<number>, shape: readonly number[], axis: number): number[][] {
  const product = (sizes: readonly number[]) => sizes.reduce((result, size) => result * size, 1);
  const [outer, size, inner] = [product(shape.slice(0, axis)), shape[axis]!, product(shape.slice(axis + 1))];
  return Array.from({ length: outer * inner }, (_, i) =>
    Array.from({ length: size }, (_, k) => x[(Math.floor(i / inner) * size + k) * inner + (i % inner)]!),
  );
}

/** f64: sums along an axis. */
export function sumAlong(x: ArrayLike<number>, shape: readonly number[], axis: number): Float64Array {
  return Float64Array.from(linesAlong(x, shape, axis), (line) => line.reduce((sum, v) => sum + v, 0));
}
