/** Search by inner product in float64, every pair by itself. */

/** [queries, rows] inner products of f64 queries [queries, width] and rows [rows, width]. */
export function innerProducts(queries: ArrayLike<number>, vectors: ArrayLike<number>, width: number): Float64Array {
  const [queryCount, rows] = [queries.length / width, vectors.length / width];
  const scores = new Float64Array(queryCount * rows);
  for (let q = 0; q < queryCount; q++) {
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += queries[q * width + i]! * vectors[row * width + i]!;
      scores[q * rows + row] = sum;
    }
  }
  return scores;
}

/** Indices of the k largest of `scores`, the larger first, and of equal ones the first. */
export function largest(scores: ArrayLike<number>, k: number): number[] {
  return Array.from(scores, (_, i) => i)
    .sort((a, b) => scores[b]! - scores[a]! || a - b)
    .slice(0, k);
}
