/**
 * ModernBERT (Warner et al. 2024): an encoder without biases, with LayerNorm before each part of a layer and after the last one, rotary
 * positions, and GeGLU. Most layers see a window of the sentence; every third sees all of it, with slower rotations.
 */
import { OptionError } from "../../errors.ts";
import { dropout as drop } from "../../kernels/dropout.ts";
import { embedding } from "../../kernels/embedding.ts";
import { gated } from "../../kernels/gated.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { add } from "../../kernels/pointwise/pointwise.ts";
import type { Rotation } from "../../kernels/rotary.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Linear } from "../linear.ts";
import { adapterOf, type LoraOptions, type LoraTarget } from "../lora.ts";
import { Parameter } from "../parameters/parameter.ts";
import { type ActivationName, activation, activationOf } from "./activations.ts";
import type { Architecture, BatchValues, ForwardOptions, MaskedHead, Transformer, TransformerConfig } from "./architecture.ts";
import { nothing, notNegative, only, positive, probability, type Rule, size } from "./config-rules.ts";
import { afterAttention, type LayerOptions, layerDropout, throughLayers } from "./layers.ts";
import { maskedLogits } from "./masked-logits.ts";
import { type OnnxBatch, onnxLinear, onnxPlaces, onnxRows } from "./onnx-layers.ts";
import {
  isRotation,
  type OnnxAngles,
  onnxAngles,
  onnxColumns,
  onnxRotaryAttention,
  type RopeParameters,
  rotaryAttention,
  rotation,
  rotationOf,
  turningHeads,
} from "./rotations.ts";

/** How far a layer sees. */
type Reach = "full_attention" | "sliding_attention";

interface ModernBertConfig extends TransformerConfig {
  readonly intermediate_size: number;
  readonly hidden_activation: ActivationName;
  /** That of the head for masked words, and of transformers' classifiers. */
  readonly classifier_activation: ActivationName;
  readonly norm_eps: number;
  readonly attention_dropout: number;
  readonly embedding_dropout: number;
  readonly mlp_dropout: number;
  /** The window in tokens, half of it on each side. */
  readonly local_attention: number;
  /** The reach of each layer; if it is absent, one in `global_attn_every_n_layers` is full, the first of them being layer 0. */
  readonly layer_types?: readonly Reach[] | null;
  readonly global_attn_every_n_layers?: number;
  /** Of transformers 5; before, the bases were fields of the config. */
  readonly rope_parameters?: Readonly<Partial<Record<Reach, RopeParameters | null>>> | null;
  readonly global_rope_theta?: number;
  readonly local_rope_theta?: number | null;
}

/** How a layer attends. */
interface LayerAttention {
  readonly rotation: Rotation;
  /** The largest distance in tokens; null if it sees all. */
  readonly window: number | null;
}

const reachOf = ({ layer_types, global_attn_every_n_layers: every = 3 }: ModernBertConfig, layer: number): Reach =>
  layer_types?.[layer] ?? (layer % every === 0 ? "full_attention" : "sliding_attention");

function attentionOf(config: ModernBertConfig, layer: number): LayerAttention {
  const reach = reachOf(config, layer);
  const { rope_parameters, global_rope_theta = 160_000, local_rope_theta = 10_000, local_attention } = config;
  const isFull = reach === "full_attention";
  return {
    rotation: rotationOf(rope_parameters?.[reach], isFull ? global_rope_theta : (local_rope_theta ?? global_rope_theta)),
    window: isFull ? null : Math.floor(local_attention / 2),
  };
}

class Layer {
  readonly attn_norm?: LayerNorm;
  readonly attn: { readonly Wqkv: Linear; readonly Wo: Linear };
  readonly mlp_norm: LayerNorm;
  readonly mlp: { readonly Wi: Linear; readonly Wo: Linear };
  readonly #heads: number;
  readonly #attention: LayerAttention;
  readonly #activation: ActivationName;

  constructor(config: ModernBertConfig, layer: number, lora: LoraOptions | null) {
    const { hidden_size: width, intermediate_size: inner, initializer_range: range, num_hidden_layers, norm_eps } = config;
    const linear = (targets: readonly LoraTarget[], inFeatures: number, outFeatures: number, deviation: number) =>
      new Linear(inFeatures, outFeatures, deviation, { bias: false, lora: adapterOf(lora, ...targets) });
    // What is added to the stream of the layers begins smaller.
    const outward = range / Math.sqrt(2 * num_hidden_layers);
    // The embeddings' own norm is that of the first layer.
    if (layer > 0) this.attn_norm = new LayerNorm(width, norm_eps, { bias: false });
    // One matrix, and so one adapter.
    const Wqkv = linear(["query", "key", "value"], width, 3 * width, range);
    this.attn = { Wqkv, Wo: linear(["attention.output"], width, width, outward) };
    this.mlp_norm = new LayerNorm(width, norm_eps, { bias: false });
    this.mlp = { Wi: linear(["intermediate"], width, 2 * inner, range), Wo: linear(["output"], inner, width, outward) };
    this.#heads = config.num_attention_heads;
    this.#attention = attentionOf(config, layer);
    this.#activation = config.hidden_activation;
  }

  forward(x: Value, batch: BatchValues, options: LayerOptions): Value {
    const { hidden, attention: ofAttention } = options;
    const { attn, mlp } = this;
    const { rotation, window } = this.#attention;
    const qkv = attn.Wqkv.forward(this.attn_norm?.forward(x) ?? x, options.tokens);
    const all = rotaryAttention(qkv, batch, rotation, { heads: this.#heads, dropout: ofAttention, window: window ?? undefined });
    const { context, residual, tokens, adapterTokens } = afterAttention(all, x, batch, options);
    const attended = add(drop(attn.Wo.forward(context, adapterTokens), ofAttention, { tokens }), residual);
    const inner = gated(mlp.Wi.forward(this.mlp_norm.forward(attended), adapterTokens), activationOf(this.#activation).gate);
    return add(mlp.Wo.forward(drop(inner, hidden, { tokens }), adapterTokens), attended);
  }
}

class ModernBert implements Transformer {
  readonly embeddings: { readonly tok_embeddings: { readonly weight: Parameter }; readonly norm: LayerNorm };
  readonly layers: readonly Layer[];
  readonly final_norm: LayerNorm;
  readonly #config: ModernBertConfig;

  constructor(config: ModernBertConfig, loraOf: (layer: number) => LoraOptions | null) {
    this.#config = config;
    const { vocab_size, hidden_size: width, num_hidden_layers, initializer_range, norm_eps } = config;
    this.embeddings = {
      tok_embeddings: { weight: new Parameter([vocab_size, width], { normal: initializer_range }) },
      norm: new LayerNorm(width, norm_eps, { bias: false }),
    };
    this.layers = Array.from({ length: num_hidden_layers }, (_, layer) => new Layer(config, layer, loraOf(layer)));
    this.final_norm = new LayerNorm(width, norm_eps, { bias: false });
  }

  get words(): Parameter {
    return this.embeddings.tok_embeddings.weight;
  }

  forward(batch: BatchValues, options: ForwardOptions): Value[] {
    const { embedding_dropout, attention_dropout: attention, mlp_dropout: hidden } = this.#config;
    const dropout = layerDropout({ hidden, attention }, batch, options);
    const embedded = embedding(batch.tokens, { word: this.words }, batch.indices, options.dtype);
    const after = { dropout: layerDropout({ hidden: embedding_dropout, attention }, batch, options).hidden, tokens: batch.tokens };
    const first = this.embeddings.norm.forward(embedded, after);
    const states = throughLayers(first, this.layers, batch, dropout, options);
    return [...states.slice(0, -1), this.final_norm.forward(states.at(-1)!)];
  }
}

/** The head that predicts masked words. */
class ModernBertHead implements MaskedHead {
  readonly head: { readonly dense: Linear; readonly norm: LayerNorm };
  readonly decoder: { readonly bias: Parameter };
  readonly #activation: ActivationName;

  constructor({ hidden_size: width, vocab_size, initializer_range, norm_eps, classifier_activation }: ModernBertConfig) {
    this.head = {
      dense: new Linear(width, width, initializer_range, { bias: false }),
      norm: new LayerNorm(width, norm_eps, { bias: false }),
    };
    this.decoder = { bias: new Parameter([vocab_size], { constant: 0 }) };
    this.#activation = classifier_activation;
  }

  forward(hidden: Value, words: Parameter): Value {
    return maskedLogits({ ...this.head, bias: this.decoder.bias, activation: this.#activation }, hidden, words);
  }
}

/** What the layers of one reach share: the angles of their rotations, and the penalty of what they do not see. */
interface OnnxReach {
  readonly angles: OnnxAngles;
  readonly penalty: string;
}

function onnxReach(batch: OnnxBatch, config: ModernBertConfig, { rotation, window }: LayerAttention): OnnxReach {
  const { graph, penalty } = batch;
  const places = onnxPlaces(batch);
  const [keys, queries] = [0, 1].map((axis) => graph.add("Unsqueeze", [places, graph.integers([axis])])) as [string, string];
  const distance = graph.add("Abs", [graph.add("Sub", [keys, queries])]);
  const hidden = (most: number) => graph.add("Cast", [graph.add("Greater", [distance, graph.integers(most)])], { to: 1 });
  return {
    angles: onnxAngles(batch, config, rotation),
    penalty: window === null ? penalty : graph.add("Add", [penalty, graph.add("Mul", [hidden(window), graph.float(-10_000)])]),
  };
}

function onnxLayer(batch: OnnxBatch, x: string, layer: number, config: ModernBertConfig, reach: OnnxReach): string {
  const { graph } = batch;
  const name = `model.layers.${layer}`;
  const linear = (input: string, part: string) => onnxLinear(batch, input, `${name}.${part}`, false);
  const normed = layer === 0 ? x : onnxNorm(batch, x, `${name}.attn_norm`, config);
  const context = onnxRotaryAttention({ ...batch, penalty: reach.penalty }, linear(normed, "attn.Wqkv"), reach.angles, config);
  const attended = graph.add("Add", [linear(context, "attn.Wo"), x]);
  const pairs = linear(onnxNorm(batch, attended, `${name}.mlp_norm`, config), "mlp.Wi");
  const { intermediate_size: inner, hidden_activation } = config;
  const gate = activationOf(hidden_activation).toOnnx(batch, onnxColumns(batch, pairs, 0, inner));
  const product = graph.add("Mul", [gate, onnxColumns(batch, pairs, inner, 2 * inner)]);
  return graph.add("Add", [linear(product, "mlp.Wo"), attended]);
}

const onnxNorm = ({ graph }: OnnxBatch, x: string, name: string, { norm_eps }: ModernBertConfig) =>
  graph.add("LayerNormalization", [x, `${name}.weight`], { axis: -1, epsilon: { float: norm_eps } });

function addToOnnx(batch: OnnxBatch, config: ModernBertConfig): string[] {
  const words = batch.graph.add("Gather", ["model.embeddings.tok_embeddings.weight", batch.ids]);
  const hidden = [onnxNorm(batch, onnxRows(batch, words, config.hidden_size), "model.embeddings.norm", config)];
  const reaches = new Map<Reach, OnnxReach>();
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const name = reachOf(config, layer);
    const reach = reaches.get(name) ?? onnxReach(batch, config, attentionOf(config, layer));
    reaches.set(name, reach);
    hidden.push(onnxLayer(batch, hidden.at(-1)!, layer, config, reach));
  }
  return [...hidden.slice(0, -1), onnxNorm(batch, hidden.at(-1)!, "model.final_norm", config)];
}

const isReach = (value: unknown): value is Reach => value === "full_attention" || value === "sliding_attention";

const reaches: Rule = {
  fits: (value, { num_hidden_layers }) =>
    value === undefined || value === null || (Array.isArray(value) && value.length === num_hidden_layers && value.every(isReach)),
  wanted: '"full_attention" or "sliding_attention" for each layer',
};

const rotations: Rule = {
  fits: (value) =>
    value === undefined ||
    value === null ||
    (typeof value === "object" && Object.entries(value).every(([reach, own]) => isReach(reach) && (own === null || isRotation(own)))),
  wanted: `for full_attention and sliding_attention ${rotation.wanted}`,
};

const optionally = ({ fits, wanted }: Rule): Rule => ({
  fits: (value, config) => value === undefined || value === null || fits(value, config),
  wanted,
});

/**
 * The fields of a student with some of the layers: they keep their reach in new places. Throws `OptionError` if the first layer, which has
 * no norm of its own before attention, is not first.
 */
function withLayers(config: ModernBertConfig, layers: readonly number[]): Readonly<Record<string, unknown>> {
  if (layers[0] !== 0) {
    throw new OptionError(
      `The first layer of a student of a ModernBERT is layer 0, found ${layers[0]}.`,
      "Begin with layer 0: it is the one without a norm before attention.",
    );
  }
  return { layer_types: layers.map((layer) => reachOf(config, layer)) };
}

export const modernbert: Architecture<ModernBertConfig> = {
  className: "ModernBertModel",
  encoder: "model",
  hasPooler: false,
  fields: {
    defaults: {
      hidden_activation: "gelu",
      classifier_activation: "gelu",
      norm_eps: 1e-5,
      initializer_range: 0.02,
      attention_dropout: 0,
      embedding_dropout: 0,
      mlp_dropout: 0,
      local_attention: 128,
      pad_token_id: 50_283,
    },
    rules: {
      num_attention_heads: turningHeads,
      intermediate_size: size(2 ** 20),
      norm_eps: notNegative,
      attention_dropout: probability,
      embedding_dropout: probability,
      mlp_dropout: probability,
      local_attention: size(2 ** 20),
      // transformers 5 has it for the tokens on one side, and sets local_attention by it.
      sliding_window: {
        fits: (value, { local_attention }) => value === undefined || value === null || value === Math.floor(Number(local_attention) / 2),
        wanted: "half of local_attention",
      },
      layer_types: reaches,
      global_attn_every_n_layers: optionally(size(1024)),
      rope_parameters: rotations,
      rope_scaling: nothing,
      global_rope_theta: optionally(positive),
      local_rope_theta: optionally(positive),
      hidden_activation: activation,
      classifier_activation: activation,
      norm_bias: only(false),
      attention_bias: only(false),
      mlp_bias: only(false),
      classifier_bias: only(false),
      decoder_bias: only(true),
    },
    written: {},
    fractions: ["initializer_cutoff_factor"],
  },
  names: { words: "embeddings.tok_embeddings.weight", embeddings: ["embeddings."], layers: "layers." },
  create: (config, loraOf) => new ModernBert(config, loraOf),
  maskedHead: {
    create: (config) => new ModernBertHead(config),
    path: [],
    decoder: "decoder.weight",
    byWord: ["decoder.bias"],
  },
  withLayers,
  addToOnnx,
};
