/** What the fields of a `config.json` may hold. */
import { show } from "../../show.ts";

/** What a field may hold, and how a message describes it. */
export interface Rule {
  readonly fits: (value: unknown, config: Readonly<Record<string, unknown>>) => boolean;
  readonly wanted: string;
  /** What to do about another value; if absent, correcting the file helps. */
  readonly remedy?: string;
}

/** For what a model really has: whoever "corrected" such a field would load it, and get other vectors than the model's. */
export const otherModel = "Use another model: the field is right, and this one would give other vectors without it.";

export const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
export const isWhole = (value: unknown, least: number, most: number): boolean =>
  Number.isInteger(value) && Number(value) >= least && Number(value) <= most;

export const size = (most: number): Rule => ({ fits: (value) => isWhole(value, 1, most), wanted: `a whole number from 1 to ${most}` });
export const probability: Rule = { fits: (value) => isNumber(value) && value >= 0 && value < 1, wanted: "in [0, 1)" };
export const notNegative: Rule = { fits: (value) => isNumber(value) && value >= 0, wanted: "a number of at least 0" };
export const positive: Rule = { fits: (value) => isNumber(value) && value > 0, wanted: "a positive number" };
/** For a field that would change the computation and is not supported: the values that leave the computation unchanged, or nothing. */
export const only = (...values: readonly unknown[]): Rule => ({
  fits: (value) => value === undefined || value === null || values.includes(value),
  wanted: `${values.map((value) => show(value)).join(" or ")}: other values are not supported`,
  remedy: otherModel,
});
export const nothing: Rule = {
  fits: (value) => value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0),
  wanted: "absent: it is not supported",
  remedy: otherModel,
};

/**
 * The fields of every architecture. The upper bounds of sizes are far beyond any published model; they keep a damaged number from
 * requesting all of the machine's memory.
 */
export const commonRules: Readonly<Record<string, Rule>> = {
  vocab_size: size(2 ** 27),
  hidden_size: size(2 ** 16),
  num_hidden_layers: size(1024),
  num_attention_heads: size(1024),
  max_position_embeddings: size(2 ** 20),
  initializer_range: notNegative,
  pad_token_id: {
    fits: (value, { vocab_size }) => value === null || isWhole(value, -Number(vocab_size), Number(vocab_size) - 1),
    wanted: "the id of a token, below vocab_size, or null",
  },
  is_decoder: only(false),
  // transformers 5 then hides later tokens in an encoder too.
  is_causal: only(false),
  add_cross_attention: only(false),
  is_encoder_decoder: only(false),
  pruned_heads: nothing,
  quantization_config: {
    ...nothing,
    remedy: "Use the model that it was quantized from, or save it dequantized in Python (model.dequantize()).",
  },
};

/** The fields of fractions that several architectures have. */
export const commonFractions: readonly string[] = ["initializer_range", "layer_norm_eps", "norm_eps"];
