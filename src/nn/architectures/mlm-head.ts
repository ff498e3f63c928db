/**
 * The head of a masked language model (Devlin et al. 2019): dense → GELU → LayerNorm → a product with the word embedding and a bias, one
 * logit per word. The property names are BERT's under `cls.predictions`; RoBERTa's `lm_head` is the same under other names.
 */

import { floatOf, type Value } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import { gelu } from "../../kernels/pointwise/pointwise.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Linear } from "../linear.ts";
import { Parameter } from "../parameters/parameter.ts";
import type { BertConfig } from "./bert-config.ts";

/** The head that predicts masked words: dense, GELU, LayerNorm, and a product with the word embeddings. */
export class MlmHead {
  readonly bias: Parameter;
  readonly transform: { readonly dense: Linear; readonly LayerNorm: LayerNorm };

  constructor({ hidden_size, vocab_size, initializer_range, layer_norm_eps }: BertConfig) {
    this.bias = new Parameter([vocab_size], { constant: 0 });
    this.transform = {
      dense: new Linear(hidden_size, hidden_size, initializer_range),
      LayerNorm: new LayerNorm(hidden_size, layer_norm_eps),
    };
  }

  /** Logits f32 [rows, vocab_size] of `hidden` [rows, hidden_size]; `words` is the word embedding [vocab_size, hidden_size]. */
  forward(hidden: Value, words: Parameter): Value {
    const { dense, LayerNorm } = this.transform;
    const transformed = LayerNorm.forward(gelu(dense.forward(hidden)));
    return matmul(transformed, words.stored(floatOf(hidden)), "nt", { bias: this.bias, dtype: "f32" });
  }
}
