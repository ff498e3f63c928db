/**
 * EuroBERT (Boizard et al. 2025): the layers of a Llama, in both directions. There are no biases; RMSNorm comes before each part of a layer
 * and after the last one, positions are rotations, the feed-forward network is SwiGLU, and heads of queries may share those of keys and
 * values.
 */
import { dropout as drop } from "../../kernels/dropout.ts";
import { embedding } from "../../kernels/embedding.ts";
import { gated } from "../../kernels/gated.ts";
import { floatOf, type Value } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import { add } from "../../kernels/pointwise/pointwise.ts";
import type { Rotation } from "../../kernels/rotary.ts";
import { spreadHeads } from "../../kernels/spread-heads.ts";
import { Linear } from "../linear.ts";
import { adapterOf, type LoraOptions, type LoraTarget } from "../lora.ts";
import { Parameter } from "../parameters/parameter.ts";
import { RmsNorm } from "../rms-norm.ts";
import { type ActivationName, activation, activationOf } from "./activations.ts";
import type { Architecture, BatchValues, ForwardOptions, MaskedHead, Transformer, TransformerConfig } from "./architecture.ts";
import { isNumber, isWhole, notNegative, only, probability, size } from "./config-rules.ts";
import { afterAttention, type LayerOptions, layerDropout, throughLayers } from "./layers.ts";
import { type OnnxBatch, onnxLinear, onnxRows } from "./onnx-layers.ts";
import { type Projection, Projections } from "./projections.ts";
import {
  headSize,
  type OnnxAngles,
  onnxAngles,
  onnxRotaryAttention,
  type RopeParameters,
  rotaryAttention,
  rotation,
  rotationOf,
  turningHeads,
} from "./rotations.ts";

interface EuroBertConfig extends TransformerConfig {
  readonly intermediate_size: number;
  /** Heads of keys and of values; as many as of queries if it is null. */
  readonly num_key_value_heads: number | null;
  readonly hidden_act: ActivationName;
  readonly rms_norm_eps: number;
  readonly attention_dropout: number;
  readonly rope_parameters?: RopeParameters | null;
  /** Whether the head for masked words multiplies with the word embedding; otherwise it has a matrix of its own. */
  readonly tie_word_embeddings: boolean;
}

/** transformers' base of the angles, for a file that names none. */
const usualTheta = 10_000;

const groupsOf = ({ num_key_value_heads, num_attention_heads }: EuroBertConfig) => num_key_value_heads ?? num_attention_heads;

/** Self-attention. Where heads share keys and values, queries have a product of their own. */
class Attention {
  readonly q_proj: Projection;
  readonly k_proj: Projection;
  readonly v_proj: Projection;
  readonly o_proj: Linear;
  /** Query, key and value side by side [tokens, 3 · hidden_size]. */
  readonly #project: (x: Value, adapterTokens: Value | undefined) => Value;
  readonly #heads: number;
  readonly #rotation: Rotation;

  constructor(config: EuroBertConfig, lora: LoraOptions | null) {
    const { hidden_size: width, num_attention_heads: heads, initializer_range: initializerRange } = config;
    const groups = groupsOf(config);
    const together = <const Targets extends readonly LoraTarget[]>(targets: Targets, outFeatures: number) =>
      new Projections(targets, { inFeatures: width, outFeatures, initializerRange, lora, hasBias: false });
    if (groups === heads) {
      const all = together(["query", "key", "value"], width);
      [this.q_proj, this.k_proj, this.v_proj] = all.parts;
      this.#project = (x, tokens) => all.forward(x, tokens);
    } else {
      const [query, pair] = [together(["query"], width), together(["key", "value"], (groups * width) / heads)];
      [this.q_proj] = query.parts;
      [this.k_proj, this.v_proj] = pair.parts;
      this.#project = (x, tokens) => spreadHeads(query.forward(x, tokens), pair.forward(x, tokens), { heads, groups });
    }
    this.o_proj = new Linear(width, width, initializerRange, { bias: false, lora: adapterOf(lora, "attention.output") });
    this.#heads = heads;
    this.#rotation = rotationOf(config.rope_parameters, usualTheta);
  }

  /** Without the output projection: [tokens, hidden_size] from the same. */
  attend(x: Value, batch: BatchValues, { attention: dropout, tokens }: LayerOptions): Value {
    return rotaryAttention(this.#project(x, tokens), batch, this.#rotation, { heads: this.#heads, dropout });
  }
}

/** The feed-forward network. */
class FeedForward {
  readonly gate_proj: Projection;
  readonly up_proj: Projection;
  readonly down_proj: Linear;
  readonly #pair: Projections<readonly ["intermediate", "intermediate"]>;
  readonly #activation: ActivationName;

  constructor(
    { hidden_size: width, intermediate_size: inner, initializer_range: initializerRange, hidden_act }: EuroBertConfig,
    lora: LoraOptions | null,
  ) {
    const pair = { inFeatures: width, outFeatures: inner, initializerRange, lora, hasBias: false };
    this.#pair = new Projections(["intermediate", "intermediate"], pair);
    [this.gate_proj, this.up_proj] = this.#pair.parts;
    this.down_proj = new Linear(inner, width, initializerRange, { bias: false, lora: adapterOf(lora, "output") });
    this.#activation = hidden_act;
  }

  /** [rows, hidden_size] from the same. */
  forward(x: Value, adapterTokens: Value | undefined): Value {
    const inner = gated(this.#pair.forward(x, adapterTokens), activationOf(this.#activation).gate);
    return this.down_proj.forward(inner, adapterTokens);
  }
}

class Layer {
  readonly input_layernorm: RmsNorm;
  readonly self_attn: Attention;
  readonly post_attention_layernorm: RmsNorm;
  readonly mlp: FeedForward;

  constructor(config: EuroBertConfig, lora: LoraOptions | null) {
    const { hidden_size: width, rms_norm_eps } = config;
    this.input_layernorm = new RmsNorm(width, rms_norm_eps);
    this.self_attn = new Attention(config, lora);
    this.post_attention_layernorm = new RmsNorm(width, rms_norm_eps);
    this.mlp = new FeedForward(config, lora);
  }

  forward(x: Value, batch: BatchValues, options: LayerOptions): Value {
    const { input_layernorm, self_attn, post_attention_layernorm, mlp } = this;
    const all = self_attn.attend(input_layernorm.forward(x), batch, options);
    const { context, residual, tokens, adapterTokens } = afterAttention(all, x, batch, options);
    const added = (value: Value, to: Value) => add(drop(value, options.hidden, { tokens }), to);
    const attended = added(self_attn.o_proj.forward(context, adapterTokens), residual);
    return added(mlp.forward(post_attention_layernorm.forward(attended), adapterTokens), attended);
  }
}

class EuroBert implements Transformer {
  readonly embed_tokens: { readonly weight: Parameter };
  readonly layers: readonly Layer[];
  readonly norm: RmsNorm;
  readonly #attentionDropout: number;

  constructor(config: EuroBertConfig, loraOf: (layer: number) => LoraOptions | null) {
    const { vocab_size, hidden_size: width, num_hidden_layers, initializer_range, rms_norm_eps, attention_dropout } = config;
    this.embed_tokens = { weight: new Parameter([vocab_size, width], { normal: initializer_range }) };
    this.layers = Array.from({ length: num_hidden_layers }, (_, layer) => new Layer(config, loraOf(layer)));
    this.norm = new RmsNorm(width, rms_norm_eps);
    this.#attentionDropout = attention_dropout;
  }

  get words(): Parameter {
    return this.embed_tokens.weight;
  }

  forward(batch: BatchValues, options: ForwardOptions): Value[] {
    const dropout = layerDropout({ hidden: 0, attention: this.#attentionDropout }, batch, options);
    const first = embedding(batch.tokens, { word: this.words }, batch.indices, options.dtype);
    const states = throughLayers(first, this.layers, batch, dropout, options);
    return [...states.slice(0, -1), this.norm.forward(states.at(-1)!)];
  }
}

/** The head that predicts masked words: one product. */
class EuroBertHead implements MaskedHead {
  /** Its own matrix [vocab_size, hidden_size]; absent where it is the word embedding. */
  readonly weight?: Parameter;

  constructor({ vocab_size, hidden_size, initializer_range, tie_word_embeddings }: EuroBertConfig) {
    if (!tie_word_embeddings) this.weight = new Parameter([vocab_size, hidden_size], { normal: initializer_range });
  }

  forward(hidden: Value, words: Parameter): Value {
    return matmul(hidden, (this.weight ?? words).stored(floatOf(hidden)), "nt", { dtype: "f32" });
  }
}

function onnxRmsNorm({ graph }: OnnxBatch, x: string, name: string, { rms_norm_eps }: EuroBertConfig): string {
  const mean = graph.add("ReduceMean", [graph.add("Mul", [x, x])], { axes: [-1] });
  const root = graph.add("Sqrt", [graph.add("Add", [mean, graph.float(rms_norm_eps)])]);
  return graph.add("Mul", [graph.add("Div", [x, root]), `${name}.weight`]);
}

/** Rows of heads of keys or values, each repeated for the queries that share it. */
function onnxSpread({ graph }: OnnxBatch, rows: string, config: EuroBertConfig): string {
  const { hidden_size, num_attention_heads: heads } = config;
  const groups = groupsOf(config);
  if (groups === heads) return rows;
  const shared = graph.add("Reshape", [rows, graph.integers([-1, groups, 1, hidden_size / heads])]);
  const repeated = graph.add("Tile", [shared, graph.integers([1, 1, heads / groups, 1])]);
  return graph.add("Reshape", [repeated, graph.integers([-1, hidden_size])]);
}

function onnxLayer(batch: OnnxBatch, x: string, layer: number, config: EuroBertConfig, angles: OnnxAngles): string {
  const { graph } = batch;
  const name = `model.layers.${layer}`;
  const linear = (input: string, part: string) => onnxLinear(batch, input, `${name}.${part}`, false);
  const input = onnxRmsNorm(batch, x, `${name}.input_layernorm`, config);
  const spread = (part: string) => onnxSpread(batch, linear(input, part), config);
  const qkv = graph.add("Concat", [linear(input, "self_attn.q_proj"), spread("self_attn.k_proj"), spread("self_attn.v_proj")], {
    axis: -1,
  });
  const context = onnxRotaryAttention(batch, qkv, angles, config);
  const attended = graph.add("Add", [linear(context, "self_attn.o_proj"), x]);
  const normed = onnxRmsNorm(batch, attended, `${name}.post_attention_layernorm`, config);
  const gate = activationOf(config.hidden_act).toOnnx(batch, linear(normed, "mlp.gate_proj"));
  const inner = graph.add("Mul", [gate, linear(normed, "mlp.up_proj")]);
  return graph.add("Add", [linear(inner, "mlp.down_proj"), attended]);
}

function addToOnnx(batch: OnnxBatch, config: EuroBertConfig): string[] {
  const words = batch.graph.add("Gather", ["model.embed_tokens.weight", batch.ids]);
  const hidden = [onnxRows(batch, words, config.hidden_size)];
  const angles = onnxAngles(batch, config, rotationOf(config.rope_parameters, usualTheta));
  for (let layer = 0; layer < config.num_hidden_layers; layer++) hidden.push(onnxLayer(batch, hidden.at(-1)!, layer, config, angles));
  return [...hidden.slice(0, -1), onnxRmsNorm(batch, hidden.at(-1)!, "model.norm", config)];
}

/** Fields of files from before transformers had the architecture, which name the base of the angles by itself. */
function read(json: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { rope_theta, ...others } = json;
  if (!isNumber(rope_theta) || (json.rope_parameters !== undefined && json.rope_parameters !== null)) return json;
  return { ...others, rope_parameters: { rope_type: "default", rope_theta } };
}

export const eurobert: Architecture<EuroBertConfig> = {
  className: "EuroBertModel",
  encoder: "model",
  hasPooler: false,
  fields: {
    read,
    defaults: {
      max_position_embeddings: 8192,
      num_key_value_heads: null,
      hidden_act: "silu",
      rms_norm_eps: 1e-5,
      initializer_range: 0.02,
      attention_dropout: 0,
      pad_token_id: 128_001,
      tie_word_embeddings: false,
    },
    rules: {
      num_attention_heads: turningHeads,
      num_key_value_heads: {
        fits: (value, { num_attention_heads: heads }) =>
          value === null || (isWhole(value, 1, Number(heads)) && Number(heads) % Number(value) === 0),
        wanted: "a divisor of num_attention_heads",
      },
      head_dim: headSize,
      intermediate_size: size(2 ** 20),
      rms_norm_eps: notNegative,
      attention_dropout: probability,
      rope_parameters: rotation,
      rope_scaling: only(null),
      hidden_act: activation,
      attention_bias: only(false),
      mlp_bias: only(false),
      tie_word_embeddings: { fits: (value) => typeof value === "boolean", wanted: "true or false" },
    },
    written: { auto_map: undefined },
    fractions: ["rms_norm_eps"],
  },
  names: { words: "embed_tokens.weight", embeddings: ["embed_tokens."], layers: "layers." },
  create: (config, loraOf) => new EuroBert(config, loraOf),
  maskedHead: {
    create: (config) => new EuroBertHead(config),
    path: ["lm_head"],
    decoder: "lm_head.weight",
    byWord: [],
  },
  addToOnnx,
};
