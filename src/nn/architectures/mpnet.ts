/**
 * MPNet (Song et al. 2020): BERT's layers without types of tokens, and beside the positions' embedding a bias of the attention scores by
 * relative position, which all layers share.
 */
import type { AttentionOptions } from "../../kernels/attention.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { bucketCount } from "../../kernels/language/relative-bias.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Linear } from "../linear.ts";
import { adapterOf, type LoraOptions, type LoraTarget } from "../lora.ts";
import { Parameter } from "../parameters/parameter.ts";
import { type ActivationName, activation, activationOf } from "./activations.ts";
import type { Architecture, BatchValues, ForwardOptions, Transformer, TransformerConfig } from "./architecture.ts";
import { notNegative, only, probability, size } from "./config-rules.ts";
import { Embeddings, onnxEmbeddings } from "./embeddings.ts";
import { activated, hiddenStates, type LayerOptions, postNorm } from "./layers.ts";
import { type OnnxBatch, type OnnxPostNorm, onnxAttention, onnxLinear, onnxPlaces, onnxPostNorm } from "./onnx-layers.ts";
import type { Projection } from "./projections.ts";
import { robertaHead } from "./roberta.ts";
import { SelfAttention } from "./self-attention.ts";

interface MpnetConfig extends TransformerConfig {
  readonly intermediate_size: number;
  readonly hidden_act: ActivationName;
  readonly layer_norm_eps: number;
  readonly hidden_dropout_prob: number;
  readonly attention_probs_dropout_prob: number;
}

/**
 * The least distance of each bucket on one side (Raffel et al. 2020): distances below 8 have one each, those up to 128 share eight whose
 * width grows geometrically, and the last takes all the rest.
 */
const bucketStarts = Array.from({ length: 16 }, (_, bucket) => (bucket < 8 ? bucket : Math.ceil(8 * 16 ** ((bucket - 8) / 8) - 1e-9)));

/** The rows of the bias's table. The config names this number, but transformers uses no other. */
const buckets = bucketCount(bucketStarts);

/** Positions are numbered from the one after row 1, the padding's, whatever the config says. */
const firstPosition = 2;

class Layer {
  readonly attention: {
    readonly attn: { readonly q: Projection; readonly k: Projection; readonly v: Projection; readonly o: Linear };
    readonly LayerNorm: LayerNorm;
  };
  readonly intermediate: { readonly dense: Linear };
  readonly output: { readonly dense: Linear; readonly LayerNorm: LayerNorm };
  readonly #self: SelfAttention;
  readonly #activation: ActivationName;

  constructor(config: MpnetConfig, lora: LoraOptions | null) {
    const { hidden_size: width, intermediate_size: inner, initializer_range, layer_norm_eps } = config;
    const linear = (target: LoraTarget, inFeatures: number, outFeatures: number) =>
      new Linear(inFeatures, outFeatures, initializer_range, { lora: adapterOf(lora, target) });
    const norm = () => new LayerNorm(width, layer_norm_eps);
    this.#self = new SelfAttention(config, lora);
    const { query: q, key: k, value: v } = this.#self;
    this.attention = { attn: { q, k, v, o: linear("attention.output", width, width) }, LayerNorm: norm() };
    this.intermediate = { dense: linear("intermediate", width, inner) };
    this.output = { dense: linear("output", inner, width), LayerNorm: norm() };
    this.#activation = config.hidden_act;
  }

  forward(x: Value, batch: BatchValues, bias: AttentionOptions["bias"], options: LayerOptions): Value {
    const { attention, intermediate, output } = this;
    const block = {
      attend: (input: Value) => this.#self.forward(input, batch, options, bias),
      attended: { dense: attention.attn.o, norm: attention.LayerNorm },
      expand: activated(intermediate.dense, this.#activation),
      output: { dense: output.dense, norm: output.LayerNorm },
    };
    return postNorm(block, x, batch, options);
  }
}

class Mpnet implements Transformer {
  readonly embeddings: Embeddings;
  readonly encoder: { readonly layer: readonly Layer[]; readonly relative_attention_bias: { readonly weight: Parameter } };
  readonly #config: MpnetConfig;

  constructor(config: MpnetConfig, loraOf: (layer: number) => LoraOptions | null) {
    this.#config = config;
    const { num_hidden_layers, num_attention_heads, initializer_range, hidden_size: width } = config;
    const { vocab_size, max_position_embeddings, layer_norm_eps } = config;
    // Not a type_vocab_size that the file may have: it says nothing here.
    this.embeddings = new Embeddings({ vocab_size, max_position_embeddings, width, initializer_range, layer_norm_eps });
    this.encoder = {
      layer: Array.from({ length: num_hidden_layers }, (_, layer) => new Layer(config, loraOf(layer))),
      // A bias by its name, which has no weight decay in transformers either.
      relative_attention_bias: { weight: new Parameter([buckets, num_attention_heads], { normal: initializer_range }, false) },
    };
  }

  get words(): Parameter {
    return this.embeddings.word_embeddings.weight;
  }

  forward(batch: BatchValues, options: ForwardOptions): Value[] {
    const bias = { table: this.encoder.relative_attention_bias.weight, starts: bucketStarts };
    const layers = this.encoder.layer.map((layer) => ({
      forward: (x: Value, own: BatchValues, how: LayerOptions) => layer.forward(x, own, bias, how),
    }));
    return hiddenStates({ config: this.#config, embeddings: this.embeddings, layers }, batch, options);
  }
}

/** The penalty of padding with the bias added: f32 [batch, heads, sequence, sequence]. */
function biasedPenalty(batch: OnnxBatch): string {
  const { graph, penalty } = batch;
  const farthest = bucketStarts.at(-1)!;
  const rows = Array.from({ length: 2 * farthest + 1 }, (_, at) => {
    const bucket = bucketStarts.findLastIndex((start) => Math.abs(at - farthest) >= start);
    return at > farthest ? bucketStarts.length + bucket : bucket;
  });
  const places = onnxPlaces(batch);
  const [keys, queries] = [0, 1].map((axis) => graph.add("Unsqueeze", [places, graph.integers([axis])])) as [string, string];
  const shifted = graph.add("Add", [graph.add("Sub", [keys, queries]), graph.integers(farthest)]);
  const near = graph.add("Min", [graph.add("Max", [shifted, graph.integers(0)]), graph.integers(2 * farthest)]);
  const biases = graph.add("Gather", ["mpnet.encoder.relative_attention_bias.weight", graph.add("Gather", [graph.integers(rows), near])]);
  return graph.add("Add", [penalty, graph.add("Transpose", [biases], { perm: [2, 0, 1] })]);
}

function addToOnnx(batch: OnnxBatch, config: MpnetConfig): string[] {
  const tables = { prefix: "mpnet.embeddings.", firstPosition, hasTypes: false };
  const hidden = [onnxEmbeddings(batch, { ...config, width: config.hidden_size }, tables)];
  const biased = { ...batch, penalty: biasedPenalty(batch) };
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `mpnet.encoder.layer.${i}`;
    const self = `${layer}.attention.attn`;
    const names = { query: `${self}.q`, key: `${self}.k`, value: `${self}.v` };
    const parts: OnnxPostNorm = {
      attend: (x) => onnxAttention(biased, x, names, config),
      attended: { dense: `${self}.o`, norm: `${layer}.attention.LayerNorm` },
      expand: (x) => activationOf(config.hidden_act).toOnnx(batch, onnxLinear(batch, x, `${layer}.intermediate.dense`)),
      output: { dense: `${layer}.output.dense`, norm: `${layer}.output.LayerNorm` },
      epsilon: config.layer_norm_eps,
    };
    hidden.push(onnxPostNorm(batch, hidden.at(-1)!, parts));
  }
  return hidden;
}

export const mpnet: Architecture<MpnetConfig> = {
  className: "MPNetModel",
  encoder: "mpnet",
  fields: {
    defaults: {
      hidden_act: "gelu",
      layer_norm_eps: 1e-12,
      initializer_range: 0.02,
      hidden_dropout_prob: 0.1,
      attention_probs_dropout_prob: 0.1,
      pad_token_id: 1,
    },
    rules: {
      intermediate_size: size(2 ** 20),
      hidden_dropout_prob: probability,
      attention_probs_dropout_prob: probability,
      layer_norm_eps: notNegative,
      hidden_act: activation,
      relative_attention_num_buckets: only(buckets),
    },
    written: { relative_attention_num_buckets: buckets },
  },
  names: {
    words: "embeddings.word_embeddings.weight",
    embeddings: ["embeddings.", "encoder.relative_attention_bias."],
    layers: "encoder.layer.",
  },
  create: (config, loraOf) => new Mpnet(config, loraOf),
  maskedHead: robertaHead,
  firstPosition: () => firstPosition,
  addToOnnx,
};
