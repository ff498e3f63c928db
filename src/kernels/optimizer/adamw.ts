/**
 * AdamW over a flat arena of parameters in one pass (Loshchilov & Hutter 2019), bias-corrected as in transformers 4.2.1:
 *
 *     g ← g · min(1, maxNorm / (norm + 1e-6));  m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²
 *     p ← p − lr · √(1−β2ᵗ)/(1−β1ᵗ) · m / (√v + epsilon);  p ← p − lr · decay · p
 *
 * The factors of g and m come from the optimiser's state on the GPU (`optimizer-state.ts`), where clipping and the loss scale are already
 * applied. A step whose gradient norm is not finite changes nothing.
 */
import { wgsl } from "../../gpu/shader.ts";
import { blockIndex, fold, kernel, paramF32, scalar, threadsPerWorkgroup, vector, vectorWidth } from "../language/kernel.ts";
import { elementCount, type Operation, type Persistent, type Recorder, type Scalar } from "../language/operation.ts";
import { optimizerField } from "./optimizer-state.ts";

/** AdamW's constants, and the scalar that holds each step's learning rate. */
export interface AdamW {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly learningRate: Scalar;
}

const operation: Operation<AdamW> = {
  name: "adamW",
  infer: ([gradient]) => [gradient!, gradient!, gradient!],
  lower({ inputs: [gradient, state], outputs: [parameters, first, second], attributes }) {
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
          writes: { parameters: [parameters!, element], first: [first!, element], second: [second!, element] },
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
  setParameters(index, moved - rate * params.decay * moved);`,
          workgroups: () => fold(Math.ceil(count / step / threadsPerWorkgroup)),
        }),
      ],
    };
  },
};

/** Updates `parameters` and both moments in place, all f32 with the shape of `gradient`, by the step that `state` is at. */
export function adamW(
  tape: Recorder,
  { gradient, parameters, first, second, state }: Record<"gradient" | "parameters" | "first" | "second" | "state", Persistent>,
  attributes: AdamW,
): void {
  tape.update(operation, [gradient, state], [parameters, first, second], attributes);
}
