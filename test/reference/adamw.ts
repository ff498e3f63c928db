/** One AdamW step in float64, as transformers 4.2.1 does it: bias correction in the step size, decay after the update. */

export interface AdamWState {
  readonly parameters: Float64Array;
  readonly first: Float64Array;
  readonly second: Float64Array;
}

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
}

/** The factor √(1−β2ᵗ)/(1−β1ᵗ) of step t, counted from 1. */
function biasCorrection({ beta1, beta2 }: AdamWOptions, t: number): number {
  return Math.sqrt(1 - beta2 ** t) / (1 - beta1 ** t);
}

/** The state after step `t`, counted from 1; `norm` is the norm of all gradients. */
export function adamW(
  { parameters, first, second }: AdamWState,
  gradient: ArrayLike<number>,
  norm: number,
  t: number,
  learningRate: number,
  options: AdamWOptions,
): AdamWState {
  const { beta1, beta2, epsilon, weightDecay, maxGradNorm } = options;
  const clip = Math.min(1, maxGradNorm / (norm + 1e-6));
  const m = first.map((value, i) => beta1 * value + (1 - beta1) * gradient[i]! * clip);
  const v = second.map((value, i) => beta2 * value + (1 - beta2) * (gradient[i]! * clip) ** 2);
  const moved = parameters.map((value, i) => value - (learningRate * biasCorrection(options, t) * m[i]!) / (Math.sqrt(v[i]!) + epsilon));
  return { parameters: moved.map((value) => value - learningRate * weightDecay * value), first: m, second: v };
}
