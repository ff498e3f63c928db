/**
 * Nomic BERT (Nussbaum et al. 2024): BERT's layers without biases in their products, with rotary positions and SwiGLU. Files have the
 * tensors' names of its first implementation, which transformers reads and writes too.
 */
import { gated } from "../../kernels/gated.ts";
import type { Value } from "../../kernels/language/operation.ts";
import type { Rotation } from "../../kernels/rotary.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Linear } from "../linear.ts";
import { adapterOf, type LoraOptions, type LoraTarget } from "../lora.ts";
import { Parameter } from "../parameters/parameter.ts";
import { type ActivationName, activation, activationOf } from "./activations.ts";
import type { Architecture, BatchValues, ForwardOptions, MaskedHead, Transformer } from "./architecture.ts";
import { isNumber, nothing, notNegative, only, probability, size } from "./config-rules.ts";
import { Embeddings, onnxEmbeddings } from "./embeddings.ts";
import { hiddenStates, type LayerOptions, type PostNormBlock, postNorm } from "./layers.ts";
import { maskedLogits } from "./masked-logits.ts";
import { type OnnxBatch, type OnnxPostNorm, onnxLinear, onnxPostNorm } from "./onnx-layers.ts";
import { type Projection, Projections } from "./projections.ts";
import {
  headSize,
  onnxAngles,
  onnxRotaryAttention,
  qkvModules,
  type RotaryBertConfig,
  rotaryAttention,
  rotation,
  rotationOf,
  turningHeads,
} from "./rotations.ts";

const usualTheta = 1000;

class Layer {
  readonly attn: { readonly Wqkv: Linear; readonly out_proj: Linear };
  readonly norm1: LayerNorm;
  /** fc12 passes through the activation and scales fc11. */
  readonly mlp: { readonly fc11: Projection; readonly fc12: Projection; readonly fc2: Linear };
  readonly norm2: LayerNorm;
  readonly #inner: Projections<readonly ["intermediate", "intermediate"]>;
  readonly #heads: number;
  readonly #rotation: Rotation;
  readonly #activation: ActivationName;

  constructor(config: RotaryBertConfig, lora: LoraOptions | null) {
    const { hidden_size: width, intermediate_size: inner, initializer_range: initializerRange, layer_norm_eps } = config;
    const linear = (targets: readonly LoraTarget[], inFeatures: number, outFeatures: number) =>
      new Linear(inFeatures, outFeatures, initializerRange, { bias: false, lora: adapterOf(lora, ...targets) });
    // One matrix, and so one adapter.
    this.attn = { Wqkv: linear(["query", "key", "value"], width, 3 * width), out_proj: linear(["attention.output"], width, width) };
    this.norm1 = new LayerNorm(width, layer_norm_eps);
    const halves = { inFeatures: width, outFeatures: inner, initializerRange, lora, hasBias: false };
    this.#inner = new Projections(["intermediate", "intermediate"], halves);
    const [fc12, fc11] = this.#inner.parts;
    this.mlp = { fc11, fc12, fc2: linear(["output"], inner, width) };
    this.norm2 = new LayerNorm(width, layer_norm_eps);
    this.#heads = config.num_attention_heads;
    this.#rotation = rotationOf(config.rope_parameters, usualTheta);
    this.#activation = config.hidden_act;
  }

  forward(x: Value, batch: BatchValues, options: LayerOptions): Value {
    const { attn, mlp } = this;
    const block: PostNormBlock = {
      attend: (input) => {
        const qkv = attn.Wqkv.forward(input, options.tokens);
        return rotaryAttention(qkv, batch, this.#rotation, { heads: this.#heads, dropout: options.attention });
      },
      attended: { dense: attn.out_proj, norm: this.norm1 },
      expand: (input, { adapterTokens }) => gated(this.#inner.forward(input, adapterTokens), activationOf(this.#activation).gate),
      output: { dense: mlp.fc2, norm: this.norm2 },
    };
    return postNorm(block, x, batch, options);
  }
}

class NomicBert implements Transformer {
  readonly embeddings: Pick<Embeddings, "word_embeddings" | "token_type_embeddings">;
  readonly emb_ln: LayerNorm;
  readonly encoder: { readonly layers: readonly Layer[] };
  readonly #embeddings: Embeddings;
  readonly #config: RotaryBertConfig;

  constructor(config: RotaryBertConfig, loraOf: (layer: number) => LoraOptions | null) {
    this.#config = config;
    const { vocab_size, type_vocab_size, hidden_size: width, initializer_range, layer_norm_eps } = config;
    this.#embeddings = new Embeddings({ vocab_size, type_vocab_size, width, initializer_range, layer_norm_eps });
    ({ LayerNorm: this.emb_ln, ...this.embeddings } = this.#embeddings);
    this.encoder = { layers: Array.from({ length: config.num_hidden_layers }, (_, layer) => new Layer(config, loraOf(layer))) };
  }

  get words(): Parameter {
    return this.embeddings.word_embeddings.weight;
  }

  forward(batch: BatchValues, options: ForwardOptions): Value[] {
    return hiddenStates({ config: this.#config, embeddings: this.#embeddings, layers: this.encoder.layers }, batch, options);
  }
}

/** The head that predicts masked words. */
class NomicBertHead implements MaskedHead {
  readonly bias: Parameter;
  readonly transform: { readonly dense: Linear; readonly layer_norm: LayerNorm };
  readonly #activation: ActivationName;

  constructor({ hidden_size: width, vocab_size, initializer_range, layer_norm_eps, hidden_act }: RotaryBertConfig) {
    this.bias = new Parameter([vocab_size], { constant: 0 });
    this.transform = { dense: new Linear(width, width, initializer_range), layer_norm: new LayerNorm(width, layer_norm_eps) };
    this.#activation = hidden_act;
  }

  forward(hidden: Value, words: Parameter): Value {
    const { dense, layer_norm: norm } = this.transform;
    return maskedLogits({ dense, norm, bias: this.bias, activation: this.#activation }, hidden, words);
  }
}

function addToOnnx(batch: OnnxBatch, config: RotaryBertConfig): string[] {
  const { graph } = batch;
  const tables = { prefix: "nomic_bert.embeddings.", firstPosition: null, hasTypes: true, norm: "nomic_bert.emb_ln" };
  const hidden = [onnxEmbeddings(batch, { ...config, width: config.hidden_size }, tables)];
  const angles = onnxAngles(batch, config, rotationOf(config.rope_parameters, usualTheta));
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `nomic_bert.encoder.layers.${i}`;
    const linear = (x: string, name: string) => onnxLinear(batch, x, `${layer}.${name}`, false);
    const parts: OnnxPostNorm = {
      attend: (x) => onnxRotaryAttention(batch, linear(x, "attn.Wqkv"), angles, config),
      attended: { dense: `${layer}.attn.out_proj`, norm: `${layer}.norm1`, hasBias: false },
      expand: (x) => {
        const gate = activationOf(config.hidden_act).toOnnx(batch, linear(x, "mlp.fc12"));
        return graph.add("Mul", [gate, linear(x, "mlp.fc11")]);
      },
      output: { dense: `${layer}.mlp.fc2`, norm: `${layer}.norm2`, hasBias: false },
      epsilon: config.layer_norm_eps,
    };
    hidden.push(onnxPostNorm(batch, hidden.at(-1)!, parts));
  }
  return hidden;
}

/** Fields of the first implementation that transformers has under other names. */
const firstNames = {
  n_embd: "hidden_size",
  n_layer: "num_hidden_layers",
  n_head: "num_attention_heads",
  n_inner: "intermediate_size",
  layer_norm_epsilon: "layer_norm_eps",
  resid_pdrop: "hidden_dropout_prob",
  attn_pdrop: "attention_probs_dropout_prob",
} as const;

/** Fields of the first implementation: a file may have transformers' too. */
function read(json: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { n_positions, rotary_emb_base, rope_theta = rotary_emb_base, ...others } = json;
  const { max_position_embeddings: trained, rope_parameters } = json;
  const renamed = Object.entries(firstNames).filter(([first]) => others[first] !== undefined && others[first] !== null);
  const rest = Object.entries(others).filter(([field]) => !(field in firstNames));
  return {
    ...Object.fromEntries(renamed.map(([first, field]) => [field, others[first]])),
    ...Object.fromEntries(rest),
    // There is no table of positions, so a text may be longer than those of the training.
    ...(isNumber(n_positions) && { max_position_embeddings: isNumber(trained) ? Math.max(n_positions, trained) : n_positions }),
    ...(isNumber(rope_theta) && { rope_parameters: rope_parameters ?? { rope_type: "default", rope_theta } }),
  };
}

export const nomicBert: Architecture<RotaryBertConfig> = {
  className: "NomicBertModel",
  encoder: "nomic_bert",
  hasPooler: false,
  fields: {
    read,
    defaults: {
      max_position_embeddings: 2048,
      type_vocab_size: 2,
      hidden_act: "silu",
      layer_norm_eps: 1e-12,
      initializer_range: 0.02,
      hidden_dropout_prob: 0,
      attention_probs_dropout_prob: 0,
      pad_token_id: 0,
    },
    rules: {
      num_attention_heads: turningHeads,
      head_dim: headSize,
      intermediate_size: size(2 ** 20),
      type_vocab_size: size(2 ** 16),
      hidden_dropout_prob: probability,
      attention_probs_dropout_prob: probability,
      layer_norm_eps: notNegative,
      rope_parameters: rotation,
      rope_scaling: nothing,
      hidden_act: activation,
      // Of the first implementation, which has more forms than transformers.
      activation_function: only("swiglu"),
      prenorm: only(false),
      parallel_block: only(false),
      causal: only(false),
      use_rms_norm: only(false),
      qkv_proj_bias: only(false),
      mlp_fc1_bias: only(false),
      mlp_fc2_bias: only(false),
      rotary_emb_fraction: only(1),
      rotary_emb_interleaved: only(false),
      rotary_emb_scale_base: only(null),
      rotary_scaling_factor: only(null),
      moe_every_n_layers: only(0),
    },
    written: { auto_map: undefined },
    fractions: ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"],
  },
  names: { words: "embeddings.word_embeddings.weight", embeddings: ["embeddings.", "emb_ln."], layers: "encoder.layers." },
  classModules: {
    layers: "layers.",
    modules: {
      "attn.Wqkv": qkvModules,
      "attn.out_proj": ["self_attn.o_proj"],
      "mlp.fc11": ["mlp.up_proj"],
      "mlp.fc12": ["mlp.gate_proj"],
      "mlp.fc2": ["mlp.down_proj"],
    },
  },
  create: (config, loraOf) => new NomicBert(config, loraOf),
  maskedHead: {
    create: (config) => new NomicBertHead(config),
    path: ["cls", "predictions"],
    decoder: "cls.predictions.decoder.weight",
    byWord: ["cls.predictions.bias", "cls.predictions.decoder.bias"],
  },
  addToOnnx,
};
