/**
 * The part of a Hugging Face `config.json` that says how a BERT is built, checked. RoBERTa is a BERT with other numbers: what differs in how it is
 * built stands in one table here.
 */
import { FormatError } from "../../errors.ts";

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
  /** The class that opens it in transformers. */
  readonly architecture: string;
  /** What transformers assumes where the config does not say it. */
  readonly pad_token_id: number;
  /** The row of the position embedding that a sentence's first token takes. */
  readonly firstPosition: (config: BertConfig) => number;
}

const families = {
  bert: { architecture: "BertModel", pad_token_id: 0, firstPosition: () => 0 },
  // fairseq numbers positions from the one after the padding's, which takes the row of its own id.
  roberta: { architecture: "RobertaModel", pad_token_id: 1, firstPosition: ({ pad_token_id }) => pad_token_id + 1 },
} as const satisfies Record<string, Family>;

export type ModelType = keyof typeof families;

/** The class of transformers that a model of this config opens as. */
export function architectureOf({ model_type }: BertConfig): string {
  return families[model_type].architecture;
}

/** The row of the position embedding that a sentence's first token takes. */
export function firstPosition(config: BertConfig): number {
  return families[config.model_type].firstPosition(config);
}

/** Tokens that a sentence has at most, special tokens included. */
export function longestSentence(config: BertConfig): number {
  return config.max_position_embeddings - firstPosition(config);
}

/** What transformers assumes of either where the config leaves a field out. */
const defaults = {
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  initializer_range: 0.02,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
} as const;

const positiveIntegers = [
  "vocab_size",
  "hidden_size",
  "num_hidden_layers",
  "num_attention_heads",
  "intermediate_size",
  "max_position_embeddings",
  "type_vocab_size",
] as const;
const probabilities = ["hidden_dropout_prob", "attention_probs_dropout_prob"] as const;
const positiveNumbers = ["layer_norm_eps", "initializer_range"] as const;

/** Reads a config; `file` names it in errors. Throws `FormatError` for a field that is missing, has a wrong value, or asks for what is not built. */
export function parseBertConfig(file: string, json: Readonly<Record<string, unknown>>): BertConfig {
  const { model_type = "bert" } = json;
  const family = isModelType(model_type) ? families[model_type] : families.bert;
  const config: Record<string, unknown> = { ...defaults, pad_token_id: family.pad_token_id, model_type, ...json };
  const expect = (field: string, fits: boolean, wanted: string) => {
    if (fits) return;
    throw new FormatError(
      `${file}: ${field} must be ${wanted}, found ${JSON.stringify(config[field]) ?? "nothing"}.`,
      "Use the config.json of a BERT or RoBERTa model, or correct the field.",
    );
  };
  expect(
    "model_type",
    isModelType(model_type),
    Object.keys(families)
      .map((name) => `"${name}"`)
      .join(" or "),
  );
  expect("hidden_act", config.hidden_act === undefined || config.hidden_act === "gelu", '"gelu" (the exact one)');
  expect("position_embedding_type", ["absolute", undefined].includes(config.position_embedding_type as undefined), '"absolute"');
  for (const field of positiveIntegers)
    expect(field, Number.isInteger(config[field]) && (config[field] as number) > 0, "a positive whole number");
  expect("pad_token_id", Number.isInteger(config.pad_token_id) && (config.pad_token_id as number) >= 0, "a token's id");
  for (const field of probabilities) expect(field, isNumber(config[field]) && config[field] >= 0 && config[field] < 1, "in [0, 1)");
  for (const field of positiveNumbers) expect(field, isNumber(config[field]) && config[field] > 0, "a positive number");
  const parsed = config as unknown as BertConfig;
  const { hidden_size, num_attention_heads } = parsed;
  expect(
    "num_attention_heads",
    hidden_size % (num_attention_heads * 4) === 0,
    `a divisor of hidden_size ${hidden_size} with heads of a multiple of 4`,
  );
  return parsed;
}

function isModelType(value: unknown): value is ModelType {
  return typeof value === "string" && Object.hasOwn(families, value);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
