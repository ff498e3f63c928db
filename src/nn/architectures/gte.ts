/**
 * GTE (Zhang et al. 2024, "mGTE"): BERT's layers with rotary positions and GeGLU. Files have the tensors' names of its first implementation,
 * whose `model_type` is "new"; transformers reads and writes them too.
 */
import { dropout as drop } from "../../kernels/dropout.ts";
import { gated } from "../../kernels/gated.ts";
import type { Value } from "../../kernels/language/operation.ts";
import type { Rotation } from "../../kernels/rotary.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Linear } from "../linear.ts";
import { adapterOf, type LoraOptions, type LoraTarget } from "../lora.ts";
import { Parameter } from "../parameters/parameter.ts";
import { type ActivationName, activation, activationOf } from "./activations.ts";
import type { Architecture, BatchValues, ForwardOptions, MaskedHead, Transformer } from "./architecture.ts";
import { isNumber, isWhole, notNegative, only, probability, size } from "./config-rules.ts";
import { Embeddings, onnxEmbeddings } from "./embeddings.ts";
import { hiddenStates, type LayerOptions, type PostNormBlock, postNorm } from "./layers.ts";
import { maskedLogits } from "./masked-logits.ts";
import { type OnnxBatch, type OnnxPostNorm, onnxLinear, onnxPostNorm } from "./onnx-layers.ts";
import {
  headSize,
  onnxAngles,
  onnxColumns,
  onnxRotaryAttention,
  qkvModules,
  type RotaryBertConfig,
  rotaryAttention,
  rotation,
  rotationOf,
  turningHeads,
} from "./rotations.ts";

const usualTheta = 160_000;

class Layer {
  readonly attention: { readonly qkv_proj: Linear; readonly o_proj: Linear };
  readonly attn_ln: LayerNorm;
  /** The second half of up_gate_proj's rows passes through the activation and scales the first. */
  readonly mlp: { readonly up_gate_proj: Linear; readonly down_proj: Linear };
  readonly mlp_ln: LayerNorm;
  readonly #heads: number;
  readonly #rotation: Rotation;
  readonly #activation: ActivationName;

  constructor(config: RotaryBertConfig, lora: LoraOptions | null) {
    const { hidden_size: width, intermediate_size: inner, initializer_range, layer_norm_eps } = config;
    const linear = (targets: readonly LoraTarget[], inFeatures: number, outFeatures: number, hasBias = true) =>
      new Linear(inFeatures, outFeatures, initializer_range, { bias: hasBias, lora: adapterOf(lora, ...targets) });
    // One matrix, and so one adapter.
    this.attention = {
      qkv_proj: linear(["query", "key", "value"], width, 3 * width),
      o_proj: linear(["attention.output"], width, width),
    };
    this.attn_ln = new LayerNorm(width, layer_norm_eps);
    this.mlp = { up_gate_proj: linear(["intermediate"], width, 2 * inner, false), down_proj: linear(["output"], inner, width) };
    this.mlp_ln = new LayerNorm(width, layer_norm_eps);
    this.#heads = config.num_attention_heads;
    this.#rotation = rotationOf(config.rope_parameters, usualTheta);
    this.#activation = config.hidden_act;
  }

  forward(x: Value, batch: BatchValues, options: LayerOptions): Value {
    const { attention: own, mlp } = this;
    const block: PostNormBlock = {
      attend: (input) => {
        const qkv = own.qkv_proj.forward(input, options.tokens);
        return rotaryAttention(qkv, batch, this.#rotation, { heads: this.#heads, dropout: options.attention });
      },
      attended: { dense: own.o_proj, norm: this.attn_ln },
      expand: (input, { tokens, adapterTokens }) =>
        drop(gated(mlp.up_gate_proj.forward(input, adapterTokens), activationOf(this.#activation).gate, "second"), options.hidden, {
          tokens,
        }),
      output: { dense: mlp.down_proj, norm: this.mlp_ln },
    };
    return postNorm(block, x, batch, options);
  }
}

class Gte implements Transformer {
  readonly embeddings: Embeddings;
  readonly encoder: { readonly layer: readonly Layer[] };
  readonly #config: RotaryBertConfig;

  constructor(config: RotaryBertConfig, loraOf: (layer: number) => LoraOptions | null) {
    this.#config = config;
    const { vocab_size, type_vocab_size, hidden_size: width, initializer_range, layer_norm_eps } = config;
    const types = type_vocab_size > 0 && { type_vocab_size };
    this.embeddings = new Embeddings({ vocab_size, ...types, width, initializer_range, layer_norm_eps });
    this.encoder = { layer: Array.from({ length: config.num_hidden_layers }, (_, layer) => new Layer(config, loraOf(layer))) };
  }

  get words(): Parameter {
    return this.embeddings.word_embeddings.weight;
  }

  forward(batch: BatchValues, options: ForwardOptions): Value[] {
    return hiddenStates({ config: this.#config, embeddings: this.embeddings, layers: this.encoder.layer }, batch, options);
  }
}

/** The head that predicts masked words. */
class GteHead implements MaskedHead {
  readonly dense: Linear;
  readonly norm: LayerNorm;
  readonly decoder: { readonly bias: Parameter };

  constructor({ hidden_size: width, vocab_size, initializer_range, layer_norm_eps }: RotaryBertConfig) {
    this.dense = new Linear(width, width, initializer_range);
    this.norm = new LayerNorm(width, layer_norm_eps);
    this.decoder = { bias: new Parameter([vocab_size], { constant: 0 }) };
  }

  forward(hidden: Value, words: Parameter): Value {
    return maskedLogits({ dense: this.dense, norm: this.norm, bias: this.decoder.bias }, hidden, words);
  }
}

function addToOnnx(batch: OnnxBatch, config: RotaryBertConfig): string[] {
  const { graph } = batch;
  const { intermediate_size: inner } = config;
  const tables = { prefix: "gte.embeddings.", firstPosition: null, hasTypes: config.type_vocab_size > 0 };
  const hidden = [onnxEmbeddings(batch, { ...config, width: config.hidden_size }, tables)];
  const angles = onnxAngles(batch, config, rotationOf(config.rope_parameters, usualTheta));
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `gte.encoder.layer.${i}`;
    const parts: OnnxPostNorm = {
      attend: (x) => onnxRotaryAttention(batch, onnxLinear(batch, x, `${layer}.attention.qkv_proj`), angles, config),
      attended: { dense: `${layer}.attention.o_proj`, norm: `${layer}.attn_ln` },
      expand: (x) => {
        const pairs = onnxLinear(batch, x, `${layer}.mlp.up_gate_proj`, false);
        const gate = activationOf(config.hidden_act).toOnnx(batch, onnxColumns(batch, pairs, inner, 2 * inner));
        return graph.add("Mul", [gate, onnxColumns(batch, pairs, 0, inner)]);
      },
      output: { dense: `${layer}.mlp.down_proj`, norm: `${layer}.mlp_ln` },
      epsilon: config.layer_norm_eps,
    };
    hidden.push(onnxPostNorm(batch, hidden.at(-1)!, parts));
  }
  return hidden;
}

/**
 * Fields of the first implementation, whose rotations scale as its NTK rule has it: for a factor f and heads of d numbers, the base is f times
 * as large, and all angles are divided by f^(2/d).
 */
function read(json: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { rope_theta, rope_scaling, ...others } = json;
  const { rope_parameters, hidden_size, num_attention_heads } = json;
  if (!isNumber(rope_theta) || (rope_parameters !== undefined && rope_parameters !== null)) return json;
  if (rope_scaling === undefined || rope_scaling === null) return { ...others, rope_parameters: { rope_type: "default", rope_theta } };
  const { type, factor, mixed_b = null } = rope_scaling as Readonly<Record<string, unknown>>;
  if (type !== "ntk" || !isNumber(factor) || mixed_b !== null) return json;
  const scaled = { rope_theta: rope_theta * factor, factor: factor ** ((2 * Number(num_attention_heads)) / Number(hidden_size)) };
  return { ...others, rope_parameters: { rope_type: "linear", ...scaled } };
}

export const gte: Architecture<RotaryBertConfig> = {
  className: "GteModel",
  encoder: "gte",
  hasPooler: false,
  fields: {
    read,
    defaults: {
      max_position_embeddings: 8192,
      type_vocab_size: 1,
      hidden_act: "gelu",
      layer_norm_eps: 1e-12,
      initializer_range: 0.02,
      hidden_dropout_prob: 0.1,
      attention_probs_dropout_prob: 0,
      pad_token_id: 1,
    },
    rules: {
      num_attention_heads: turningHeads,
      head_dim: headSize,
      intermediate_size: size(2 ** 20),
      type_vocab_size: { fits: (value) => isWhole(value, 0, 2 ** 16), wanted: `a whole number from 0 to ${2 ** 16}` },
      hidden_dropout_prob: probability,
      attention_probs_dropout_prob: probability,
      layer_norm_eps: notNegative,
      rope_parameters: rotation,
      rope_scaling: { fits: (value) => value === undefined || value === null, wanted: 'absent, or of the type "ntk" without mixed_b' },
      hidden_act: activation,
      // Of the first implementation, which has more forms than transformers.
      position_embedding_type: only("rope"),
      layer_norm_type: only("layer_norm"),
      logn_attention_scale: only(false),
    },
    written: { auto_map: undefined },
  },
  names: { words: "embeddings.word_embeddings.weight", embeddings: ["embeddings."], layers: "encoder.layer." },
  classModules: {
    layers: "layers.",
    modules: {
      "attention.qkv_proj": qkvModules,
      "attention.o_proj": ["self_attn.o_proj"],
      "mlp.up_gate_proj": ["mlp.up_proj", "mlp.gate_proj"],
      "mlp.down_proj": ["mlp.down_proj"],
    },
  },
  create: (config, loraOf) => new Gte(config, loraOf),
  maskedHead: {
    create: (config) => new GteHead(config),
    path: ["lm_head"],
    decoder: "lm_head.decoder.weight",
    byWord: ["lm_head.decoder.bias"],
  },
  addToOnnx,
};
