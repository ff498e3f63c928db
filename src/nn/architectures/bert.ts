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
import { type AdapterTensors, type LoraOptions, type LoraTarget, LowRankAdapter } from "../lora.ts";
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

/** One of query, key and value: its weight and bias, and its adapter's tensors if it has one. */
export interface Projection extends Partial<AdapterTensors> {
  readonly weight: Piece;
  readonly bias: Piece;
}

/** Their names, in the order of their places in one matrix. */
const projections = ["query", "key", "value"] as const;

/** Query, key and value as one matrix; the checkpoint has three. */
export class SelfAttention {
  readonly query: Projection;
  readonly key: Projection;
  readonly value: Projection;
  readonly #weight: Parameter;
  readonly #bias: Parameter;
  readonly #heads: number;
  readonly #adapter: LowRankAdapter | null;

  constructor({ hidden_size, initializer_range, num_attention_heads }: BertConfig, lora: LoraOptions | null) {
    this.#weight = new Parameter([3 * hidden_size, hidden_size], { normal: initializer_range });
    this.#bias = new Parameter([3 * hidden_size], { constant: 0 });
    this.#heads = num_attention_heads;
    const adapted = projections.flatMap((name, index) => (lora?.targets.includes(name) ? [index] : []));
    this.#adapter = lora && adapted.length > 0 ? new LowRankAdapter(hidden_size, hidden_size, adapted, lora) : null;
    const part = (index: number): Projection => ({
      weight: this.#weight.rows(index * hidden_size, hidden_size),
      bias: this.#bias.rows(index * hidden_size, hidden_size),
      ...this.#adapter?.tensorsOf(index),
    });
    this.query = part(0);
    this.key = part(1);
    this.value = part(2);
  }

  forward(x: Value, batch: BatchValues, { attention: dropout, tokens }: LayerDropout): Value {
    const qkv = matmul(x, this.#weight.stored(floatOf(x)), "nt", { bias: this.#bias });
    return attention(this.#adapter?.forward(qkv, x, tokens) ?? qkv, batch, { heads: this.#heads, dropout });
  }
}

/** The dropout in a layer: probabilities from 0 to less than 1. */
export interface LayerDropout {
  /** Of the outputs of self-attention and of the feed-forward network. */
  readonly hidden: number;
  /** Of the attention's weights. */
  readonly attention: number;
  /** The batch's token table if the adapters' dropout is active. */
  readonly tokens: Value | undefined;
}

/** One layer of the encoder: self-attention and the feed-forward network, each with a residual and LayerNorm. */
export class Layer {
  readonly attention: { readonly self: SelfAttention; readonly output: { readonly dense: Linear; readonly LayerNorm: LayerNorm } };
  readonly intermediate: { readonly dense: Linear };
  readonly output: { readonly dense: Linear; readonly LayerNorm: LayerNorm };

  constructor(config: BertConfig, lora: LoraOptions | null = null) {
    const { hidden_size, intermediate_size, initializer_range, layer_norm_eps } = config;
    const linear = (target: LoraTarget, inFeatures: number, outFeatures: number) =>
      new Linear(inFeatures, outFeatures, initializer_range, lora?.targets.includes(target) ? lora : null);
    const block = (target: LoraTarget, inFeatures: number) => ({
      dense: linear(target, inFeatures, hidden_size),
      LayerNorm: new LayerNorm(hidden_size, layer_norm_eps),
    });
    this.attention = { self: new SelfAttention(config, lora), output: block("attention.output", hidden_size) };
    this.intermediate = { dense: linear("intermediate", hidden_size, intermediate_size) };
    this.output = block("output", intermediate_size);
  }

  forward(x: Value, batch: BatchValues, dropout: LayerDropout): Value {
    const residual = { dropout: dropout.hidden, tokens: batch.tokens };
    const context = this.attention.self.forward(x, batch, dropout);
    const attended = this.attention.output.LayerNorm.forwardResidual(
      this.attention.output.dense.forward(context, dropout.tokens),
      x,
      residual,
    );
    const expanded = gelu(this.intermediate.dense.forward(attended, dropout.tokens));
    return this.output.LayerNorm.forwardResidual(this.output.dense.forward(expanded, dropout.tokens), attended, residual);
  }
}

/** BERT's or RoBERTa's encoder (Devlin et al. 2019; Liu et al. 2019). Its properties have the names of the checkpoint's tensors. */
export class Bert {
  readonly embeddings: Embeddings;
  readonly encoder: { readonly layer: readonly Layer[] };
  readonly #config: BertConfig;

  /** `loraOf` gives the adapters of a layer, by its number; none has any if it is absent. */
  constructor(config: BertConfig, loraOf: (layer: number) => LoraOptions | null = () => null) {
    this.#config = config;
    this.embeddings = new Embeddings(config);
    this.encoder = { layer: Array.from({ length: config.num_hidden_layers }, (_, layer) => new Layer(config, loraOf(layer))) };
  }

  /** The output of the embeddings and of each layer: num_hidden_layers + 1 values [tokens, hidden_size]. */
  forward(batch: BatchValues, { training, dropout = null, dtype = "f32", recompute = false }: ForwardOptions): Value[] {
    const { hidden_dropout_prob, attention_probs_dropout_prob } = this.#config;
    const probability = (own: number) => (training ? (dropout ?? own) : 0);
    const inLayers: LayerDropout = {
      hidden: probability(hidden_dropout_prob),
      attention: probability(attention_probs_dropout_prob),
      tokens: training ? batch.tokens : undefined,
    };
    const hidden = [this.embeddings.forward(batch, dtype, inLayers.hidden)];
    const { tape } = batch.tokens;
    for (const layer of this.encoder.layer) {
      const forward = () => layer.forward(hidden.at(-1)!, batch, inLayers);
      hidden.push(recompute ? tape.recomputed(forward) : forward());
    }
    return hidden;
  }
}
