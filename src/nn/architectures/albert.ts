/**
 * ALBERT (Lan et al. 2020): BERT's layers with one set of parameters for all of them, after embeddings that are narrower and then projected.
 * A layer's parameters are read once for each layer, so their gradients are sums over the layers.
 */
import type { Value } from "../../kernels/language/operation.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Linear } from "../linear.ts";
import { adapterOf, type LoraOptions, type LoraTarget } from "../lora.ts";
import { Parameter } from "../parameters/parameter.ts";
import { type ActivationName, activationOf } from "./activations.ts";
import type { Architecture, BatchValues, ForwardOptions, MaskedHead, Transformer } from "./architecture.ts";
import { bert } from "./bert.ts";
import { only } from "./config-rules.ts";
import { type ElectraConfig, electra } from "./electra.ts";
import { Embeddings, onnxEmbeddings } from "./embeddings.ts";
import { activated, hiddenStates, type LayerOptions, postNorm } from "./layers.ts";
import { maskedLogits } from "./masked-logits.ts";
import { type OnnxBatch, type OnnxPostNorm, onnxAttention, onnxLinear, onnxPostNorm } from "./onnx-layers.ts";
import type { Projection } from "./projections.ts";
import { SelfAttention } from "./self-attention.ts";

class Layer {
  readonly full_layer_layer_norm: LayerNorm;
  readonly attention: {
    readonly query: Projection;
    readonly key: Projection;
    readonly value: Projection;
    readonly dense: Linear;
    readonly LayerNorm: LayerNorm;
  };
  readonly ffn: Linear;
  readonly ffn_output: Linear;
  readonly #self: SelfAttention;
  readonly #activation: ActivationName;

  constructor(config: ElectraConfig, lora: LoraOptions | null) {
    const { hidden_size: width, intermediate_size: inner, initializer_range, layer_norm_eps, hidden_act } = config;
    const linear = (target: LoraTarget, inFeatures: number, outFeatures: number) =>
      new Linear(inFeatures, outFeatures, initializer_range, { lora: adapterOf(lora, target) });
    this.#self = new SelfAttention(config, lora);
    const { query, key, value } = this.#self;
    this.full_layer_layer_norm = new LayerNorm(width, layer_norm_eps);
    this.attention = {
      query,
      key,
      value,
      dense: linear("attention.output", width, width),
      LayerNorm: new LayerNorm(width, layer_norm_eps),
    };
    this.ffn = linear("intermediate", width, inner);
    this.ffn_output = linear("output", inner, width);
    this.#activation = hidden_act;
  }

  forward(x: Value, batch: BatchValues, options: LayerOptions): Value {
    const { attention, ffn, ffn_output, full_layer_layer_norm } = this;
    const block = {
      attend: (input: Value) => this.#self.forward(input, batch, options),
      attended: { dense: attention.dense, norm: attention.LayerNorm },
      expand: activated(ffn, this.#activation),
      output: { dense: ffn_output, norm: full_layer_layer_norm, dropout: false },
    };
    return postNorm(block, x, batch, options);
  }
}

class Albert implements Transformer {
  readonly embeddings: Embeddings;
  readonly encoder: {
    readonly embedding_hidden_mapping_in: Linear;
    /** One group of one layer. */
    readonly albert_layer_groups: readonly { readonly albert_layers: readonly Layer[] }[];
  };
  readonly #layers: readonly Layer[];
  readonly #config: ElectraConfig;

  constructor(config: ElectraConfig, loraOf: (layer: number) => LoraOptions | null) {
    const { embedding_size: width, hidden_size, num_hidden_layers, initializer_range } = config;
    this.#config = config;
    this.embeddings = new Embeddings({ ...config, width });
    const layer = new Layer(config, loraOf(0));
    this.encoder = {
      embedding_hidden_mapping_in: new Linear(width, hidden_size, initializer_range),
      albert_layer_groups: [{ albert_layers: [layer] }],
    };
    this.#layers = Array.from({ length: num_hidden_layers }, () => layer);
  }

  get words(): Parameter {
    return this.embeddings.word_embeddings.weight;
  }

  forward(batch: BatchValues, options: ForwardOptions): Value[] {
    return hiddenStates(
      { config: this.#config, embeddings: this.embeddings, projection: this.encoder.embedding_hidden_mapping_in, layers: this.#layers },
      batch,
      options,
    );
  }
}

/** The head that predicts masked words. */
class AlbertHead implements MaskedHead {
  readonly bias: Parameter;
  readonly LayerNorm: LayerNorm;
  readonly dense: Linear;
  readonly #activation: ActivationName;

  constructor({ embedding_size: width, hidden_size, vocab_size, initializer_range, layer_norm_eps, hidden_act }: ElectraConfig) {
    this.bias = new Parameter([vocab_size], { constant: 0 });
    this.LayerNorm = new LayerNorm(width, layer_norm_eps);
    this.dense = new Linear(hidden_size, width, initializer_range);
    this.#activation = hidden_act;
  }

  forward(hidden: Value, words: Parameter): Value {
    const { dense, LayerNorm: norm, bias } = this;
    return maskedLogits({ dense, norm, bias, activation: this.#activation }, hidden, words);
  }
}

function addToOnnx(batch: OnnxBatch, config: ElectraConfig): string[] {
  const tables = { prefix: "albert.embeddings.", firstPosition: 0, hasTypes: true };
  const embedded = onnxEmbeddings(batch, { ...config, width: config.embedding_size }, tables);
  const layer = "albert.encoder.albert_layer_groups.0.albert_layers.0";
  const names = { query: `${layer}.attention.query`, key: `${layer}.attention.key`, value: `${layer}.attention.value` };
  const parts: OnnxPostNorm = {
    attend: (x) => onnxAttention(batch, x, names, config),
    attended: { dense: `${layer}.attention.dense`, norm: `${layer}.attention.LayerNorm` },
    expand: (x) => activationOf(config.hidden_act).toOnnx(batch, onnxLinear(batch, x, `${layer}.ffn`)),
    output: { dense: `${layer}.ffn_output`, norm: `${layer}.full_layer_layer_norm` },
    epsilon: config.layer_norm_eps,
  };
  const hidden = [onnxLinear(batch, embedded, "albert.encoder.embedding_hidden_mapping_in")];
  for (let i = 0; i < config.num_hidden_layers; i++) hidden.push(onnxPostNorm(batch, hidden.at(-1)!, parts));
  return hidden;
}

export const albert: Architecture<ElectraConfig> = {
  className: "AlbertModel",
  encoder: "albert",
  pooler: "pooler",
  fields: {
    defaults: {
      ...electra.fields.defaults,
      hidden_act: "gelu_new",
      hidden_dropout_prob: 0,
      attention_probs_dropout_prob: 0,
    },
    rules: { ...electra.fields.rules, num_hidden_groups: only(1), inner_group_num: only(1) },
    written: { ...bert.fields.written, num_hidden_groups: 1, inner_group_num: 1 },
  },
  names: {
    words: "embeddings.word_embeddings.weight",
    embeddings: ["embeddings.", "encoder.embedding_hidden_mapping_in."],
    layers: "encoder.albert_layer_groups.",
  },
  sharesLayers: true,
  create: (config, loraOf) => new Albert(config, loraOf),
  maskedHead: {
    create: (config) => new AlbertHead(config),
    path: ["predictions"],
    decoder: "predictions.decoder.weight",
    byWord: ["predictions.bias", "predictions.decoder.bias"],
  },
  addToOnnx,
};
