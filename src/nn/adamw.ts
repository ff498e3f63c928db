/**
 * One optimiser step at the end of a recorded program: gradients into the arenas, their global norm, and AdamW over each arena. The schedule
 * gives the learning rate of a step from the host.
 */
import { gradient } from "../autograd/gradient.ts";
import type { Tape } from "../autograd/tape.ts";
import { OptionError } from "../errors.ts";
import { adamW as adamWKernel } from "../kernels/adamw.ts";
import { globalNorm } from "../kernels/global-norm.ts";
import type { Value } from "../kernels/operation.ts";
import type { ParameterStore } from "./parameter-store.ts";

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** For matrices; biases and norm weights never decay. */
  readonly weightDecay: number;
  /** Gradients are scaled down to this global norm; Infinity leaves them. */
  readonly maxGradNorm: number;
}

/** transformers' defaults. */
export const adamWDefaults: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };

/** Differentiates `loss` and updates every parameter of `store`. Returns the global gradient norm before clipping, f32 [1]. */
export function adamWStep(tape: Tape, loss: Value, store: ParameterStore, options: AdamWOptions = adamWDefaults): Value {
  const arenas = store.arenas.map(({ training, ...arena }) => {
    if (training === null) throw new OptionError("The model's parameters have no gradients.", "Allocate the model for training.");
    return { ...arena, ...training };
  });
  gradient(tape, loss, store.parameters);
  const norm = globalNorm(
    tape,
    arenas.map((arena) => arena.gradient),
  );
  for (const arena of arenas) {
    adamWKernel(norm, arena, {
      beta1: options.beta1,
      beta2: options.beta2,
      eps: options.epsilon,
      weightDecay: arena.decays ? options.weightDecay : 0,
      maxGradientNorm: options.maxGradNorm,
      learningRate: tape.scalar("learningRate"),
      biasCorrection: tape.scalar("biasCorrection"),
    });
  }
  return norm;
}

/** The scalars of update number `t` (from 1), computed in double precision. */
export function adamWScalars(t: number, learningRate: number, { beta1, beta2 }: AdamWOptions = adamWDefaults): Record<string, number> {
  return { learningRate, biasCorrection: Math.sqrt(1 - beta2 ** t) / (1 - beta1 ** t) };
}
