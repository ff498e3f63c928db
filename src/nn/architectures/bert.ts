/**
 * BERT (Devlin et al. 2019) over packed batches. Property names are the checkpoint's names. The pooler is not part of it, because SimCSE
 * replaces it.
 */
import type { Value } from "../../kernels/language/operation.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Linear } from "../linear.ts";
import { adapterOf, type LoraOptions, type LoraTarget } from "../lora.ts";
import { Parameter } from "../parameters/parameter.ts";
import { type ActivationName, activation, activationOf } from "./activations.ts";
import type { Architecture, BatchValues, ForwardOptions, MaskedHead, Transformer, TransformerConfig } from "./architecture.ts";
import { notNegative, only, probability, size } from "./config-rules.ts";
import { type EmbeddingSizes, Embeddings, type OnnxEmbeddings, onnxEmbeddings } from "./embeddings.ts";
import { activated, hiddenStates, type LayerOptions, postNorm } from "./layers.ts";
import { maskedLogits } from "./masked-logits.ts";
import { type OnnxBatch, type OnnxPostNorm, onnxAttention, onnxLinear, onnxPostNorm } from "./onnx-layers.ts";
import { SelfAttention } from "./self-attention.ts";

/** The fields of a BERT's or RoBERTa's `config.json` that this package uses, by their original names. */
export interface BertConfig extends TransformerConfig {
  readonly intermediate_size: number;
  readonly type_vocab_size: number;
  readonly hidden_act: ActivationName;
  readonly layer_norm_eps: number;
  readonly hidden_dropout_prob: number;
  readonly attention_probs_dropout_prob: number;
}

/** One layer of the encoder: self-attention and the feed-forward network, each with a residual and LayerNorm. */
export class Layer {
  readonly attention: { readonly self: SelfAttention; readonly output: { readonly dense: Linear; readonly LayerNorm: LayerNorm } };
  readonly intermediate: { readonly dense: Linear };
  readonly output: { readonly dense: Linear; readonly LayerNorm: LayerNorm };
  readonly #activation: ActivationName;

  constructor(config: BertConfig, lora: LoraOptions | null = null) {
    const { hidden_size, intermediate_size, initializer_range, layer_norm_eps } = config;
    const linear = (target: LoraTarget, inFeatures: number, outFeatures: number) =>
      new Linear(inFeatures, outFeatures, initializer_range, { lora: adapterOf(lora, target) });
    const block = (target: LoraTarget, inFeatures: number) => ({
      dense: linear(target, inFeatures, hidden_size),
      LayerNorm: new LayerNorm(hidden_size, layer_norm_eps),
    });
    this.attention = { self: new SelfAttention(config, lora), output: block("attention.output", hidden_size) };
    this.intermediate = { dense: linear("intermediate", hidden_size, intermediate_size) };
    this.output = block("output", intermediate_size);
    this.#activation = config.hidden_act;
  }

  forward(x: Value, batch: BatchValues, options: LayerOptions): Value {
    const { attention, intermediate, output } = this;
    const block = {
      attend: (input: Value) => attention.self.forward(input, batch, options),
      attended: { dense: attention.output.dense, norm: attention.output.LayerNorm },
      expand: activated(intermediate.dense, this.#activation),
      output: { dense: output.dense, norm: output.LayerNorm },
    };
    return postNorm(block, x, batch, options);
  }
}

/** BERT's encoder, which RoBERTa has too (Liu et al. 2019). */
export class Bert implements Transformer {
  readonly embeddings: Embeddings;
  readonly encoder: { readonly layer: readonly Layer[] };
  readonly #config: BertConfig;

  /** `loraOf` gives the adapters of a layer, by its number; none has any if it is absent. `tables` are those besides BERT's. */
  constructor(
    config: BertConfig,
    loraOf: (layer: number) => LoraOptions | null = () => null,
    tables: Pick<EmbeddingSizes, "taskTypes"> = {},
  ) {
    this.#config = config;
    this.embeddings = new Embeddings({ ...config, ...tables, width: config.hidden_size });
    this.encoder = { layer: Array.from({ length: config.num_hidden_layers }, (_, layer) => new Layer(config, loraOf(layer))) };
  }

  get words(): Parameter {
    return this.embeddings.word_embeddings.weight;
  }

  forward(batch: BatchValues, options: ForwardOptions): Value[] {
    return hiddenStates({ config: this.#config, embeddings: this.embeddings, layers: this.encoder.layer }, batch, options);
  }
}

/** BERT's head that predicts masked words. */
class BertHead implements MaskedHead {
  readonly bias: Parameter;
  readonly transform: { readonly dense: Linear; readonly LayerNorm: LayerNorm };
  readonly #activation: ActivationName;

  constructor({ hidden_size, vocab_size, initializer_range, layer_norm_eps, hidden_act }: BertConfig) {
    this.bias = new Parameter([vocab_size], { constant: 0 });
    this.transform = {
      dense: new Linear(hidden_size, hidden_size, initializer_range),
      LayerNorm: new LayerNorm(hidden_size, layer_norm_eps),
    };
    this.#activation = hidden_act;
  }

  forward(hidden: Value, words: Parameter): Value {
    const { dense, LayerNorm: norm } = this.transform;
    return maskedLogits({ dense, norm, bias: this.bias, activation: this.#activation }, hidden, words);
  }
}

/** The layers of BERT as operators of an ONNX graph, after the embeddings' output `first`; `prefix` is that of their tensors. */
export function bertLayersToOnnx(batch: OnnxBatch, first: string, config: BertConfig, prefix: string): string[] {
  const hidden = [first];
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `${prefix}encoder.layer.${i}`;
    const self = `${layer}.attention.self`;
    const block = (name: string) => ({ dense: `${layer}.${name}.dense`, norm: `${layer}.${name}.LayerNorm` });
    const names = { query: `${self}.query`, key: `${self}.key`, value: `${self}.value` };
    const parts: OnnxPostNorm = {
      attend: (x) => onnxAttention(batch, x, names, config),
      attended: block("attention.output"),
      expand: (x) => activationOf(config.hidden_act).toOnnx(batch, onnxLinear(batch, x, `${layer}.intermediate.dense`)),
      output: block("output"),
      epsilon: config.layer_norm_eps,
    };
    hidden.push(onnxPostNorm(batch, hidden.at(-1)!, parts));
  }
  return hidden;
}

/** BERT's encoder as an ONNX graph; `encoder` is its name before its tensors, and the positions begin at the row `firstPosition`. */
export function bertToOnnx(
  batch: OnnxBatch,
  config: BertConfig,
  { encoder, ...others }: Pick<OnnxEmbeddings, "firstPosition" | "hasTasks"> & { readonly encoder: string },
): string[] {
  const counted = config.padding_has_positions && { countsPadding: true };
  const tables: OnnxEmbeddings = { prefix: `${encoder}.embeddings.`, ...others, ...counted, hasTypes: true };
  const first = onnxEmbeddings(batch, { ...config, width: config.hidden_size }, tables);
  return bertLayersToOnnx(batch, first, config, `${encoder}.`);
}

export const bert: Architecture<BertConfig> = {
  className: "BertModel",
  encoder: "bert",
  fields: {
    defaults: {
      type_vocab_size: 2,
      hidden_act: "gelu",
      layer_norm_eps: 1e-12,
      initializer_range: 0.02,
      hidden_dropout_prob: 0.1,
      attention_probs_dropout_prob: 0.1,
      pad_token_id: 0,
    },
    rules: {
      intermediate_size: size(2 ** 20),
      type_vocab_size: size(2 ** 16),
      hidden_dropout_prob: probability,
      attention_probs_dropout_prob: probability,
      layer_norm_eps: notNegative,
      hidden_act: activation,
      position_embedding_type: only("absolute"),
    },
    written: { position_embedding_type: "absolute" },
  },
  names: { words: "embeddings.word_embeddings.weight", embeddings: ["embeddings."], layers: "encoder.layer." },
  create: (config, loraOf) => new Bert(config, loraOf),
  maskedHead: {
    create: (config) => new BertHead(config),
    path: ["cls", "predictions"],
    decoder: "cls.predictions.decoder.weight",
    byWord: ["cls.predictions.bias", "cls.predictions.decoder.bias"],
    // SimCSE's own training of a BERT.
    olderName: (name) => name.replace("cls.predictions.", "lm_head."),
  },
  addToOnnx: (batch, config) => bertToOnnx(batch, config, { encoder: "bert", firstPosition: 0 }),
};
