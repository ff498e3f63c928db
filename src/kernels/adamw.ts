/**
 * AdamW over a flat arena of parameters in one pass (Loshchilov & Hutter 2019), bias-corrected as transformers 4.2.1 does it:
 *
 *     g ← g · min(1, maxNorm / (norm + 1e-6));  m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²
 *     p ← p − lr · √(1−β2ᵗ)/(1−β1ᵗ) · m / (√v + eps);  p ← p − lr · decay · p
 *
 * The norm is read on the GPU. A norm that is not finite skips the update, so that one bad batch cannot spoil the parameters. The step's bias
 * correction comes from the host, which computes it in double precision: in f32, 1 − β2ᵗ of the first steps would lose four digits.
 */
import { wgsl } from "../gpu/shader.ts";
import { blockIndex, fold, kernel, paramF32, scalar, threadsPerWorkgroup, vector, vectorWidth } from "./kernel.ts";
import { elementCount, type Operation, type Persistent, type Scalar, type Value } from "./operation.ts";

export interface AdamW {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Largest norm of all gradients together; Infinity leaves them as they are. */
  readonly maxGradientNorm: number;
  /** lr, and √(1−β2ᵗ)/(1−β1ᵗ). */
  readonly learningRate: Scalar;
  readonly biasCorrection: Scalar;
}

const operation: Operation<AdamW> = {
  name: "adamW",
  infer: ([gradient]) => [gradient!, gradient!, gradient!],
  lower({ inputs: [gradient, norm], outputs: [parameters, first, second], attributes }) {
    const count = elementCount(gradient!.shape);
    const step = vectorWidth(count);
    const element = vector(step);
    const clip = Number.isFinite(attributes.maxGradientNorm) ? "min(1.0, params.maxNorm / (norm(0) + 1e-6))" : "1.0";
    return {
      variant: `arena ×${step}`,
      kernels: [
        kernel({
          label: "adamW",
          workgroupSize: [threadsPerWorkgroup],
          reads: { gradient: [gradient!, element], norm: [norm!, "f32"] },
          writes: { parameters: [parameters!, element], first: [first!, element], second: [second!, element] },
          params: {
            beta1: paramF32(attributes.beta1),
            beta2: paramF32(attributes.beta2),
            rest1: paramF32(1 - attributes.beta1),
            rest2: paramF32(1 - attributes.beta2),
            eps: paramF32(attributes.eps),
            decay: paramF32(attributes.weightDecay),
            maxNorm: paramF32(Number.isFinite(attributes.maxGradientNorm) ? attributes.maxGradientNorm : 0),
          },
          main: wgsl`${blockIndex}
  let index = block * ${threadsPerWorkgroup}u + thread;
  if (index >= ${count / step}u || (bitcast<u32>(norm(0)) & 0x7f800000u) == 0x7f800000u) { return; }
  let rate = ${scalar(attributes.learningRate)};
  let g = gradient(index) * (${clip});
  let m = params.beta1 * first(index) + params.rest1 * g;
  let v = params.beta2 * second(index) + params.rest2 * g * g;
  setFirst(index, m);
  setSecond(index, v);
  let moved = parameters(index) - rate * ${scalar(attributes.biasCorrection)} * m / (sqrt(v) + params.eps);
  setParameters(index, moved - rate * params.decay * moved);`,
          workgroups: () => fold(Math.ceil(count / step / threadsPerWorkgroup)),
        }),
      ],
    };
  },
};

/** Updates `parameters` and both moments in place, all f32 of `gradient`'s shape; `norm` f32 [1] is the global gradient norm. */
export function adamW(
  norm: Value,
  { gradient, parameters, first, second }: Record<"gradient" | "parameters" | "first" | "second", Persistent>,
  attributes: AdamW,
): void {
  norm.tape.update(operation, [gradient, norm], [parameters, first, second], attributes);
}
