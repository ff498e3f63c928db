/**
 * ELECTRA (Clark et al. 2020): BERT's layers after embeddings that may be narrower and are then projected, without a pooler. Both of its
 * models are read: the discriminator, which is the one to train, and the generator, which has a head for masked words.
 */
import type { Value } from "../../kernels/language/operation.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Linear } from "../linear.ts";
import type { LoraOptions } from "../lora.ts";
import { Parameter } from "../parameters/parameter.ts";
import type { Architecture, BatchValues, ForwardOptions, MaskedHead, Transformer } from "./architecture.ts";
import { type BertConfig, bert, bertLayersToOnnx, Layer } from "./bert.ts";
import { size } from "./config-rules.ts";
import { Embeddings, onnxEmbeddings } from "./embeddings.ts";
import { hiddenStates } from "./layers.ts";
import { maskedLogits } from "./masked-logits.ts";
import { type OnnxBatch, onnxLinear } from "./onnx-layers.ts";

/** The config of a BERT whose embeddings have a width of their own. */
export interface ElectraConfig extends BertConfig {
  /** The width of the embeddings. */
  readonly embedding_size: number;
}

class Electra implements Transformer {
  readonly embeddings: Embeddings;
  /** Present if the embeddings are narrower or wider than the layers. */
  readonly embeddings_project?: Linear;
  readonly encoder: { readonly layer: readonly Layer[] };
  readonly #config: ElectraConfig;

  constructor(config: ElectraConfig, loraOf: (layer: number) => LoraOptions | null) {
    const { embedding_size: width, hidden_size, initializer_range } = config;
    this.#config = config;
    this.embeddings = new Embeddings({ ...config, width });
    if (width !== hidden_size) this.embeddings_project = new Linear(width, hidden_size, initializer_range);
    this.encoder = { layer: Array.from({ length: config.num_hidden_layers }, (_, layer) => new Layer(config, loraOf(layer))) };
  }

  get words(): Parameter {
    return this.embeddings.word_embeddings.weight;
  }

  forward(batch: BatchValues, options: ForwardOptions): Value[] {
    return hiddenStates(
      { config: this.#config, embeddings: this.embeddings, projection: this.embeddings_project, layers: this.encoder.layer },
      batch,
      options,
    );
  }
}

/** The generator's head. */
class ElectraHead implements MaskedHead {
  readonly generator_predictions: { readonly LayerNorm: LayerNorm; readonly dense: Linear };
  readonly generator_lm_head: { readonly bias: Parameter };

  constructor({ embedding_size: width, hidden_size, vocab_size, initializer_range, layer_norm_eps }: ElectraConfig) {
    this.generator_predictions = {
      LayerNorm: new LayerNorm(width, layer_norm_eps),
      dense: new Linear(hidden_size, width, initializer_range),
    };
    this.generator_lm_head = { bias: new Parameter([vocab_size], { constant: 0 }) };
  }

  forward(hidden: Value, words: Parameter): Value {
    const { dense, LayerNorm: norm } = this.generator_predictions;
    return maskedLogits({ dense, norm, bias: this.generator_lm_head.bias }, hidden, words);
  }
}

function addToOnnx(batch: OnnxBatch, config: ElectraConfig): string[] {
  const tables = { prefix: "electra.embeddings.", firstPosition: 0, hasTypes: true };
  const embedded = onnxEmbeddings(batch, { ...config, width: config.embedding_size }, tables);
  const isProjected = config.embedding_size !== config.hidden_size;
  const first = isProjected ? onnxLinear(batch, embedded, "electra.embeddings_project") : embedded;
  return bertLayersToOnnx(batch, first, config, "electra.");
}

export const electra: Architecture<ElectraConfig> = {
  ...bert,
  className: "ElectraModel",
  encoder: "electra",
  hasPooler: false,
  fields: {
    ...bert.fields,
    defaults: { ...bert.fields.defaults, embedding_size: 128 },
    rules: { ...bert.fields.rules, embedding_size: size(2 ** 16) },
  },
  names: { ...bert.names, embeddings: ["embeddings.", "embeddings_project."] },
  create: (config, loraOf) => new Electra(config, loraOf),
  maskedHead: {
    create: (config) => new ElectraHead(config),
    path: [],
    decoder: "generator_lm_head.weight",
    byWord: ["generator_lm_head.bias"],
  },
  addToOnnx,
};
