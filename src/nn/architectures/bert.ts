/**
 * BERT's encoder (Devlin et al. 2019) over packed batches. Property names are the checkpoint's names. The pooler is not part of it, because
 * SimCSE replaces it.
 */
import { attention } from "../../kernels/attention.ts";
import { embedding, type GatherIndex } from "../../kernels/embedding.ts";
import { type FloatType, floatOf, type Value } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import { gelu } from "../../kernels/pointwise/pointwise.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Linear } from "../linear.ts";
import { Parameter, type Piece } from "../parameters/parameter.ts";
import type { BertConfig } from "./bert-config.ts";

/** A packed batch on the tape. */
export interface BatchValues {
  /** u32 [tokens, 4], see `tokenTable`. */
  readonly tokens: Value;
  /** u32 [sentences, 2], see `sentenceTable`. */
  readonly sentences: Value;
  /** The longest sentence in tokens. */
  readonly longest: number;
  /** Needed for gradients. */
  readonly indices?: { readonly word: GatherIndex; readonly position: GatherIndex };
}

/** How a forward pass is recorded. */
export interface ForwardOptions {
  /** Whether dropout is active. */
  readonly training: boolean;
  /** The probability of dropout in training; that of the config if absent or null. */
  readonly dropout?: number | null;
  /** How activations and the weights multiplied with them are stored; f32 if absent. f16 needs a store that keeps f16 copies. */
  readonly dtype?: FloatType;
  /** Keep only each layer's input for the backward pass, and recompute the layer there. */
  readonly recompute?: boolean;
}

/** The sum of word, position and token-type embeddings, normalised: f32 or f16 [tokens, hiddenSize]. */
export class Embeddings {
  readonly word_embeddings: { readonly weight: Parameter };
  readonly position_embeddings: { readonly weight: Parameter };
  readonly token_type_embeddings: { readonly weight: Parameter };
  readonly LayerNorm: LayerNorm;

  constructor({ vocab_size, max_position_embeddings, type_vocab_size, hidden_size, initializer_range, layer_norm_eps }: BertConfig) {
    const table = (rows: number) => ({ weight: new Parameter([rows, hidden_size], { normal: initializer_range }) });
    this.word_embeddings = table(vocab_size);
    this.position_embeddings = table(max_position_embeddings);
    this.token_type_embeddings = table(type_vocab_size);
    this.LayerNorm = new LayerNorm(hidden_size, layer_norm_eps);
  }

  forward({ tokens, indices }: BatchValues, dtype: FloatType, dropout: number): Value {
    const tables = {
      word: this.word_embeddings.weight,
      position: this.position_embeddings.weight,
      tokenType: this.token_type_embeddings.weight,
    };
    return this.LayerNorm.forward(embedding(tokens, tables, indices, dtype), { dropout, tokens });
  }
}

/** Query, key and value as one matrix; the checkpoint has three. */
export class SelfAttention {
  readonly query: { readonly weight: Piece; readonly bias: Piece };
  readonly key: { readonly weight: Piece; readonly bias: Piece };
  readonly value: { readonly weight: Piece; readonly bias: Piece };
  readonly #weight: Parameter;
  readonly #bias: Parameter;
  readonly #heads: number;

  constructor({ hidden_size, initializer_range, num_attention_heads }: BertConfig) {
    this.#weight = new Parameter([3 * hidden_size, hidden_size], { normal: initializer_range });
    this.#bias = new Parameter([3 * hidden_size], { constant: 0 });
    this.#heads = num_attention_heads;
    const part = (index: number) => ({
      weight: this.#weight.rows(index * hidden_size, hidden_size),
      bias: this.#bias.rows(index * hidden_size, hidden_size),
    });
    this.query = part(0);
    this.key = part(1);
    this.value = part(2);
  }

  forward(x: Value, batch: BatchValues, dropout: number): Value {
    const qkv = matmul(x, this.#weight.stored(floatOf(x)), "nt", { bias: this.#bias });
    return attention(qkv, batch, { heads: this.#heads, dropout });
  }
}

/** One layer of the encoder: self-attention and the feed-forward network, each with a residual and LayerNorm. */
export class Layer {
  readonly attention: { readonly self: SelfAttention; readonly output: { readonly dense: Linear; readonly LayerNorm: LayerNorm } };
  readonly intermediate: { readonly dense: Linear };
  readonly output: { readonly dense: Linear; readonly LayerNorm: LayerNorm };

  constructor(config: BertConfig) {
    const { hidden_size, intermediate_size, initializer_range, layer_norm_eps } = config;
    const block = (inFeatures: number) => ({
      dense: new Linear(inFeatures, hidden_size, initializer_range),
      LayerNorm: new LayerNorm(hidden_size, layer_norm_eps),
    });
    this.attention = { self: new SelfAttention(config), output: block(hidden_size) };
    this.intermediate = { dense: new Linear(hidden_size, intermediate_size, initializer_range) };
    this.output = block(intermediate_size);
  }

  forward(x: Value, batch: BatchValues, dropout: { hidden: number; attention: number }): Value {
    const { tokens } = batch;
    const context = this.attention.self.forward(x, batch, dropout.attention);
    const attended = this.attention.output.LayerNorm.forwardResidual(this.attention.output.dense.forward(context), x, {
      dropout: dropout.hidden,
      tokens,
    });
    const expanded = gelu(this.intermediate.dense.forward(attended));
    return this.output.LayerNorm.forwardResidual(this.output.dense.forward(expanded), attended, { dropout: dropout.hidden, tokens });
  }
}

/** BERT's or RoBERTa's encoder (Devlin et al. 2019; Liu et al. 2019). Its properties have the names of the checkpoint's tensors. */
export class Bert {
  readonly embeddings: Embeddings;
  readonly encoder: { readonly layer: readonly Layer[] };
  readonly #config: BertConfig;

  constructor(config: BertConfig) {
    this.#config = config;
    this.embeddings = new Embeddings(config);
    this.encoder = { layer: Array.from({ length: config.num_hidden_layers }, () => new Layer(config)) };
  }

  /** The output of the embeddings and of each layer: num_hidden_layers + 1 values [tokens, hidden_size]. */
  forward(batch: BatchValues, { training, dropout = null, dtype = "f32", recompute = false }: ForwardOptions): Value[] {
    const { hidden_dropout_prob, attention_probs_dropout_prob } = this.#config;
    const probability = (own: number) => (training ? (dropout ?? own) : 0);
    const probabilities = { hidden: probability(hidden_dropout_prob), attention: probability(attention_probs_dropout_prob) };
    const hidden = [this.embeddings.forward(batch, dtype, probabilities.hidden)];
    const { tape } = batch.tokens;
    for (const layer of this.encoder.layer) {
      const forward = () => layer.forward(hidden.at(-1)!, batch, probabilities);
      hidden.push(recompute ? tape.recomputed(forward) : forward());
    }
    return hidden;
  }
}
