/** x·Φ(x) in float64, with Φ to full precision in both tails. */

/** erfc(z) for z ≥ 0: a series of positive terms near zero, Lentz's continued fraction beyond. */
function complementaryError(z: number): number {
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * z * z) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
  return Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction);
}

function normalDistribution(x: number): number {
  const tail = complementaryError(Math.abs(x) / Math.SQRT2) / 2;
  return x > 0 ? 1 - tail : tail;
}

export function gelu(x: number): number {
  return x * normalDistribution(x);
}
