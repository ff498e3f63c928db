/** The part of a Hugging Face `config.json` that says how a BERT is built, checked. */
import { FormatError } from "../errors.ts";

export interface BertConfig {
  readonly model_type: "bert";
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

/** What transformers assumes of a BERT whose config leaves a field out. */
const defaults = {
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  initializer_range: 0.02,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  pad_token_id: 0,
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
  const config = { ...defaults, model_type: "bert", ...json } as Record<string, unknown>;
  const expect = (field: string, fits: boolean, wanted: string) => {
    if (fits) return;
    throw new FormatError(
      `${file}: ${field} must be ${wanted}, found ${JSON.stringify(config[field]) ?? "nothing"}.`,
      "Use the config.json of a BERT model, or correct the field.",
    );
  };
  expect("model_type", config.model_type === "bert", '"bert"');
  expect("hidden_act", config.hidden_act === undefined || config.hidden_act === "gelu", '"gelu" (the exact one)');
  expect("position_embedding_type", ["absolute", undefined].includes(config.position_embedding_type as undefined), '"absolute"');
  for (const field of positiveIntegers)
    expect(field, Number.isInteger(config[field]) && (config[field] as number) > 0, "a positive whole number");
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

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
