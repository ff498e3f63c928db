/** DistilBERT (Sanh et al. 2019): BERT's layers, half of them and under other names, without types of tokens and without a pooler. */
import type { Value } from "../../kernels/language/operation.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Linear } from "../linear.ts";
import { adapterOf, type LoraOptions, type LoraTarget } from "../lora.ts";
import { Parameter } from "../parameters/parameter.ts";
import { type ActivationName, activation, activationOf } from "./activations.ts";
import type { Architecture, BatchValues, ForwardOptions, MaskedHead, Transformer, TransformerConfig } from "./architecture.ts";
import { probability, size } from "./config-rules.ts";
import { Embeddings, onnxEmbeddings } from "./embeddings.ts";
import { activated, hiddenStates, type LayerOptions, postNorm } from "./layers.ts";
import { maskedLogits } from "./masked-logits.ts";
import { type OnnxBatch, type OnnxPostNorm, onnxAttention, onnxLinear, onnxPostNorm } from "./onnx-layers.ts";
import type { Projection } from "./projections.ts";
import { SelfAttention } from "./self-attention.ts";

/** The fields of a DistilBERT, by BERT's names; its `config.json` has others. */
interface DistilBertConfig extends TransformerConfig {
  readonly intermediate_size: number;
  readonly hidden_act: ActivationName;
  readonly hidden_dropout_prob: number;
  readonly attention_probs_dropout_prob: number;
}

/** It is not in the config. */
const layerNormEpsilon = 1e-12;

class Layer {
  readonly attention: { readonly q_lin: Projection; readonly k_lin: Projection; readonly v_lin: Projection; readonly out_lin: Linear };
  readonly sa_layer_norm: LayerNorm;
  readonly ffn: { readonly lin1: Linear; readonly lin2: Linear };
  readonly output_layer_norm: LayerNorm;
  readonly #self: SelfAttention;
  readonly #activation: ActivationName;

  constructor(config: DistilBertConfig, lora: LoraOptions | null) {
    const { hidden_size: width, intermediate_size: inner, initializer_range } = config;
    const linear = (target: LoraTarget, inFeatures: number, outFeatures: number) =>
      new Linear(inFeatures, outFeatures, initializer_range, { lora: adapterOf(lora, target) });
    this.#self = new SelfAttention(config, lora);
    const { query: q_lin, key: k_lin, value: v_lin } = this.#self;
    this.attention = { q_lin, k_lin, v_lin, out_lin: linear("attention.output", width, width) };
    this.sa_layer_norm = new LayerNorm(width, layerNormEpsilon);
    this.ffn = { lin1: linear("intermediate", width, inner), lin2: linear("output", inner, width) };
    this.output_layer_norm = new LayerNorm(width, layerNormEpsilon);
    this.#activation = config.hidden_act;
  }

  forward(x: Value, batch: BatchValues, options: LayerOptions): Value {
    const block = {
      attend: (input: Value) => this.#self.forward(input, batch, options),
      attended: { dense: this.attention.out_lin, norm: this.sa_layer_norm, dropout: false },
      expand: activated(this.ffn.lin1, this.#activation),
      output: { dense: this.ffn.lin2, norm: this.output_layer_norm },
    };
    return postNorm(block, x, batch, options);
  }
}

class DistilBert implements Transformer {
  readonly embeddings: Embeddings;
  readonly transformer: { readonly layer: readonly Layer[] };
  readonly #config: DistilBertConfig;

  constructor(config: DistilBertConfig, loraOf: (layer: number) => LoraOptions | null) {
    this.#config = config;
    this.embeddings = new Embeddings(embeddingSizes(config));
    this.transformer = { layer: Array.from({ length: config.num_hidden_layers }, (_, layer) => new Layer(config, loraOf(layer))) };
  }

  get words(): Parameter {
    return this.embeddings.word_embeddings.weight;
  }

  forward(batch: BatchValues, options: ForwardOptions): Value[] {
    return hiddenStates({ config: this.#config, embeddings: this.embeddings, layers: this.transformer.layer }, batch, options);
  }
}

function embeddingSizes({ vocab_size, max_position_embeddings, hidden_size: width, initializer_range }: DistilBertConfig) {
  return { vocab_size, max_position_embeddings, width, initializer_range, layer_norm_eps: layerNormEpsilon };
}

class DistilBertHead implements MaskedHead {
  readonly vocab_transform: Linear;
  readonly vocab_layer_norm: LayerNorm;
  readonly vocab_projector: { readonly bias: Parameter };
  readonly #activation: ActivationName;

  constructor({ hidden_size, vocab_size, initializer_range, hidden_act }: DistilBertConfig) {
    this.vocab_transform = new Linear(hidden_size, hidden_size, initializer_range);
    this.vocab_layer_norm = new LayerNorm(hidden_size, layerNormEpsilon);
    this.vocab_projector = { bias: new Parameter([vocab_size], { constant: 0 }) };
    this.#activation = hidden_act;
  }

  forward(hidden: Value, words: Parameter): Value {
    const { vocab_transform: dense, vocab_layer_norm: norm, vocab_projector } = this;
    return maskedLogits({ dense, norm, bias: vocab_projector.bias, activation: this.#activation }, hidden, words);
  }
}

function addToOnnx(batch: OnnxBatch, config: DistilBertConfig): string[] {
  const tables = { prefix: "distilbert.embeddings.", firstPosition: 0, hasTypes: false };
  const hidden = [onnxEmbeddings(batch, embeddingSizes(config), tables)];
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `distilbert.transformer.layer.${i}`;
    const names = { query: `${layer}.attention.q_lin`, key: `${layer}.attention.k_lin`, value: `${layer}.attention.v_lin` };
    const parts: OnnxPostNorm = {
      attend: (x) => onnxAttention(batch, x, names, config),
      attended: { dense: `${layer}.attention.out_lin`, norm: `${layer}.sa_layer_norm` },
      expand: (x) => activationOf(config.hidden_act).toOnnx(batch, onnxLinear(batch, x, `${layer}.ffn.lin1`)),
      output: { dense: `${layer}.ffn.lin2`, norm: `${layer}.output_layer_norm` },
      epsilon: layerNormEpsilon,
    };
    hidden.push(onnxPostNorm(batch, hidden.at(-1)!, parts));
  }
  return hidden;
}

/**
 * Positions are a table whether or not `sinusoidal_pos_embds` says that it began as sines: checkpoints hold the table. Training changes it
 * like any other, which transformers does not if the field is true.
 */
export const distilbert: Architecture<DistilBertConfig> = {
  className: "DistilBertModel",
  encoder: "distilbert",
  hasPooler: false,
  fields: {
    names: {
      hidden_size: "dim",
      num_hidden_layers: "n_layers",
      num_attention_heads: "n_heads",
      intermediate_size: "hidden_dim",
      hidden_dropout_prob: "dropout",
      attention_probs_dropout_prob: "attention_dropout",
      hidden_act: "activation",
    },
    defaults: {
      hidden_act: "gelu",
      initializer_range: 0.02,
      hidden_dropout_prob: 0.1,
      attention_probs_dropout_prob: 0.1,
      pad_token_id: 0,
    },
    rules: {
      intermediate_size: size(2 ** 20),
      hidden_dropout_prob: probability,
      attention_probs_dropout_prob: probability,
      hidden_act: activation,
    },
    written: {},
  },
  names: { words: "embeddings.word_embeddings.weight", embeddings: ["embeddings."], layers: "transformer.layer." },
  create: (config, loraOf) => new DistilBert(config, loraOf),
  maskedHead: {
    create: (config) => new DistilBertHead(config),
    path: [],
    decoder: "vocab_projector.weight",
    byWord: ["vocab_projector.bias"],
  },
  addToOnnx,
};
