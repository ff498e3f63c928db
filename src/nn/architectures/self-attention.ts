/** Self-attention as BERT and its relatives have it, each under its own names. */
import { type AttentionOptions, attention } from "../../kernels/attention.ts";
import type { Value } from "../../kernels/language/operation.ts";
import type { LoraOptions } from "../lora.ts";
import type { BatchValues, TransformerConfig } from "./architecture.ts";
import type { LayerDropout } from "./layers.ts";
import { type Projection, Projections } from "./projections.ts";

/** Self-attention without its output projection. Query, key and value are as wide as the layer. */
export class SelfAttention {
  readonly query: Projection;
  readonly key: Projection;
  readonly value: Projection;
  readonly #projections: Projections<readonly ["query", "key", "value"]>;
  readonly #heads: number;

  constructor(
    { hidden_size: width, initializer_range: initializerRange, num_attention_heads }: TransformerConfig,
    lora: LoraOptions | null,
  ) {
    this.#projections = new Projections(["query", "key", "value"], { inFeatures: width, outFeatures: width, initializerRange, lora });
    this.#heads = num_attention_heads;
    [this.query, this.key, this.value] = this.#projections.parts;
  }

  /** [tokens, hidden_size] from the same; `bias` is one of the scores by relative position. */
  forward(x: Value, batch: BatchValues, { attention: dropout, tokens }: LayerDropout, bias?: AttentionOptions["bias"]): Value {
    return attention(this.#projections.forward(x, tokens), batch, { heads: this.#heads, dropout, bias });
  }
}
