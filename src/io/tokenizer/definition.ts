/**
 * Definitions of tokenizers in the form of a `tokenizer.json`, built from the vocabulary files of older checkpoints.
 *
 * They equal what transformers makes of the same files when it converts them (convert_slow_tokenizer.py: BertConverter, RobertaConverter),
 * without the added tokens (transformers-config.ts).
 */
import type { AddedToken } from "./added-tokens.ts";
import type { Part } from "./parts.ts";
import { tokensOf, type Vocabulary } from "./vocabularies.ts";

/** A `tokenizer.json` whose parts have been checked (checked-definition.ts). */
export interface TokenizerDefinition {
  readonly version: "1.0";
  readonly truncation: Truncation | null;
  readonly added_tokens: readonly AddedToken[];
  readonly normalizer: Part | null;
  readonly pre_tokenizer: Part | null;
  readonly post_processor: Part | null;
  readonly decoder: Part | null;
  readonly model: Part & { readonly vocab: Vocabulary; readonly unk_token?: string | null };
}

/** Every token of a definition with its id. */
export function idsOf({ model, added_tokens }: TokenizerDefinition): ReadonlyMap<string, number> {
  return new Map([...tokensOf(model.vocab), ...added_tokens.map(({ content, id }) => [content, id] as const)]);
}

/** How the file says to truncate texts. Only the direction is used. */
export interface Truncation {
  readonly direction?: string;
}

/** A special token in a `tokenizer_config.json`: its text, or an object around it with flags of an added token. */
export type NamedToken = string | { readonly content: string; readonly lstrip?: boolean } | null;

/** A `tokenizer_config.json` or `special_tokens_map.json`, with the fields that this package uses. */
export interface TokenizerConfig {
  readonly do_lower_case?: boolean;
  readonly strip_accents?: boolean | null;
  readonly tokenize_chinese_chars?: boolean;
  readonly add_prefix_space?: boolean;
  readonly tokenizer_class?: string;
  readonly truncation_side?: string;
  /** Whether a text's special tokens are split like its other words. */
  readonly split_special_tokens?: boolean;
  /** More special tokens: a list, or tokens by name in transformers 5. */
  readonly additional_special_tokens?: readonly NamedToken[] | null;
  readonly extra_special_tokens?: readonly NamedToken[] | Readonly<Record<string, NamedToken>> | null;
  readonly bos_token?: NamedToken;
  readonly eos_token?: NamedToken;
  /** Added tokens by id, which transformers adds to those of `tokenizer.json`. */
  readonly added_tokens_decoder?: Readonly<Record<string, unknown>>;
  readonly pad_token?: NamedToken;
  readonly unk_token?: NamedToken;
  readonly cls_token?: NamedToken;
  readonly sep_token?: NamedToken;
  readonly mask_token?: NamedToken;
}

/** The special tokens of a model; a vocabulary may have no mask, and one of BPE no unknown token. */
export interface SpecialTokens {
  readonly pad: string;
  readonly unknown: string | undefined;
  readonly cls: string;
  readonly sep: string;
  readonly mask: string | undefined;
}

/** Tokens with their ids beyond those of the vocabulary file (`added_tokens.json`). */
export type IdByToken = Readonly<Record<string, number>>;

/** BERT's tokenizer: words and punctuation, lower-cased and without accents if configured, then the longest pieces of the vocabulary. */
export function wordPieceDefinition(
  vocabulary: ReadonlyMap<string, number>,
  special: SpecialTokens,
  config: TokenizerConfig,
  added: IdByToken = {},
): TokenizerDefinition {
  const token = (name: string, type: 0 | 1) => ({ SpecialToken: { id: name, type_id: type } });
  const sequence = (id: "A" | "B", type: 0 | 1) => ({ Sequence: { id, type_id: type } });
  const single = [token(special.cls, 0), sequence("A", 0), token(special.sep, 0)];
  const idOf = (name: string) => vocabulary.get(name) ?? added[name];
  return {
    ...HEAD,
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: config.tokenize_chinese_chars ?? true,
      strip_accents: config.strip_accents ?? null,
      lowercase: config.do_lower_case ?? true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single,
      pair: [...single, sequence("B", 1), token(special.sep, 1)],
      special_tokens: Object.fromEntries([special.cls, special.sep].map((name) => [name, { id: name, ids: [idOf(name)], tokens: [name] }])),
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: special.unknown ?? null,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocabulary),
    },
  };
}

/** RoBERTa's tokenizer: byte-level byte-pair encoding, like GPT-2's. `merges` are pairs "left right", in the order of training. */
export function byteLevelDefinition(
  vocabulary: ReadonlyMap<string, number>,
  merges: readonly string[],
  special: SpecialTokens,
  config: TokenizerConfig,
  added: IdByToken = {},
): TokenizerDefinition {
  const prefixSpace = config.add_prefix_space ?? false;
  const idOf = (name: string) => vocabulary.get(name) ?? added[name];
  return {
    ...HEAD,
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: prefixSpace, trim_offsets: true, use_regex: true },
    post_processor: {
      type: "RobertaProcessing",
      sep: [special.sep, idOf(special.sep)],
      cls: [special.cls, idOf(special.cls)],
      trim_offsets: true,
      add_prefix_space: prefixSpace,
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { ...BPE_MODEL, vocab: Object.fromEntries(vocabulary), merges },
  };
}

/** The `tokenizer_config.json` that makes transformers open a definition like this package does. */
export function configFor(definition: TokenizerDefinition, special: SpecialTokens): Readonly<Record<string, unknown>> {
  const tokens = {
    pad_token: special.pad,
    unk_token: special.unknown ?? null,
    cls_token: special.cls,
    sep_token: special.sep,
    // null: if no mask is named, transformers adds its own, beyond the embedding's rows.
    mask_token: special.mask ?? null,
  };
  const { normalizer, pre_tokenizer: words, model } = definition;
  if (words?.type === "ByteLevel" && model.type === "BPE") {
    const ends = { bos_token: special.cls, eos_token: special.sep };
    return { ...tokens, ...ends, add_prefix_space: words.add_prefix_space, tokenizer_class: "RobertaTokenizer" };
  }
  if (normalizer?.type !== "BertNormalizer" || words?.type !== "BertPreTokenizer" || model.type !== "WordPiece") {
    return { ...tokens, tokenizer_class: "PreTrainedTokenizerFast" };
  }
  return {
    ...tokens,
    do_lower_case: normalizer.lowercase,
    strip_accents: normalizer.strip_accents ?? null,
    tokenize_chinese_chars: normalizer.handle_chinese_chars,
    tokenizer_class: "BertTokenizer",
  };
}

const HEAD = { version: "1.0", truncation: null, padding: null, added_tokens: [] } as const;

const BPE_MODEL = {
  type: "BPE",
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: "",
  end_of_word_suffix: "",
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
};
