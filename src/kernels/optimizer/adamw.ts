/**
 * AdamW over a flat arena of parameters in one pass (Loshchilov & Hutter 2019), bias-corrected as in transformers 4.2.1:
 *
 *     g ← g · min(1, maxNorm / (norm + 1e-6));  m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²
 *     p ← p − lr · √(1−β2ᵗ)/(1−β1ᵗ) · m / (√v + epsilon);  p ← p − lr · decay · p
 *
 * The factors of g and m come from the optimiser's state on the GPU (`optimizer-state.ts`), where clipping and the loss scale are already
 * applied. A step whose gradient norm is not finite changes nothing. In mixed precision the same pass writes the f16 copies of the
 * parameters, which the products of the next step read.
 */
import { wgsl } from "../../gpu/shader.ts";
import { blockIndex, fold, kernel, paramF32, scalar, threadsPerWorkgroup, vector, vectorWidth } from "../language/kernel.ts";
import { elementCount, float, type Operation, type Persistent, type Recorder, type Scalar } from "../language/operation.ts";
import { optimizerField } from "./optimizer-state.ts";

/** AdamW's constants, and the scalar that holds each step's learning rate. */
export interface AdamW {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly learningRate: Scalar;
}

const operation: Operation<AdamW & { readonly keepsHalves: boolean }> = {
  name: "adamW",
  infer: ([gradient], { keepsHalves }) => [gradient!, gradient!, gradient!, ...(keepsHalves ? [float("f16", ...gradient!.shape)] : [])],
  lower({ inputs: [gradient, state], outputs: [parameters, first, second, half], attributes }) {
    const count = elementCount(gradient!.shape);
    const step = vectorWidth(count);
    const element = vector(step);
    return {
      variant: `arena ×${step}`,
      kernels: [
        kernel({
          label: "adamW",
          workgroupSize: [threadsPerWorkgroup],
          reads: { gradient: [gradient!, element], state: [state!, "f32"] },
          writes: {
            parameters: [parameters!, element],
            first: [first!, element],
            second: [second!, element],
            ...(half ? { half: [half, element] as const } : {}),
          },
          params: {
            beta1: paramF32(attributes.beta1),
            beta2: paramF32(attributes.beta2),
            rest1: paramF32(1 - attributes.beta1),
            rest2: paramF32(1 - attributes.beta2),
            epsilon: paramF32(attributes.epsilon),
            decay: paramF32(attributes.weightDecay),
          },
          main: wgsl`${blockIndex}
  let index = block * ${threadsPerWorkgroup}u + thread;
  let factor = state(${optimizerField.gradientFactor}u);
  if (index >= ${count / step}u || factor == 0.0) { return; }
  let rate = ${scalar(attributes.learningRate)};
  let g = gradient(index) * factor;
  let m = params.beta1 * first(index) + params.rest1 * g;
  let v = params.beta2 * second(index) + params.rest2 * g * g;
  setFirst(index, m);
  setSecond(index, v);
  let moved = parameters(index) - rate * state(${optimizerField.biasCorrection}u) * m / (sqrt(v) + params.epsilon);
  let decayed = moved - rate * params.decay * moved;
  setParameters(index, decayed);
  ${half ? "setHalf(index, decayed);" : ""}`,
          workgroups: () => fold(Math.ceil(count / step / threadsPerWorkgroup)),
        }),
      ],
    };
  },
};

/** What AdamW reads and updates, all with the shape of `gradient` except for the optimizer's `state`. */
export interface AdamWTensors extends Record<"gradient" | "parameters" | "first" | "second" | "state", Persistent> {
  /** The f16 copy of the parameters, if there is one. */
  readonly half?: Persistent | null;
}

/** Updates `parameters` and both moments (f32) and `half` (f16) in place, by the step that `state` is at. */
export function adamW(tape: Recorder, { gradient, parameters, first, second, state, half }: AdamWTensors, attributes: AdamW): void {
  const updated = [parameters, first, second, ...(half ? [half] : [])];
  tape.update(operation, [gradient, state], updated, { ...attributes, keepsHalves: updated.length > 3 });
}
