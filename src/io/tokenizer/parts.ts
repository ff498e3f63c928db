/**
 * The grammar of a `tokenizer.json`: the parts that exist and the fields of each, as the official library reads them (tokenizers 0.21).
 *
 * The library accepts every definition that passes. A part that is not listed is refused by name. A field's required value is described as
 * in "expected true or false"; a field with a default in the library may be missing.
 */
import { FormatError } from "../../errors.ts";
import { show } from "../../show.ts";
import { isJsonObject } from "../formats/json.ts";
import { isLinear } from "./linear-regex.ts";

/** A part of a definition; its type decides its fields. */
export interface Part {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Checks the value at a place of a definition, and throws FormatError if the field cannot hold it. */
type Check = (place: Place, value: unknown) => void;

type Fields = Readonly<Record<string, Check>>;

/** The place of a value: the file and the path in it, such as `pre_tokenizer.pretokenizers[1].behavior`. */
export interface Place {
  readonly file: string;
  readonly way: string;
  readonly depth: number;
}

/** No tokenizer has parts nested deeper than this. */
const MAX_DEPTH = 16;

const REMEDY = "Get the file of the model again, or use the tokenizer of a BERT, RoBERTa or XLM-RoBERTa model.";

export function refuse({ file, way }: Place, found: string, remedy = REMEDY): never {
  throw new FormatError(`${file}: ${way} ${found}`, remedy);
}

const inside = (place: Place, way: string): Place => ({ ...place, way: `${place.way}${way}`, depth: place.depth + 1 });

const kind =
  (expected: string, holds: (value: unknown) => boolean): Check =>
  (place, value) => {
    if (!holds(value)) refuse(place, `is ${show(value)}, expected ${expected}`);
  };

const flag = kind("true or false", (value) => typeof value === "boolean");
const text = kind("a text", (value) => typeof value === "string");
const character = kind("one character", (value) => typeof value === "string" && [...value].length === 1);
const whole = kind("a whole number", (value) => Number.isSafeInteger(value) && (value as number) >= 0);
const token = kind("a token and its id", (value) => isPair(value) && typeof value[0] === "string" && Number.isSafeInteger(value[1]));
const oneOf = (...names: readonly string[]): Check => kind(names.join(" or "), (value) => names.includes(value as string));
const optional =
  (check: Check): Check =>
  (place, value) => {
    if (value !== undefined && value !== null) check(place, value);
  };
/** A missing field has the library's default; null does not. */
const orDefault =
  (check: Check): Check =>
  (place, value) => {
    if (value !== undefined) check(place, value);
  };
const listOf =
  (check: Check): Check =>
  (place, value) => {
    if (!Array.isArray(value)) refuse(place, `is ${show(value)}, expected a list`);
    for (const [index, item] of value.entries()) check(inside(place, `[${index}]`), item);
  };

const isPair = (value: unknown): value is readonly [unknown, unknown] => Array.isArray(value) && value.length === 2;

const part =
  (parts: () => Readonly<Record<string, Fields>>): Check =>
  (place, value) =>
    checkPart(place, value, parts());

/** Throws FormatError, naming the place, unless a value is one of `parts` with its fields. */
export function checkPart(place: Place, value: unknown, parts: Readonly<Record<string, Fields>>): asserts value is Part {
  if (place.depth > MAX_DEPTH) refuse(place, "is nested too deep");
  if (!isJsonObject(value)) refuse(place, `is ${show(value)}, expected an object`);
  const { type } = value as { type?: unknown };
  const fields = typeof type === "string" && Object.hasOwn(parts, type) ? parts[type] : undefined;
  if (fields === undefined) {
    refuse(place, `has the type ${show(type)}; there are ${Object.keys(parts).join(", ")}`);
  }
  checkFields(place, value, fields);
}

/** Throws FormatError, naming the place, unless a value is an object with these fields. */
export function checkFields(place: Place, value: unknown, fields: Fields): void {
  if (!isJsonObject(value)) refuse(place, `is ${show(value)}, expected an object`);
  for (const [field, check] of Object.entries(fields)) {
    check(inside(place, `.${field}`), Object.hasOwn(value, field) ? (value as Part)[field] : undefined);
  }
}

/** A text, or a regular expression, to search for. */
const pattern: Check = (place, value) => {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  const [[way, found] = []] = entries;
  if (entries.length !== 1 || (way !== "String" && way !== "Regex")) refuse(place, `is ${show(value)}, expected a String or a Regex`);
  text(inside(place, `.${way}`), found);
  if (way === "Regex" && !isLinear(found as string)) {
    refuse(
      inside(place, ".Regex"),
      `is ${show(found)}, which may take more than linear time`,
      "Use a tokenizer with a simpler expression.",
    );
  }
};

const behavior = oneOf("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous");

const metaspace: Fields = {
  replacement: character,
  prepend_scheme: orDefault(oneOf("first", "never", "always")),
  split: orDefault(flag),
};

const byteLevel: Fields = { add_prefix_space: flag, trim_offsets: flag, use_regex: orDefault(flag) };

export const NORMALIZERS: Readonly<Record<string, Fields>> = {
  BertNormalizer: { clean_text: flag, handle_chinese_chars: flag, strip_accents: optional(flag), lowercase: flag },
  Strip: { strip_left: flag, strip_right: flag },
  StripAccents: {},
  NFC: {},
  NFD: {},
  NFKC: {},
  NFKD: {},
  Sequence: { normalizers: listOf(part(() => NORMALIZERS)) },
  Lowercase: {},
  Nmt: {},
  Precompiled: { precompiled_charsmap: text },
  Replace: { pattern, content: text },
  Prepend: { prepend: text },
  ByteLevel: {},
};

export const PRE_TOKENIZERS: Readonly<Record<string, Fields>> = {
  BertPreTokenizer: {},
  ByteLevel: byteLevel,
  CharDelimiterSplit: { delimiter: character },
  Metaspace: metaspace,
  Whitespace: {},
  Sequence: { pretokenizers: listOf(part(() => PRE_TOKENIZERS)) },
  Split: { pattern, behavior, invert: flag },
  Punctuation: { behavior: orDefault(behavior) },
  WhitespaceSplit: {},
  Digits: { individual_digits: flag },
  UnicodeScripts: {},
};

export const POST_PROCESSORS: Readonly<Record<string, Fields>> = {
  BertProcessing: { sep: token, cls: token },
  RobertaProcessing: { sep: token, cls: token, trim_offsets: flag, add_prefix_space: flag },
  ByteLevel: byteLevel,
  TemplateProcessing: {
    single: listOf(kind("an object", isJsonObject)),
    pair: listOf(kind("an object", isJsonObject)),
    special_tokens: kind("an object", isJsonObject),
  },
  Sequence: { processors: listOf(part(() => POST_PROCESSORS)) },
};

export const DECODERS: Readonly<Record<string, Fields>> = {
  BPEDecoder: { suffix: text },
  ByteLevel: byteLevel,
  WordPiece: { prefix: text, cleanup: flag },
  Metaspace: metaspace,
  CTC: { pad_token: text, word_delimiter_token: text, cleanup: flag },
  Sequence: { decoders: listOf(part(() => DECODERS)) },
  Replace: { pattern, content: text },
  Fuse: {},
  Strip: { content: character, start: whole, stop: whole },
  ByteFallback: {},
};

/** Vocabularies and merges are checked separately: they are most of a file. */
export const MODELS: Readonly<Record<string, Fields>> = {
  WordPiece: { unk_token: text, continuing_subword_prefix: text, max_input_chars_per_word: whole },
  WordLevel: { unk_token: text },
  BPE: {
    // With dropout, a text would have different ids every time.
    dropout: optional(kind("null: with dropout the ids of a text are random", (value) => value === 0)),
    unk_token: optional(text),
    continuing_subword_prefix: optional(text),
    end_of_word_suffix: optional(text),
    fuse_unk: orDefault(flag),
    byte_fallback: orDefault(flag),
    ignore_merges: orDefault(flag),
  },
  // Without an unknown token, the library fails on each text with a character that the vocabulary lacks.
  Unigram: {
    unk_id: kind("the id of the unknown token", (value) => Number.isSafeInteger(value) && (value as number) >= 0),
    byte_fallback: orDefault(flag),
  },
};

/** How texts are truncated; the caller decides the length. */
export const TRUNCATION: Fields = { direction: orDefault(oneOf("Left", "Right")) };

/** Tokens that are searched in a text before it is split. */
export const ADDED_TOKEN: Fields = {
  id: whole,
  content: text,
  single_word: flag,
  lstrip: flag,
  rstrip: flag,
  normalized: flag,
  special: flag,
};
