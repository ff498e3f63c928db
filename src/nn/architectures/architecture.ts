/**
 * What a family of transformers says about itself. A file of this folder that is named after a `model_type` holds one `Architecture`, and
 * architectures.ts is the table of them. Nothing outside this folder names a family.
 */
import type { GatherIndex } from "../../kernels/embedding.ts";
import type { FloatType, Value } from "../../kernels/language/operation.ts";
import type { LoraOptions } from "../lora.ts";
import type { Parameter } from "../parameters/parameter.ts";
import type { Rule } from "./config-rules.ts";
import type { OnnxBatch } from "./onnx-layers.ts";

/**
 * The fields of a `config.json` that every architecture has. They have BERT's names here, also where the file of another architecture names
 * them otherwise; see `ConfigFields.names`.
 */
export interface TransformerConfig {
  /** One of `modelTypes`. */
  readonly model_type: string;
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly max_position_embeddings: number;
  /** The standard deviation of fresh weights. */
  readonly initializer_range: number;
  /** Null if there is none, or below 0 as in PyTorch: only a RoBERTa's positions depend on it. */
  readonly pad_token_id: number | null;
  /**
   * In no file, and set by `fitConfig`: `pad_token_id` is a token around every text, and the tokenizer pads with another. Then it has positions
   * like any other token.
   */
  readonly padding_has_positions?: true;
}

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

/** The rows of the last layer's output that are read: all, or the first token's of each sentence ([CLS]). */
export type ReadRows = "all" | "first";

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
  /** What is read of the last layer's output; all if absent. The rest of it is not computed. */
  readonly rows?: ReadRows;
}

/** The encoder of an architecture. Its own properties have the names of the checkpoint's tensors. */
export interface Transformer {
  /** The word embedding [vocab_size, width], which a masked language model's head shares. */
  readonly words: Parameter;
  /**
   * The output of the embeddings and of each layer: num_hidden_layers + 1 values [tokens, hidden_size]. If only the first rows are read, the
   * last value is [sentences, hidden_size].
   */
  forward(batch: BatchValues, options: ForwardOptions): Value[];
}

/** The head of a masked language model. Its own properties have the names of the checkpoint's tensors. */
export interface MaskedHead {
  /** Logits f32 [rows, vocab_size] of `hidden` [rows, hidden_size]; `words` is the word embedding. */
  forward(hidden: Value, words: Parameter): Value;
}

/** How a `config.json` describes an architecture. */
export interface ConfigFields {
  /** The file's names of fields that have another name in `TransformerConfig`. */
  readonly names?: Readonly<Record<string, string>>;
  /** A file's content by the names of transformers, for files that were written for an implementation before it. */
  read?(json: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
  /** What transformers assumes if the file leaves a field out. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Every field that the computation depends on, besides those of all architectures. */
  readonly rules: Readonly<Record<string, Rule>>;
  /** Fields that a written file always states. */
  readonly written: Readonly<Record<string, unknown>>;
  /**
   * Fields of fractions besides `commonFractions`: transformers refuses a whole number there that is not written as 2.0, which JSON.stringify
   * cannot do.
   */
  readonly fractions?: readonly string[];
}

/** The names of an encoder's tensors, without the encoder's own name before them. */
export interface TensorNames {
  /** The word embedding. */
  readonly words: string;
  /** The prefixes of what is before the layers. */
  readonly embeddings: readonly string[];
  /** What is before a layer's number. */
  readonly layers: string;
}

/** A masked language model's head in checkpoints. */
export interface MaskedHeadKind<Config extends TransformerConfig = TransformerConfig> {
  create(config: Config): MaskedHead;
  /** Where a checkpoint has it: `["cls", "predictions"]` for the prefix `cls.predictions.`. */
  readonly path: readonly string[];
  /** The whole name of its output matrix, which is the word embedding unless `tie_word_embeddings` is false. */
  readonly decoder: string;
  /** The whole names of its other tensors with an element for each word. */
  readonly byWord: readonly string[];
  /** Another name of one of its tensors in older checkpoints. */
  olderName?(name: string): string;
}

/** The linear layers of a layer in transformers' class, where a file has them under other names or several as one matrix. */
export interface ClassModules {
  /** What is before a layer's number. */
  readonly layers: string;
  /** By the name in the file, after the layer's number and a dot: the modules whose rows the matrix has, one after another. */
  readonly modules: Readonly<Record<string, readonly string[]>>;
}

/** A family of transformers. */
export interface Architecture<Config extends TransformerConfig = TransformerConfig> {
  /** The transformers class that opens it without a head. */
  readonly className: string;
  /** The encoder's name in transformers' classes with a head: the prefix of its tensors is this and a dot. */
  readonly encoder: string;
  /** Whether the transformers class has a pooler, in whose place SimCSE's MLP is saved; true if absent. */
  readonly hasPooler?: boolean;
  /** The name of the pooler's linear layer in that class; `pooler.dense` if absent. */
  readonly pooler?: string;
  readonly fields: ConfigFields;
  readonly names: TensorNames;
  /** Whether all layers have the same parameters, which then are those of layer 0; false if absent. */
  readonly sharesLayers?: boolean;
  /** Absent if the class has the names of the file. */
  readonly classModules?: ClassModules;
  /** `loraOf` gives the adapters of a layer, by its number. */
  create(config: Config, loraOf: (layer: number) => LoraOptions | null): Transformer;
  readonly maskedHead: MaskedHeadKind<Config>;
  /** The row of the position embedding for a sentence's first token: 0 if absent, or one more than the id of padding. */
  firstPosition?(config: Config): number;
  /** The fields of the config that change in a model with some of the layers, in this order; none but their number if absent. */
  withLayers?(config: Config, layers: readonly number[]): Readonly<Record<string, unknown>>;
  /** Adds the encoder to an ONNX graph; returns the output of the embeddings and of each layer, as rows [batch · sequence, hidden_size]. */
  addToOnnx(batch: OnnxBatch, config: Config): string[];
}
