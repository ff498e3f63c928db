/**
 * What every head of a masked language model computes (Devlin et al. 2019): dense → an activation → LayerNorm → a product with the word
 * embedding and a bias, one logit per word.
 */
import { floatOf, type Value } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import { gelu } from "../../kernels/pointwise/pointwise.ts";
import type { LayerNorm } from "../layer-norm.ts";
import type { Linear } from "../linear.ts";
import type { Parameter } from "../parameters/parameter.ts";

/** The parts of a head, which each architecture names in its own way. */
export interface MaskedHeadParts {
  readonly dense: Linear;
  readonly norm: LayerNorm;
  /** f32 [vocab_size] */
  readonly bias: Parameter;
  /** GELU if absent. */
  readonly activation?: (x: Value) => Value;
}

/** Logits f32 [rows, vocab_size] of `hidden` [rows, hidden_size]; `words` is the word embedding [vocab_size, width]. */
export function maskedLogits({ dense, norm, bias, activation = gelu }: MaskedHeadParts, hidden: Value, words: Parameter): Value {
  const transformed = norm.forward(activation(dense.forward(hidden)));
  return matmul(transformed, words.stored(floatOf(hidden)), "nt", { bias, dtype: "f32" });
}
