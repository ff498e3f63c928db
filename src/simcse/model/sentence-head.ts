/**
 * The modules after the transformer of a sentence-transformers folder: pooling of one or several kinds, then dense layers, layer norms,
 * scaling to unit length and cutting, in the folder's order. Models are trained with SimCSE's five poolers (poolers.ts); this is for encoding with any
 * other.
 */
import { FormatError } from "../../errors.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import { normalize } from "../../kernels/normalize.ts";
import { add, gelu, relu, sigmoid, silu, tanh } from "../../kernels/pointwise/pointwise.ts";
import { type Pooling, pool } from "../../kernels/pool.ts";
import { slice } from "../../kernels/slice.ts";
import type { BatchValues, ReadRows } from "../../nn/architectures/architecture.ts";
import { LayerNorm } from "../../nn/layer-norm.ts";
import { Parameter } from "../../nn/parameters/parameter.ts";
import { firstOf } from "./poolers.ts";

/** Activations of dense layers, by their names in PyTorch. */
const activations = {
  Identity: (x: Value) => x,
  Tanh: tanh,
  GELU: gelu,
  ReLU: relu,
  Sigmoid: sigmoid,
  SiLU: silu,
} as const satisfies Readonly<Record<string, (x: Value) => Value>>;

/** The activations of a sentence-transformers dense module. */
export type Activation = keyof typeof activations;
export const activationNames = Object.keys(activations) as readonly Activation[];

/** A dense layer: activation(x · Wᵀ + b), plus x or its projection if there is a residual. */
export interface DenseStep {
  readonly kind: "dense";
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
  readonly activation: Activation;
  readonly residual: boolean;
}

/** A step on a sentence's vector after pooling. */
export type SentenceStep =
  | DenseStep
  | { readonly kind: "layerNorm"; readonly width: number }
  | { readonly kind: "normalize" }
  /** Keeps the first `width` numbers of longer vectors. */
  | { readonly kind: "cut"; readonly width: number };

/** The parts of a `SentenceHead`. */
export interface SentenceHeadConfig {
  /** Their vectors are concatenated. */
  readonly poolings: readonly Pooling[];
  /** Whether the tokens of a prompt are pooled too. */
  readonly includePrompt: boolean;
  readonly steps: readonly SentenceStep[];
}

/** Parameters have the names of sentence-transformers' modules: `linear.weight`, `norm.weight`, `residual.weight`. */
export interface Step {
  forward(x: Value): Value;
}

const initializerRange = 0.02;

class Dense implements Step {
  readonly linear: { readonly weight: Parameter; readonly bias?: Parameter };
  readonly residual?: { readonly weight: Parameter };
  readonly #step: DenseStep;

  constructor(step: DenseStep) {
    const { inFeatures, outFeatures, bias, residual } = step;
    const weight = () => new Parameter([outFeatures, inFeatures], { normal: initializerRange });
    this.linear = { weight: weight(), ...(bias && { bias: new Parameter([outFeatures], { constant: 0 }) }) };
    if (residual && inFeatures !== outFeatures) this.residual = { weight: weight() };
    this.#step = step;
  }

  forward(x: Value): Value {
    const { weight, bias } = this.linear;
    const out = activations[this.#step.activation](matmul(x, weight, "nt", { bias }));
    if (!this.#step.residual) return out;
    return add(out, this.residual ? matmul(x, this.residual.weight, "nt") : x);
  }
}

class Norm implements Step {
  readonly norm: LayerNorm;

  constructor(width: number) {
    // PyTorch's default epsilon: sentence-transformers has no option for it.
    this.norm = new LayerNorm(width, 1e-5);
  }

  forward(x: Value): Value {
    return this.norm.forward(x);
  }
}

function makeStep(step: SentenceStep): Step {
  if (step.kind === "dense") return new Dense(step);
  if (step.kind === "layerNorm") return new Norm(step.width);
  if (step.kind === "normalize") return { forward: normalize };
  return { forward: (x) => ((x.shape[1] as number) > step.width ? slice(x, 1, 0, step.width) : x) };
}

/** The modules that a sentence-transformers folder lists after the transformer: poolings, dense layers and layer norms, in order. */
export class SentenceHead {
  readonly steps: readonly Step[];

  constructor(readonly config: SentenceHeadConfig) {
    this.steps = config.steps.map(makeStep);
  }

  /** What it reads of the last layer's output. */
  get rows(): ReadRows {
    const { poolings, includePrompt } = this.config;
    return includePrompt && poolings.length === 1 && poolings[0] === "first" ? "first" : "all";
  }

  /** f32 [sentences, width] from the last layer's output. `pooled` is the sentence table without the tokens of prompts. */
  forward(last: Value, batch: BatchValues, pooled: Value): Value {
    const { poolings, includePrompt } = this.config;
    const places = { tokens: batch.tokens, sentences: pooled, whole: includePrompt ? undefined : batch.sentences };
    const vectors = this.rows === "first" ? firstOf(last, batch) : pool(last, places, poolings);
    return this.steps.reduce((x, step) => step.forward(x), vectors);
  }
}

/**
 * The length of a head's vectors. Throws `FormatError` for a step whose input size differs from the previous step's output; `path` names
 * the folder.
 */
export function headDimension(path: string, { poolings, steps }: SentenceHeadConfig, hiddenSize: number): number {
  let width = poolings.length * hiddenSize;
  for (const step of steps) {
    if (step.kind === "normalize") continue;
    if (step.kind === "cut") {
      width = Math.min(width, step.width);
      continue;
    }
    const takes = step.kind === "dense" ? step.inFeatures : step.width;
    if (takes !== width) {
      throw new FormatError(
        `${path} has a module that takes vectors of ${takes} numbers after one that gives ${width}.`,
        "Use the files that belong to the model.",
      );
    }
    if (step.kind === "dense") width = step.outFeatures;
  }
  return width;
}
