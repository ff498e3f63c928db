/** RMSNorm of each row of x, in float64. */
export function rmsNorm(x: ArrayLike<number>, weight: ArrayLike<number>, epsilon: number): Float64Array {
  const width = weight.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += width) {
    let squares = 0;
    for (let i = start; i < start + width; i++) squares += x[i]! ** 2 / width;
    for (let i = start; i < start + width; i++) y[i] = (x[i]! / Math.sqrt(squares + epsilon)) * weight[i - start]!;
  }
  return y;
}
