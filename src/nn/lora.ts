/**
 * Low-rank adapters (Hu et al. 2021, "LoRA"): beside a frozen weight W, the product of two thin matrices is trained:
 *
 *     y = x·Wᵀ + b + alpha/rank · dropout(x)·Aᵀ·Bᵀ,   A [rank, in], B [out, rank]
 *
 * A begins random and B at zero, so the model begins as its base. The tensors have PEFT's names: `query.lora_A.weight`. One adapter may
 * serve several linear layers that read the same input and whose outputs lie side by side, as query, key and value do.
 */
import { dropout } from "../kernels/dropout.ts";
import { floatOf, type Value } from "../kernels/language/operation.ts";
import { lowRank } from "../kernels/low-rank.ts";
import { matmul } from "../kernels/matmul/matmul.ts";
import { Parameter, type Piece } from "./parameters/parameter.ts";

/** The linear layers of an encoder's layer that may have adapters. */
export const loraTargets = ["query", "key", "value", "attention.output", "intermediate", "output"] as const;

/**
 * A linear layer of an encoder's layer, by its name in a BERT without `.dense`. Other architectures have the same layers under other names,
 * such as DistilBERT's `q_lin`; adapters are saved under these.
 */
export type LoraTarget = (typeof loraTargets)[number];

/** The adapters of a model. */
export interface LoraOptions {
  /** Columns of A and B, at least 1. */
  readonly rank: number;
  /** The product is multiplied by alpha / rank. */
  readonly alpha: number;
  /** The probability of dropout on the adapters' input, in [0, 1). */
  readonly dropout: number;
  readonly targets: readonly LoraTarget[];
}

/** The options of the adapter of a linear layer that is one of `targets`, or stands for several; null if it has none. */
export const adapterOf = (lora: LoraOptions | null, ...targets: readonly LoraTarget[]): LoraOptions | null =>
  targets.some((target) => lora?.targets.includes(target)) ? lora : null;

/** The two tensors of one linear layer's adapter. */
export interface AdapterTensors {
  readonly lora_A: { readonly weight: Piece };
  readonly lora_B: { readonly weight: Piece };
}

/** The factor of B·A. */
const loraScale = ({ rank, alpha }: LoraOptions): number => alpha / rank;

/** Whether a tensor belongs to an adapter, by its name. */
export const isAdapter = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

/** The names of the adapter's tensors of a weight. */
export const adapterNames = (weight: string) => ({
  down: weight.replace(/weight$/, "lora_A.weight"),
  up: weight.replace(/weight$/, "lora_B.weight"),
});

/** The adapter of one linear layer, or of several whose outputs are blocks of one matrix. */
export class LowRankAdapter {
  readonly #down: Parameter;
  readonly #up: Parameter;
  readonly #width: number;

  /** `width` is that of a linear layer's output, and `blocks` are the places of those that have an adapter. */
  constructor(
    inFeatures: number,
    width: number,
    readonly blocks: readonly number[],
    readonly options: LoraOptions,
  ) {
    const { rank } = options;
    // The deviation of PEFT's A, which is uniform within ±1/√in.
    this.#down = new Parameter([blocks.length * rank, inFeatures], { normal: 1 / Math.sqrt(3 * inFeatures) });
    this.#up = new Parameter([blocks.length * width, rank], { constant: 0 });
    this.#width = width;
  }

  /** The tensors of a block's linear layer; none if it has no adapter. */
  tensorsOf(block: number): AdapterTensors | Record<string, never> {
    const at = this.blocks.indexOf(block);
    const { rank } = this.options;
    if (at < 0) return {};
    return {
      lora_A: { weight: this.#down.rows(at * rank, rank) },
      lora_B: { weight: this.#up.rows(at * this.#width, this.#width) },
    };
  }

  /**
   * `base` [rows, …], the linear layers' outputs for `x` [rows, in], with the adapters' added. Dropout is active if the batch's token table
   * is given.
   */
  forward(base: Value, x: Value, tokens: Value | undefined): Value {
    const { dropout: probability } = this.options;
    const input = tokens && probability > 0 ? dropout(x, probability, { tokens }) : x;
    const u = matmul(input, this.#down.stored(floatOf(x)), "nt", { dtype: "f32" });
    return lowRank(base, u, this.#up, { blocks: this.blocks, scale: loraScale(this.options) });
  }
}

/** A weight [out, in] with its adapter added: W + alpha/rank · B·A, in place. `down` is A [rank, in], and `up` is B [out, rank]. */
export function mergeAdapter(
  weight: Float32Array,
  { down, up, ...options }: { readonly down: Float32Array; readonly up: Float32Array } & LoraOptions,
): Float32Array {
  const { rank } = options;
  const scale = loraScale(options);
  const width = down.length / rank;
  const row = new Float64Array(width);
  for (let out = 0; out < up.length / rank; out++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = scale * up[out * rank + k]!;
      for (let i = 0; i < width; i++) row[i]! += factor * down[k * width + i]!;
    }
    for (let i = 0; i < width; i++) weight[out * width + i]! += row[i]!;
  }
  return weight;
}
