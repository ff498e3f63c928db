/**
 * Applies a `tokenizer_config.json` to a `tokenizer.json` like transformers. For the classes of BERT and RoBERTa, the configuration decides
 * about case, accents, ideographs and the space before the first word (BertTokenizer, RobertaTokenizer), and tokens that are only in
 * `added_tokens_decoder` are added.
 */
import type { TokenizerConfig } from "./definition.ts";

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
  const name = typeof config.tokenizer_class === "string" ? config.tokenizer_class.replace(/Tokenizer(Fast)?$/, "") : undefined;
  let configured = definition;
  for (const { option, classes, part, type, field, otherwise } of OVERRIDES) {
    const found = configured[part];
    if (!isObject(found) || found.type !== type) continue;
    if (name === undefined ? config[option] === undefined : !classes.includes(name)) continue;
    configured = { ...configured, [part]: { ...found, [field]: config[option] ?? otherwise } };
  }
  return withConfiguredTokens(configured, config);
}

function withConfiguredTokens(definition: Unchecked, { added_tokens_decoder: decoder }: TokenizerConfig): Unchecked {
  const added = definition.added_tokens ?? [];
  if (!isObject(decoder) || !Array.isArray(added)) return definition;
  const there = new Set(added.map((token) => (isObject(token) ? token.content : undefined)));
  const missing = Object.entries(decoder)
    .filter(([, token]) => isObject(token) && !there.has(token.content))
    .map(([id, token]) => ({ ...(token as Unchecked), id: Number(id) }))
    .sort((a, b) => a.id - b.id);
  return missing.length === 0 ? definition : { ...definition, added_tokens: [...added, ...missing] };
}

function isObject(value: unknown): value is Unchecked {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
