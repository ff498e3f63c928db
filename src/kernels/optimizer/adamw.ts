/**
 * AdamW over flat arenas of parameters in one pass (Loshchilov & Hutter 2019), bias-corrected as in transformers 4.2.1:
 *
 *     g ← g · min(1, maxNorm / (norm + 1e-6));  m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²
 *     p ← p − lr · √(1−β2ᵗ)/(1−β1ᵗ) · m / (√v + epsilon);  p ← p − lr · decay · p
 *
 * The factors of g and m come from the optimiser's state on the GPU (`optimizer-state.ts`), where clipping and the loss scale are already
 * applied. A step whose gradient norm is not finite changes nothing. In mixed precision the same pass writes the f16 copies of the
 * parameters, which the products of the next step read. One dispatch updates as many arenas as the device can bind.
 */
import type { Limits } from "../../gpu/capabilities.ts";
import { wgsl } from "../../gpu/shader.ts";
import { blockIndex, fold, kernel, numbered, paramF32, scalar, threadsPerWorkgroup, vector, vectorWidth } from "../language/kernel.ts";
import {
  elementCount,
  float,
  type Kernel,
  type Operation,
  type Persistent,
  type Recorder,
  type Scalar,
  type Value,
} from "../language/operation.ts";
import { optimizerField } from "./optimizer-state.ts";

/** AdamW's constants, and the scalar that holds each step's learning rate. */
export interface AdamW {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly learningRate: Scalar;
}

/** An arena that AdamW updates: tensors of one shape. */
export interface AdamWArena<Tensor = Persistent> extends Readonly<Record<"gradient" | "parameters" | "first" | "second", Tensor>> {
  /** The f16 copy of the parameters, if there is one. */
  readonly half?: Tensor | null;
  readonly weightDecay: number;
}

interface Attributes extends AdamW {
  readonly arenas: readonly { readonly weightDecay: number; readonly hasHalf: boolean }[];
}

const operation: Operation<Attributes> = {
  name: "adamW",
  infer: (inputs, { arenas }) =>
    arenas.flatMap(({ hasHalf }, i) => {
      const gradient = inputs[i]!;
      return [gradient, gradient, gradient, ...(hasHalf ? [float("f16", ...gradient.shape)] : [])];
    }),
  lower({ inputs, outputs, attributes }, { limits }) {
    const rest = [...outputs];
    const arenas = attributes.arenas.map(({ weightDecay, hasHalf }, i): AdamWArena<Value> => {
      const [parameters, first, second, half] = rest.splice(0, hasHalf ? 4 : 3) as [Value, Value, Value, Value?];
      return { gradient: inputs[i]!, parameters, first, second, half: half ?? null, weightDecay };
    });
    const kernels = boundTogether(arenas, limits).map((some) => updateKernel(some, inputs.at(-1)!, attributes));
    return { variant: `${arenas.length} arenas`, kernels };
  },
};

/** The arenas in groups that a kernel can bind beside the state. */
function boundTogether(arenas: readonly AdamWArena<Value>[], { maxStorageBuffersPerShaderStage }: Limits): AdamWArena<Value>[][] {
  const groups: AdamWArena<Value>[][] = [];
  let free = 0;
  for (const arena of arenas) {
    const bindings = arena.half ? 5 : 4;
    if (bindings > free) {
      groups.push([]);
      free = maxStorageBuffersPerShaderStage - 1;
    }
    groups.at(-1)!.push(arena);
    free -= bindings;
  }
  return groups;
}

/** Updates arenas, whose workgroups stand in one row, those of the first arena first. */
function updateKernel(arenas: readonly AdamWArena<Value>[], state: Value, constants: AdamW): Kernel {
  const counts = arenas.map(({ gradient }) => elementCount(gradient.shape));
  const vectors = counts.map((count) => count / vectorWidth(count));
  const ends: number[] = [];
  for (const count of vectors) ends.push((ends.at(-1) ?? 0) + Math.ceil(count / threadsPerWorkgroup));
  const bind = (name: "gradient" | "parameters" | "first" | "second" | "half") =>
    numbered(name, arenas, ({ [name]: tensor }, i) => (tensor ? ([tensor, vector(vectorWidth(counts[i]!))] as const) : undefined));
  const update = ({ half }: AdamWArena<Value>, i: number) => wgsl`fn update${i}(index: u32, factor: f32, rate: f32) {
  if (index >= ${vectors[i]!}u) { return; }
  let g = gradient${i}(index) * factor;
  let m = params.beta1 * first${i}(index) + params.rest1 * g;
  let v = params.beta2 * second${i}(index) + params.rest2 * g * g;
  setFirst${i}(index, m);
  setSecond${i}(index, v);
  let moved = parameters${i}(index) - rate * state(${optimizerField.biasCorrection}u) * m / (sqrt(v) + params.epsilon);
  let decayed = moved - rate * params.decay${i} * moved;
  setParameters${i}(index, decayed);
  ${half ? `setHalf${i}(index, decayed);` : ""}
}
`;
  return kernel({
    label: "adamW",
    workgroupSize: [threadsPerWorkgroup],
    reads: { ...bind("gradient"), state: [state, "f32"] },
    writes: { ...bind("parameters"), ...bind("first"), ...bind("second"), ...bind("half") },
    params: {
      beta1: paramF32(constants.beta1),
      beta2: paramF32(constants.beta2),
      rest1: paramF32(1 - constants.beta1),
      rest2: paramF32(1 - constants.beta2),
      epsilon: paramF32(constants.epsilon),
      ...numbered("decay", arenas, ({ weightDecay }) => paramF32(weightDecay)),
    },
    declarations: arenas.map(update).join(""),
    main: wgsl`${blockIndex}
  let factor = state(${optimizerField.gradientFactor}u);
  if (factor == 0.0) { return; }
  let rate = ${scalar(constants.learningRate)};
  ${ends
    .map((end, i) => {
      const index = `(block - ${ends[i - 1] ?? 0}u) * ${threadsPerWorkgroup}u + thread`;
      return `if (block < ${end}u) { update${i}(${index}, factor, rate); return; }`;
    })
    .join("\n  ")}`,
    workgroups: () => fold(ends.at(-1)!),
  });
}

/** Updates the parameters and both moments (f32) and the copy (f16) of each arena in place, by the step that the optimizer's `state` is at. */
export function adamW(tape: Recorder, arenas: readonly AdamWArena[], state: Persistent, constants: AdamW): void {
  const inputs = [...arenas.map(({ gradient }) => gradient), state];
  const updated = arenas.flatMap(({ parameters, first, second, half }) => [parameters, first, second, ...(half ? [half] : [])]);
  tape.update(operation, inputs, updated, {
    ...constants,
    arenas: arenas.map(({ weightDecay, half }) => ({ weightDecay, hasHalf: half !== undefined && half !== null })),
  });
}
