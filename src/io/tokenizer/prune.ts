/**
 * A smaller vocabulary: the tokens that a text uses most, with all other parts of the tokenizer unchanged. The rows of the word embedding
 * that belong to them make a smaller model (simcse/checkpoint/student.ts), which computes the same vectors for texts without a dropped token.
 *
 * These stay whatever the text: special and added tokens; single characters, and tokens with a character that is not itself a token, so
 * that no text becomes unknown; and with a token of byte-pair encoding the tokens that it is merged from. A text whose tokens are all kept has
 * the same tokens as before. Characters that the text does not use may be given up: the 1,999 single characters of BERT's vocabulary are a sixth
 * of 12,000 tokens, and English uses a few hundred.
 */
import { OptionError } from "../../errors.ts";
import { checkOptions, checkSeveral, type OptionNames } from "../../options.ts";
import { MemoryFolder, parseJson } from "../folder.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer.ts";
import { checkedDefinition } from "./checked-definition.ts";
import type { IdByToken, TokenizerConfig, TokenizerDefinition } from "./definition.ts";
import type { Part } from "./parts.ts";
import { type PrunableModel, prunable } from "./prunable-models.ts";
import { asConfigured, mergedConfig, withAddedFile } from "./transformers-config.ts";
import { tokensOf } from "./vocabularies.ts";

/** A tokenizer with fewer tokens. */
export interface PrunedTokenizer {
  readonly tokenizer: Tokenizer;
  /** The id that each token had before, by its new id. These are the rows of the word embedding to keep, in their new order. */
  readonly oldIds: readonly number[];
}

/** Options of `pruneTokenizer`. */
export interface PruneOptions {
  /** Gives up single characters that are in no counted token. A word with such a character becomes the unknown token. Bytes always stay. */
  readonly dropUnusedCharacters?: boolean | undefined;
}

const pruneOptions: OptionNames<PruneOptions> = { dropUnusedCharacters: true };

/** How often texts use each token, by id: [vocabSize]. Special tokens around a text are counted, too. */
export async function countTokens(tokenizer: Tokenizer, texts: Iterable<string> | AsyncIterable<string>): Promise<Float64Array> {
  checkSeveral("The texts", texts);
  const counts = new Float64Array(tokenizer.vocabSize);
  for await (const text of texts) {
    for (const id of tokenizer.encode(text, Number.MAX_SAFE_INTEGER)) counts[id]!++;
  }
  return counts;
}

/**
 * Keeps `vocabSize` tokens: those with the highest `counts` (by id, from `countTokens`), of equal ones those with the lowest ids. The new
 * ids are in the old order, except that special tokens keep their ids where they can. A vocabulary that is not larger stays as it is.
 *
 * Throws OptionError for a size below the number of tokens that must stay, and FormatError for a kind of byte-pair encoding with prefixes
 * or suffixes.
 */
export async function pruneTokenizer(
  tokenizer: Tokenizer,
  counts: ArrayLike<number>,
  vocabSize: number,
  options: PruneOptions = {},
): Promise<PrunedTokenizer> {
  checkOptions("pruneTokenizer", options, pruneOptions);
  if (counts.length !== tokenizer.vocabSize) {
    throw new OptionError(
      `There are counts of ${counts.length} tokens; the tokenizer has ${tokenizer.vocabSize}.`,
      "Count the tokens with the same tokenizer.",
    );
  }
  const { definition, config, ...files } = partsOf(tokenizer);
  const model = prunable(definition.model);
  const old = oldTokens(definition);
  const required = requiredIds(tokenizer, definition, files.padding);
  const kept = choose({ old, required, model, counts, vocabSize, drops: options.dropUnusedCharacters === true });
  const ids = newIds(definition, old, kept, required);
  const renumber = (id: number): number => ids.get(id)!;
  const tokens = new Map([...kept].map((id) => [old.get(id)!, renumber(id)]));
  const pruned = {
    ...definition,
    padding: files.padding && { ...files.padding, pad_id: renumber(files.padding.pad_id) },
    added_tokens: definition.added_tokens.map((token) => ({ ...token, id: renumber(token.id) })),
    post_processor: renumbered(definition.post_processor, renumber),
    model: model.reduced(inVocabulary(definition, tokens)),
  };
  const folder = new MemoryFolder("the pruned tokenizer", [
    ...files.others,
    ["tokenizer.json", `${JSON.stringify(pruned)}\n`],
    ["tokenizer_config.json", `${JSON.stringify(renumberedConfig(config, tokens), null, 2)}\n`],
  ]);
  const oldIds: number[] = [];
  for (const [from, to] of ids) oldIds[to] = from;
  return { tokenizer: await loadTokenizer(folder), oldIds };
}

/** How `tokenizer.json` says to pad batches; only written again. */
interface Padding {
  readonly pad_id: number;
}

/** What a tokenizer's files say. Files that repeat the vocabulary are left out, because loading makes them again. */
function partsOf({ files }: Tokenizer) {
  const json = (file: string) => parseJson<Record<string, unknown>>(file, files.get(file)!);
  const config = json("tokenizer_config.json") as TokenizerConfig;
  const found = json("tokenizer.json");
  const special = files.get("special_tokens_map.json");
  const settings = mergedConfig(config, special === undefined ? {} : json("special_tokens_map.json"));
  const added = files.has("added_tokens.json") ? (json("added_tokens.json") as IdByToken) : {};
  const definition = checkedDefinition("tokenizer.json", withAddedFile(asConfigured(found, settings), added, settings));
  return {
    definition,
    config,
    padding: (found.padding ?? null) as Padding | null,
    others: special === undefined ? [] : [["special_tokens_map.json", special] as const],
  };
}

/** Every token by its id, in the order of ids. An empty token, as of a blank line in vocab.txt, is in no text. */
function oldTokens({ model, added_tokens }: TokenizerDefinition): ReadonlyMap<number, string> {
  const tokens = [...tokensOf(model.vocab), ...added_tokens.map(({ content, id }) => [content, id] as const)];
  return new Map(
    tokens
      .filter(([token]) => token !== "")
      .map(([token, id]) => [id, token] as const)
      .sort(([a], [b]) => a - b),
  );
}

/** Special and added tokens. */
function requiredIds(tokenizer: Tokenizer, definition: TokenizerDefinition, padding: Padding | null): ReadonlySet<number> {
  const { padId, clsId, sepId, unknownId } = tokenizer;
  const required = new Set([
    padId,
    clsId,
    sepId,
    ...(unknownId === null ? [] : [unknownId]),
    ...definition.added_tokens.map(({ id }) => id),
  ]);
  if (padding !== null) required.add(padding.pad_id);
  renumbered(definition.post_processor, (id) => {
    required.add(id);
    return id;
  });
  return required;
}

interface Choice {
  readonly old: ReadonlyMap<number, string>;
  readonly required: ReadonlySet<number>;
  readonly model: PrunableModel;
  readonly counts: ArrayLike<number>;
  readonly vocabSize: number;
  /** Whether unused characters go. */
  readonly drops: boolean;
}

/** Names of tokens that vocabularies reserve and no text uses. They are the last to be kept. */
const RESERVED = /^(?:\[unused\d+\]|madeupword\d+)$/;

/** The ids that are kept, in their order. */
function choose({ old, required, model, counts, vocabSize, drops }: Choice): ReadonlySet<number> {
  const kept = new Set<number>(required);
  const used = new Set([...old].flatMap(([id, token]) => (counts[id]! > 0 ? model.characters(token) : [])));
  const goes = (token: string) => drops && model.characters(token).length === 1 && !used.has(model.characters(token)[0]!);
  for (const [id, token] of old) if (!RESERVED.test(token) && model.mustStay(token) && !goes(token)) kept.add(id);
  if (!(vocabSize >= kept.size)) {
    throw new OptionError(
      `A vocabulary of ${vocabSize} tokens has no room for the ${kept.size} special tokens and single characters, which stay.`,
      "Give a larger size.",
    );
  }
  const isReserved = (id: number) => Number(RESERVED.test(old.get(id)!));
  const candidates = [...old.keys()]
    .filter((id) => !kept.has(id))
    .sort((a, b) => counts[b]! - counts[a]! || isReserved(a) - isReserved(b) || a - b);
  for (const id of candidates) {
    if (kept.size === vocabSize) break;
    const missing = model.madeOf(old.get(id)!)?.filter((part) => !kept.has(part));
    if (missing === undefined || kept.size + missing.length > vocabSize) continue;
    for (const part of missing) kept.add(part);
  }
  return new Set([...kept].sort((a, b) => a - b));
}

/**
 * The new id of each kept id. The official library numbers added tokens outside the vocabulary after its end, so they come last. Of the
 * others, special tokens stay where they were if the vocabulary reaches so far.
 */
function newIds(
  definition: TokenizerDefinition,
  old: ReadonlyMap<number, string>,
  kept: ReadonlySet<number>,
  special: ReadonlySet<number>,
): ReadonlyMap<number, number> {
  const vocabulary = tokensOf(definition.model.vocab);
  const inside = [...kept].filter((id) => vocabulary.has(old.get(id)!));
  const outside = [...kept].filter((id) => !vocabulary.has(old.get(id)!));
  const fixed = new Set(inside.filter((id) => special.has(id) && id < inside.length));
  const ids = new Map([...fixed].map((id) => [id, id]));
  let next = 0;
  for (const id of inside) {
    if (fixed.has(id)) continue;
    while (fixed.has(next)) next++;
    ids.set(id, next++);
  }
  for (const [place, id] of outside.entries()) ids.set(id, inside.length + place);
  return ids;
}

/** The tokens of the model's own vocabulary with their new ids, in the order of the ids. */
function inVocabulary({ model }: TokenizerDefinition, tokens: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const vocabulary = tokensOf(model.vocab);
  return new Map([...tokens].filter(([token]) => vocabulary.has(token)).sort(([, a], [, b]) => a - b));
}

/** A post-processor with other ids for its special tokens. */
function renumbered(processor: Part | null, renumber: (id: number) => number): Part | null {
  if (processor === null) return null;
  if (processor.type === "Sequence") {
    return { ...processor, processors: (processor.processors as Part[]).map((inner) => renumbered(inner, renumber)) };
  }
  if (processor.type === "TemplateProcessing") {
    const tokens = Object.entries(processor.special_tokens as Record<string, { readonly ids: readonly number[] }>);
    return {
      ...processor,
      special_tokens: Object.fromEntries(tokens.map(([name, token]) => [name, { ...token, ids: token.ids.map(renumber) }])),
    };
  }
  if (processor.type === "ByteLevel") return processor;
  const [cls, sep] = [processor.cls, processor.sep] as [[string, number], [string, number]];
  return { ...processor, cls: [cls[0], renumber(cls[1])], sep: [sep[0], renumber(sep[1])] };
}

/** A `tokenizer_config.json` with the new ids of its added tokens. */
function renumberedConfig(config: TokenizerConfig, tokens: ReadonlyMap<string, number>): TokenizerConfig {
  const { added_tokens_decoder: decoder } = config;
  if (typeof decoder !== "object" || decoder === null) return config;
  const entries = Object.values(decoder).flatMap((token) => {
    const id = tokens.get((token as { readonly content?: string } | null)?.content ?? "");
    return id === undefined ? [] : [[id, token] as const];
  });
  return { ...config, added_tokens_decoder: Object.fromEntries(entries) };
}
