/** Rows divided by their Euclidean norm, at least 1e-8, in float64. */
export function normalize(x: ArrayLike<number>, width: number): Float64Array {
  const y = Float64Array.from(x);
  for (let start = 0; start < y.length; start += width) {
    const row = y.subarray(start, start + width);
    const norm = Math.max(Math.sqrt(row.reduce((sum, v) => sum + v * v, 0)), 1e-8);
    row.forEach((v, c) => {
      row[c] = v / norm;
    });
  }
  return y;
}
