/**
 * Records one optimiser step at the end of a program: the gradients go into the arenas; then come their global norm, the optimiser's state,
 * and AdamW over each arena. The host gives each step's learning rate as the scalar `learningRate`.
 */
import { gradient } from "../autograd/gradient.ts";
import type { Tape } from "../autograd/tape.ts";
import { OptionError } from "../errors.ts";
import type { Value } from "../kernels/language/operation.ts";
import { adamW as adamWKernel } from "../kernels/optimizer/adamw.ts";
import { advanceOptimizer } from "../kernels/optimizer/optimizer-state.ts";
import type { ParameterLayout } from "./parameters/parameter-layout.ts";

/** AdamW's constants (Loshchilov & Hutter 2019), without the learning rate, which is a scalar of each step. */
export interface AdamWOptions {
  /** Decay of the running mean of gradients, in [0, 1). */
  readonly beta1: number;
  /** Decay of the running mean of squared gradients, in [0, 1). */
  readonly beta2: number;
  /** Added to the root of the mean of squares; greater than 0. */
  readonly epsilon: number;
  /** Weight decay of matrices, at least 0. Biases and norm weights never decay. */
  readonly weightDecay: number;
  /** Gradients are scaled down to this global norm, greater than 0; Infinity leaves them. */
  readonly maxGradNorm: number;
}

/** transformers' defaults. */
export const adamWDefaults: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };

/** What each option must be, as text and as a test. */
const possible: { readonly [Name in keyof AdamWOptions]: readonly [string, (value: number) => boolean] } = {
  beta1: ["at least 0 and less than 1", (value) => value >= 0 && value < 1],
  beta2: ["at least 0 and less than 1", (value) => value >= 0 && value < 1],
  epsilon: ["greater than 0", (value) => value > 0 && value < Number.POSITIVE_INFINITY],
  weightDecay: ["at least 0", (value) => value >= 0 && value < Number.POSITIVE_INFINITY],
  maxGradNorm: ["greater than 0", (value) => value > 0],
};

/** Throws `OptionError` for an impossible option. */
function checkAdamW(options: AdamWOptions): void {
  for (const [name, [range, isPossible]] of Object.entries(possible)) {
    const value = options[name as keyof AdamWOptions];
    if (typeof value === "number" && isPossible(value)) continue;
    throw new OptionError(`${name} of AdamW is ${String(value)}.`, `Give a number that is ${range}.`);
  }
}

/**
 * Differentiates `loss` and updates every trained parameter of a layout. If the layout also keeps the matrices as f16 (mixed precision), the loss
 * is scaled before the backward pass. Returns the global gradient norm before clipping, f32 [1].
 */
export function adamWStep(tape: Tape, loss: Value, layout: ParameterLayout, options: AdamWOptions = adamWDefaults): Value {
  gradient(tape, loss, layout.trained, { scaledBy: layout.keepsHalves ? layout.optimizer : null });
  return adamWUpdate(tape, layout, options);
}

/** Updates every trained parameter by the gradients in the arenas. Returns their global norm before clipping, f32 [1]. Throws `OptionError` for impossible options. */
export function adamWUpdate(tape: Tape, { optimizer, spans, keepsHalves }: ParameterLayout, options: AdamWOptions): Value {
  if (optimizer === null) throw new OptionError("The model's parameters have no gradients.", "Allocate the model for training.");
  checkAdamW(options);
  const { beta1, beta2, epsilon, weightDecay, maxGradNorm } = options;
  const arenas = spans.flatMap(({ training, decays, ...span }) =>
    training ? [{ ...span, ...training, weightDecay: decays ? weightDecay : 0 }] : [],
  );
  const gradients = arenas.map(({ gradient }) => gradient);
  const norm = advanceOptimizer(tape, gradients, optimizer, { beta1, beta2, maxGradNorm, dynamicScale: keepsHalves });
  adamWKernel(tape, arenas, optimizer, { beta1, beta2, epsilon, learningRate: tape.scalar("learningRate") });
  return norm;
}
