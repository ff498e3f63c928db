/**
 * Where a text may be cut before the official library reads it, so that a long text costs no more than the ids that are kept.
 *
 * At a space between two ASCII letters or digits, the ids before it do not depend on what follows if no part of the definition looks beyond
 * a word. The parts for which this holds are listed here; with any other part, a text is read completely.
 */
import type { TokenizerDefinition } from "./definition.ts";
import type { Part } from "./parts.ts";

const LOCAL_NORMALIZERS = [
  "BertNormalizer",
  "Lowercase",
  "Nmt",
  "NFC",
  "NFD",
  "NFKC",
  "NFKD",
  "Precompiled",
  "Prepend",
  "Strip",
  "StripAccents",
];

/** XLM-RoBERTa's: several spaces become one. */
const SPACES = " {2,}";

/** Parts that split a text at spaces, and parts that only split words further. */
const SPLITTERS = ["BertPreTokenizer", "ByteLevel", "Metaspace", "Whitespace", "WhitespaceSplit"];
const LOCAL_PRE_TOKENIZERS = [...SPLITTERS, "Digits", "Punctuation"];

/** Whether the ids before a cut of `cutBefore` equal those of the whole text. */
export function looksNoFurther({ normalizer, pre_tokenizer, added_tokens }: TokenizerDefinition): boolean {
  const words = partsOf(pre_tokenizer, "pretokenizers");
  return (
    partsOf(normalizer, "normalizers").every(isLocalNormalizer) &&
    words.every(({ type }) => LOCAL_PRE_TOKENIZERS.includes(type)) &&
    words.some(({ type, split, use_regex }) => SPLITTERS.includes(type) && split !== false && use_regex !== false) &&
    added_tokens.every(({ content }) => !/\s/.test(content))
  );
}

function isLocalNormalizer({ type, pattern, content }: Part): boolean {
  if (type !== "Replace") return LOCAL_NORMALIZERS.includes(type);
  const { String: text, Regex: expression } = pattern as { String?: string; Regex?: string };
  return expression === SPACES ? content === " " : text !== undefined && !/\s/.test(text);
}

function partsOf(part: Part | null, list: string): readonly Part[] {
  if (part === null) return [];
  return part.type === "Sequence" ? (part[list] as Part[]).flatMap((inner) => partsOf(inner, list)) : [part];
}

/** How many characters are searched for a cut. */
const REACH = 1000;

/** The last place before `end` at which a text may be cut, or -1. */
export function cutBefore(text: string, end: number): number {
  const start = Math.max(0, end - REACH);
  const part = text.slice(start, end);
  for (let space = part.lastIndexOf(" "); space > 0; space = part.lastIndexOf(" ", space - 1)) {
    if (/^[0-9A-Za-z] [0-9A-Za-z]$/.test(part.slice(space - 1, space + 2))) return start + space;
  }
  return -1;
}
