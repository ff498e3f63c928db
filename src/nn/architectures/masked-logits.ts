/**
 * What every head of a masked language model computes (Devlin et al. 2019): dense → an activation → LayerNorm → a product with the word
 * embedding and a bias, one logit per word.
 */
import { floatOf, type Value } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import type { LayerNorm } from "../layer-norm.ts";
import type { Linear } from "../linear.ts";
import type { Parameter } from "../parameters/parameter.ts";
import { type ActivationName, activationOf } from "./activations.ts";

/** The parts of a head, which each architecture names in its own way. */
export interface MaskedHeadParts {
  readonly dense: Linear;
  readonly norm: LayerNorm;
  /** f32 [vocab_size] */
  readonly bias: Parameter;
  /** The exact GELU if absent, as in the heads that do not read the config's. */
  readonly activation?: ActivationName;
}

/** Logits f32 [rows, vocab_size] of `hidden` [rows, hidden_size]; `words` is the word embedding [vocab_size, width]. */
export function maskedLogits({ dense, norm, bias, activation = "gelu" }: MaskedHeadParts, hidden: Value, words: Parameter): Value {
  const transformed = norm.forward(activationOf(activation).apply(dense.forward(hidden)));
  return matmul(transformed, words.stored(floatOf(hidden)), "nt", { bias, dtype: "f32" });
}
