/**
 * Applies a `tokenizer_config.json` to a `tokenizer.json` like transformers. For the classes of BERT and RoBERTa, the configuration decides
 * about case, accents, ideographs and the space before the first word (BertTokenizer, RobertaTokenizer), and tokens of
 * `added_tokens_decoder`, and special tokens that are only named there, are added.
 */
import { isJsonObject } from "../formats/json.ts";
import { addedToken } from "./added-tokens.ts";
import type { IdByToken, TokenizerConfig } from "./definition.ts";

/** Classes whose constructor sets BERT's normaliser, and classes that set the byte-level one; without the suffix "Fast". */
const BERT_CLASSES = [
  "Bert",
  "ConvBert",
  "DistilBert",
  "DPRContextEncoder",
  "DPRQuestionEncoder",
  "Electra",
  "MobileBert",
  "MPNet",
  "SqueezeBert",
];
const BYTE_LEVEL_CLASSES = ["Roberta", "Longformer"];

/** The classes of tokenizers that a vocabulary file alone makes. */
const MADE_FROM = {
  "vocab.txt": [...BERT_CLASSES, "LayoutLM", "Lxmert", "RetriBert"],
  "vocab.json": [...BYTE_LEVEL_CLASSES, "Bart", "LED"],
  "sentencepiece.bpe.model": ["XLMRoberta"],
} as const;

/** Classes that say nothing about how texts are split. */
const GENERAL = ["PreTrained", "TokenizersBackend", "Auto"];

/** A class's name without its ending. */
const bare = (className: string) => className.replace(/Tokenizer(Fast)?$/, "");

/**
 * Whether a tokenizer of this class can be made from a vocabulary file. Others also need a dictionary or rules of their own, such as
 * BertJapaneseTokenizer's MeCab, or read the file differently, such as PhobertTokenizer and HerbertTokenizer.
 */
export function isMadeFrom(file: keyof typeof MADE_FROM, className: string): boolean {
  return [...MADE_FROM[file], ...GENERAL].includes(bare(className));
}

/** An option of the configuration, and the field that it sets. */
interface Override {
  readonly option: keyof TokenizerConfig;
  readonly classes: readonly string[];
  readonly part: "normalizer" | "pre_tokenizer";
  readonly type: string;
  readonly field: string;
  /** The class's default if the configuration does not say it. */
  readonly otherwise: boolean | null;
}

const bert = { classes: BERT_CLASSES, part: "normalizer", type: "BertNormalizer" } as const;

const OVERRIDES: readonly Override[] = [
  { ...bert, option: "do_lower_case", field: "lowercase", otherwise: true },
  { ...bert, option: "strip_accents", field: "strip_accents", otherwise: null },
  { ...bert, option: "tokenize_chinese_chars", field: "handle_chinese_chars", otherwise: true },
  {
    option: "add_prefix_space",
    classes: BYTE_LEVEL_CLASSES,
    part: "pre_tokenizer",
    type: "ByteLevel",
    field: "add_prefix_space",
    otherwise: false,
  },
];

type Unchecked = Readonly<Record<string, unknown>>;

/** The definition as transformers uses it. Without a class, only the options in the configuration are applied. */
export function asConfigured(definition: Unchecked, config: TokenizerConfig): Unchecked {
  const name = typeof config.tokenizer_class === "string" ? bare(config.tokenizer_class) : undefined;
  let configured = definition;
  for (const { option, classes, part, type, field, otherwise } of OVERRIDES) {
    const found = configured[part];
    if (!isJsonObject(found) || found.type !== type) continue;
    if (name === undefined ? config[option] === undefined : !classes.includes(name)) continue;
    configured = { ...configured, [part]: { ...found, [field]: config[option] ?? otherwise } };
  }
  return withConfiguredTokens(withFrame(configured, config, name), config);
}

/** The tokens around a text in the two kinds of classes, if the configuration names no others. */
const FRAMES = [
  { classes: BERT_CLASSES, words: "BertPreTokenizer", cls: "[CLS]", sep: "[SEP]" },
  { classes: BYTE_LEVEL_CLASSES, words: "ByteLevel", cls: "<s>", sep: "</s>" },
] as const;

/** The definition with a post-processor, which these classes have whatever the file says. */
function withFrame(definition: Unchecked, config: TokenizerConfig, name: string | undefined): Unchecked {
  const { post_processor = null, pre_tokenizer: words, model, added_tokens: added } = definition;
  const frame = FRAMES.find(
    ({ classes, words: type }) => isJsonObject(words) && words.type === type && (name === undefined || classes.includes(name)),
  );
  if (post_processor !== null || frame === undefined || !isJsonObject(model) || !isJsonObject(model.vocab)) return definition;
  const ids = new Map<unknown, unknown>(Object.entries(model.vocab));
  for (const token of Array.isArray(added) ? added : []) if (isJsonObject(token)) ids.set(token.content, token.id);
  const [cls, sep] = [config.cls_token, config.sep_token].map((token) => (isJsonObject(token) ? token.content : token));
  const framing = { cls: cls ?? frame.cls, sep: sep ?? frame.sep };
  if (!ids.has(framing.cls) || !ids.has(framing.sep)) return definition;
  const [start, end] = [framing.cls, framing.sep].map((token) => [token, ids.get(token)]);
  return { ...definition, post_processor: { type: "BertProcessing", cls: start, sep: end } };
}

/** The texts of added tokens. */
const contentsOf = (added: readonly unknown[]) => new Set<unknown>(added.map((token) => (isJsonObject(token) ? token.content : undefined)));

/** The added tokens with those of the configuration: theirs count where both have one. */
export function withConfiguredTokens(definition: Unchecked, { added_tokens_decoder: decoder }: TokenizerConfig): Unchecked {
  const added: unknown = definition.added_tokens ?? [];
  if (!isJsonObject(decoder) || !Array.isArray(added)) return definition;
  const said = Object.entries(decoder).filter((entry): entry is [string, Unchecked] => isJsonObject(entry[1]));
  const byContent = new Map(said.map(([, token]) => [token.content, token]));
  const there = added.map((token) =>
    isJsonObject(token) && byContent.has(token.content) ? { ...token, ...byContent.get(token.content) } : token,
  );
  const known = contentsOf(added);
  const missing = said
    .filter(([, token]) => !known.has(token.content))
    .map(([id, token]) => ({ ...token, id: Number(id) }))
    .sort((a, b) => a.id - b.id);
  return said.length === 0 ? definition : { ...definition, added_tokens: [...there, ...missing] };
}

/** The added tokens that a configuration lists, with their ids; undefined if it lists none, so that `added_tokens.json` counts. */
export function listedIds({ added_tokens_decoder: decoder }: TokenizerConfig): IdByToken | undefined {
  if (!isJsonObject(decoder)) return undefined;
  const ids = Object.entries(decoder).flatMap(([id, token]) =>
    isJsonObject(token) ? [[token.content as string, Number(id)] as const] : [],
  );
  return Object.fromEntries(ids);
}

/**
 * The settings of both files. As in transformers, `special_tokens_map.json` counts where they differ, except for the list of
 * additional special tokens, and not at all beside a `tokenizer_config.json` that lists the added tokens, as newer ones do.
 */
export function mergedConfig(config: TokenizerConfig, special: TokenizerConfig): TokenizerConfig {
  if (config.added_tokens_decoder !== undefined) return config;
  const { additional_special_tokens = special.additional_special_tokens } = config;
  return { ...config, ...special, ...(additional_special_tokens !== undefined && { additional_special_tokens }) };
}

/**
 * The definition with the tokens of `added_tokens.json` that it does not have, unless the configuration lists the added tokens. Each has the
 * id of the vocabulary, or a new one in their order.
 */
export function withAddedFile(definition: Unchecked, ids: IdByToken, config: TokenizerConfig): Unchecked {
  const added: unknown = definition.added_tokens ?? [];
  if (!Array.isArray(added) || config.added_tokens_decoder !== undefined) return definition;
  const known = contentsOf(added);
  const special = new Set<unknown>(namedTokens(config).map((token) => token.content));
  const missing = Object.entries(ids)
    .filter(([content]) => !known.has(content))
    .sort(([, a], [, b]) => a - b)
    .map(([content, id]) => addedToken(id, content, special.has(content)));
  return missing.length === 0 ? definition : { ...definition, added_tokens: [...added, ...missing] };
}

/** The fields that name special tokens, in the order in which transformers numbers new ones. */
const TOKEN_FIELDS = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"] as const;

/**
 * The definition with the special tokens that only the configuration names. Like any special token, they are found in a text before it is
 * split. Each has the id of the vocabulary, or a new one after all others.
 */
export function withNamedTokens(definition: Unchecked, config: TokenizerConfig): Unchecked {
  const added: unknown = definition.added_tokens ?? [];
  if (!Array.isArray(added)) return definition;
  const known = contentsOf(added);
  // Where a token has two roles, the flags of the later one count.
  const named = new Map(namedTokens(config).map((token) => [token.content, token]));
  const missing = [...named.values()].filter(({ content }) => !known.has(content));
  return missing.length === 0 ? definition : { ...definition, added_tokens: [...added, ...missing] };
}

/**
 * The special tokens that a configuration names: those of a role, those under another name that ends like a role's, and further ones. Of the
 * two lists of further ones, transformers reads the first that has tokens.
 */
function namedTokens(config: TokenizerConfig): Unchecked[] {
  const { additional_special_tokens: older, extra_special_tokens: extra } = config;
  const others = Object.keys(config).filter((field) => field.endsWith("_token") && !TOKEN_FIELDS.some((known) => known === field));
  const roles = [...TOKEN_FIELDS, ...others].map((field) => (config as Unchecked)[field]);
  const further = Array.isArray(extra) && extra.length > 0 ? [] : tokensIn(older);
  return [...roles, ...tokensIn(extra), ...further].flatMap((token) => {
    const flags = { id: 0, single_word: false, lstrip: false, rstrip: false, normalized: false };
    if (typeof token === "string" && token !== "") return { ...flags, content: token, special: true };
    if (!isJsonObject(token) || typeof token.content !== "string" || token.content === "") return [];
    const given = Object.fromEntries(Object.keys(flags).flatMap((flag) => (typeof token[flag] === "boolean" ? [[flag, token[flag]]] : [])));
    return { ...flags, ...given, content: token.content, special: true };
  });
}

function tokensIn(found: unknown): readonly unknown[] {
  if (Array.isArray(found)) return found;
  return isJsonObject(found) ? Object.values(found) : [];
}
