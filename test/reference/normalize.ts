/** Rows divided by their Euclidean norm, in float64; zeros stay zeros. */
export function normalize(x: ArrayLike<number>, width: number): Float64Array {
  const y = Float64Array.from(x);
  for (let start = 0; start < y.length; start += width) {
    const row = y.subarray(start, start + width);
    const norm = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0)) || 1;
    row.forEach((v, c) => {
      row[c] = v / norm;
    });
  }
  return y;
}
