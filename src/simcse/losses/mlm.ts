/**
 * Masked language modelling on a packed batch: the mean cross-entropy of the masked tokens over all sentences. Logits are computed only for
 * these tokens, so the matrix [masked, vocab_size] has a seventh of its full size.
 */
import type { StepInput } from "../../autograd/step-input.ts";
import type { Tape } from "../../autograd/tape.ts";
import { cast } from "../../kernels/cast.ts";
import { crossEntropy } from "../../kernels/cross-entropy.ts";
import { gatherRows } from "../../kernels/gather-rows.ts";
import { type FloatType, floatOf, u32, type Value } from "../../kernels/language/operation.ts";
import { mean } from "../../kernels/sum.ts";
import { type BatchCapacity, BatchPacker, declareBatch, type PackedSentence } from "../model/batch.ts";
import type { Modules } from "../model/model.ts";
import type { MaskedSentence } from "./mlm-masking.ts";

/** Prefix of the second batch's inputs. */
const prefix = "masked ";

/** The room for masked tokens, in standard deviations above their mean number: one batch in 10⁹ has more. */
const spread = 6;

/** The most masked tokens in a batch of `tokens`. */
function maskedCapacity(tokens: number, probability: number): number {
  return Math.min(tokens, Math.ceil(probability * tokens + spread * Math.sqrt(probability * tokens) + spread));
}

export interface MaskedLossOptions {
  readonly probability: number;
  /** How activations are stored. */
  readonly dtype: FloatType;
  readonly recompute: boolean;
  /** Whether the embeddings are trained, which need the batch's gather indices for it. */
  readonly indices: boolean;
  /** The probability of dropout; null for that of the model's config. */
  readonly dropout: number | null;
}

/** Records a pass over the masked batch, with its own dropout masks, and its loss, f32 [1]; 0 if nothing is masked. */
export function maskedLanguageLoss(
  tape: Tape,
  { transformer, maskedHead }: Modules,
  capacity: BatchCapacity,
  { probability, dtype, recompute, indices, dropout }: MaskedLossOptions,
): Value {
  const batch = declareBatch(tape, capacity, { indices, prefix });
  const masked = tape.extent("masked tokens", maskedCapacity(capacity.tokens, probability));
  const rows = tape.input("masked rows", u32(masked));
  const labels = tape.input("masked labels", u32(masked));
  const gathered = tape.input("masked places", u32(batch.tokens.shape[0]!));
  const hidden = transformer.forward(batch, { training: true, dtype, recompute, dropout }).at(-1)!;
  const chosen = cast(gatherRows(hidden, rows, gathered), floatOf(hidden));
  return mean(crossEntropy(maskedHead!.forward(chosen, transformer.words), { labels }));
}

/** A sentence with its masked form. */
export interface MaskedInput extends PackedSentence {
  readonly masked: MaskedSentence;
}

/** Fills the inputs of the masked pass. */
export class MaskedPacker {
  readonly #packer: BatchPacker;
  readonly #rows: Uint32Array;
  readonly #labels: Uint32Array;
  readonly #places: Uint32Array;

  constructor(capacity: BatchCapacity, { probability, indices }: Pick<MaskedLossOptions, "probability" | "indices">) {
    this.#packer = new BatchPacker(capacity, { indices, prefix });
    const room = maskedCapacity(capacity.tokens, probability);
    this.#rows = new Uint32Array(room);
    this.#labels = new Uint32Array(room);
    this.#places = new Uint32Array(capacity.tokens);
  }

  /** The inputs of masked sentences, in the same rows as those of the unmasked batch. */
  pack(sentences: readonly MaskedInput[]): Required<Pick<StepInput, "inputs" | "live">> {
    let start = 0;
    let count = 0;
    this.#places.fill(0);
    const masked = sentences.map(({ masked: { ids, positions, labels }, key }) => {
      for (const [i, position] of positions.entries()) {
        if (count === this.#rows.length) break;
        this.#rows[count] = start + position;
        this.#labels[count] = labels[i]!;
        this.#places[start + position] = ++count;
      }
      start += ids.length;
      return { ids, key };
    });
    const { inputs, live } = this.#packer.pack(masked);
    return {
      inputs: {
        ...inputs,
        "masked rows": this.#rows.subarray(0, count),
        "masked labels": this.#labels.subarray(0, count),
        "masked places": this.#places.subarray(0, start),
      },
      live: { ...live, "masked tokens": count },
    };
  }
}
