/** LayerNorm of each row of s = mask ∘ x + residual, in float64. */

export interface LayerNorm {
  readonly width: number;
  readonly epsilon: number;
  readonly weight: ArrayLike<number>;
  readonly bias: ArrayLike<number>;
  /** Dropout factors of `x`. */
  readonly mask?: ArrayLike<number>;
  readonly residual?: ArrayLike<number>;
}

export function layerNorm(x: ArrayLike<number>, { width, epsilon, weight, bias, mask, residual }: LayerNorm): Float64Array {
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += width) {
    let mean = 0;
    for (let i = start; i < start + width; i++) {
      y[i] = x[i]! * (mask?.[i] ?? 1) + (residual?.[i] ?? 0);
      mean += y[i]! / width;
    }
    let variance = 0;
    for (let i = start; i < start + width; i++) variance += (y[i]! - mean) ** 2 / width;
    for (let i = start; i < start + width; i++) {
      y[i] = ((y[i]! - mean) / Math.sqrt(variance + epsilon)) * weight[i - start]! + bias[i - start]!;
    }
  }
  return y;
}
