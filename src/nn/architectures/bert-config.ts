/**
 * Checks the part of a Hugging Face `config.json` that describes a BERT. RoBERTa is a BERT with other sizes; the differences are in one
 * table here.
 */
import { FormatError } from "../../errors.ts";
import { show } from "../../show.ts";

/** The fields of a BERT's or RoBERTa's `config.json` that this package uses, by their original names. */
export interface BertConfig {
  readonly model_type: ModelType;
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly max_position_embeddings: number;
  readonly type_vocab_size: number;
  readonly layer_norm_eps: number;
  readonly initializer_range: number;
  readonly hidden_dropout_prob: number;
  readonly attention_probs_dropout_prob: number;
  readonly pad_token_id: number;
}

interface Family {
  /** The transformers class that opens it. */
  readonly architecture: string;
  /** What transformers assumes if the config does not say it. */
  readonly pad_token_id: number;
  /** The row of the position embedding for a sentence's first token. */
  readonly firstPosition: (config: BertConfig) => number;
  /** The prefix of the encoder's tensors in checkpoints of models with a head. */
  readonly prefix: string;
  /**
   * The family's name for a tensor of the masked language model's head, given BERT's name, such as
   * `cls.predictions.transform.dense.weight`.
   */
  readonly maskedHeadName: (name: string) => string;
}

const families = {
  bert: { architecture: "BertModel", pad_token_id: 0, firstPosition: () => 0, prefix: "bert.", maskedHeadName: (name) => name },
  roberta: {
    architecture: "RobertaModel",
    pad_token_id: 1,
    // fairseq numbers positions from the one after the padding's, which takes the row of its own id.
    firstPosition: ({ pad_token_id }) => pad_token_id + 1,
    prefix: "roberta.",
    maskedHeadName: (name) => name.replace("cls.predictions.", "lm_head.").replace("transform.", "").replace("LayerNorm", "layer_norm"),
  },
} as const satisfies Record<string, Family>;

/** The values of `model_type` that are supported. */
export type ModelType = keyof typeof families;

/** The transformers class that opens a model with this config. */
export function architectureOf({ model_type }: BertConfig): string {
  return families[model_type].architecture;
}

/** The prefixes of the encoder's tensors in checkpoints of the families. */
export const encoderPrefixes: readonly string[] = Object.values(families).map(({ prefix }) => prefix);

/** All families' names for a tensor of the masked language model's head, given BERT's name. */
export function maskedHeadNames(name: string): string[] {
  return Object.values(families).map(({ maskedHeadName }) => maskedHeadName(name));
}

/** The name under which a model with this config saves a tensor of its masked language model's head, given BERT's name. */
export function maskedHeadName({ model_type }: BertConfig, name: string): string {
  return families[model_type].maskedHeadName(name);
}

/** The row of the position embedding for a sentence's first token. */
export function firstPosition(config: BertConfig): number {
  return families[config.model_type].firstPosition(config);
}

/** The longest sentence in tokens, special tokens included. */
export function longestSentence(config: BertConfig): number {
  return config.max_position_embeddings - firstPosition(config);
}

/** What transformers assumes for both families if the config leaves a field out. */
const defaults = {
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  initializer_range: 0.02,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
} as const;

/** What a field may hold, and how a message describes it. */
interface Rule {
  readonly fits: (value: unknown) => boolean;
  readonly wanted: string;
}

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const isWhole = (value: unknown, least: number, most: number) => Number.isInteger(value) && Number(value) >= least && Number(value) <= most;

const size = (most: number): Rule => ({ fits: (value) => isWhole(value, 1, most), wanted: `a whole number from 1 to ${most}` });
const probability: Rule = { fits: (value) => isNumber(value) && value >= 0 && value < 1, wanted: "in [0, 1)" };
const positive: Rule = { fits: (value) => isNumber(value) && value > 0, wanted: "a positive number" };
/** For a field that would change the computation and is not supported: the value that leaves the computation unchanged, or nothing. */
const only = (...values: readonly unknown[]): Rule => ({
  fits: (value) => value === undefined || value === null || values.includes(value),
  wanted: `${values.map((value) => show(value)).join(" or ")}: other values are not supported`,
});
const nothing: Rule = {
  fits: (value) => value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0),
  wanted: "absent: it is not supported",
};

/**
 * Every field that a model's computation depends on. The upper bounds of sizes are far beyond any published model; they keep a damaged
 * number from requesting all of the machine's memory.
 */
const rules: Readonly<Record<string, Rule>> = {
  vocab_size: size(2 ** 27),
  hidden_size: size(2 ** 16),
  num_hidden_layers: size(1024),
  num_attention_heads: size(1024),
  intermediate_size: size(2 ** 20),
  max_position_embeddings: size(2 ** 20),
  type_vocab_size: size(2 ** 16),
  hidden_dropout_prob: probability,
  attention_probs_dropout_prob: probability,
  layer_norm_eps: positive,
  initializer_range: positive,
  // The exact GELU, under both of its names. gelu_new and others are approximations of it, or other functions.
  hidden_act: only("gelu", "gelu_python"),
  position_embedding_type: only("absolute"),
  is_decoder: only(false),
  add_cross_attention: only(false),
  is_encoder_decoder: only(false),
  pruned_heads: nothing,
  quantization_config: nothing,
};

/** Tokens of the shortest useful sentence: [CLS], one token, [SEP]. */
const shortestSentence = 3;

/**
 * Reads a config; `file` names it in errors. Throws `FormatError`, naming the field, if a field is missing, has a wrong value, or asks for
 * a computation that is not supported: the vectors would not be the model's.
 */
export function parseBertConfig(file: string, json: Readonly<Record<string, unknown>>): BertConfig {
  const expect = (field: string, fits: boolean, wanted: string) => {
    if (fits) return;
    throw new FormatError(
      `${file}: ${field} must be ${wanted}; found ${show(config[field])}.`,
      "Use the config.json of a BERT or RoBERTa model, or correct the field.",
    );
  };
  const { model_type = impliedType(json) } = json;
  const known = isModelType(model_type);
  const config: Record<string, unknown> = { ...defaults, model_type, ...json };
  expect(
    "model_type",
    known,
    Object.keys(families)
      .map((name) => `"${name}"`)
      .join(" or "),
  );
  const family: Family = families[known ? model_type : "bert"];
  config.pad_token_id ??= family.pad_token_id;
  for (const [field, { fits, wanted }] of Object.entries(rules)) expect(field, fits(config[field]), wanted);
  const parsed = config as unknown as BertConfig;
  const { hidden_size, num_attention_heads, vocab_size } = parsed;
  expect("pad_token_id", isWhole(config.pad_token_id, 0, vocab_size - 1), `the id of a token, below vocab_size ${vocab_size}`);
  expect(
    "num_attention_heads",
    hidden_size % (num_attention_heads * 4) === 0,
    `a divisor of hidden_size ${hidden_size} with heads of a multiple of 4`,
  );
  expect(
    "max_position_embeddings",
    longestSentence(parsed) >= shortestSentence,
    `at least ${shortestSentence + firstPosition(parsed)}: the first ${firstPosition(parsed)} are no positions of a sentence`,
  );
  return parsed;
}

/** The model_type of a config that leaves it out: that of its transformers class, or BERT's if it names none. */
function impliedType({ architectures }: Readonly<Record<string, unknown>>): string {
  const [architecture] = Array.isArray(architectures) ? (architectures as unknown[]) : [];
  if (typeof architecture !== "string") return "bert";
  return Object.keys(families).find((name) => architecture.toLowerCase().startsWith(name)) ?? architecture;
}

function isModelType(value: unknown): value is ModelType {
  return typeof value === "string" && Object.hasOwn(families, value);
}
