/**
 * What each type of model needs to work with fewer tokens: the tokens that must stay, the tokens that another is made of, and the model
 * without the rest.
 */
import { FormatError } from "../../errors.ts";
import { type BytePairModel, MAX_IDS } from "./byte-pairs.ts";
import type { TokenizerDefinition } from "./definition.ts";
import { pairOf, tokensOf } from "./vocabularies.ts";

type Model = TokenizerDefinition["model"];

export interface PrunableModel {
  /** Whether a text could become unknown without the token. */
  mustStay(token: string): boolean;
  /** The characters that a token stands for, without the mark of a word's beginning or continuation; none where tokens are made of bytes. */
  characters(token: string): readonly string[];
  /** The ids that a token needs, its own included; undefined if the model never gives the token for a text. */
  madeOf(token: string): readonly number[] | undefined;
  /** The model with these tokens, which are in the order of their new ids. */
  reduced(tokens: ReadonlyMap<string, number>): Model;
}

const models: Readonly<Record<string, (model: Model) => PrunableModel>> = {
  WordPiece: (model) => {
    const prefix = model.continuing_subword_prefix as string;
    const continues = (token: string) => token.startsWith(prefix) && token !== prefix;
    const characters = (token: string) => [...(continues(token) ? token.slice(prefix.length) : token)];
    const spelling = (token: string) =>
      characters(token).map((character, place) => (continues(token) || place > 0 ? prefix + character : character));
    return { mustStay: staysBySpelling(model, spelling), characters, madeOf: itself(model), reduced: (tokens) => withIds(model, tokens) };
  },
  Unigram: (model) => ({
    mustStay: staysBySpelling(model, (token) => [...token]),
    characters: (token) => [...token],
    madeOf: itself(model),
    reduced: (tokens) => withScores(model, tokens),
  }),
  WordLevel: (model) => ({
    mustStay: () => false,
    characters: () => [],
    madeOf: itself(model),
    reduced: (tokens) => withIds(model, tokens),
  }),
  BPE: bytePairs,
};

/** Throws FormatError for byte-pair encoding with prefixes or suffixes, whose tokens depend on their place in a word. */
export function prunable(model: Model): PrunableModel {
  return models[model.type]!(model);
}

/** Tokens that fallback to bytes needs. */
const BYTE = /^<0x[0-9A-F]{2}>$/;

/** Single characters stay, and so do tokens with a character that is not a token: without them it could not be spelt. */
function staysBySpelling(model: Model, spelling: (token: string) => readonly string[]): PrunableModel["mustStay"] {
  const ids = tokensOf(model.vocab);
  const hasBytes = model.byte_fallback === true;
  return (token) => {
    const characters = spelling(token);
    if (characters.length === 1 || (hasBytes && BYTE.test(token))) return true;
    return !hasBytes && characters.some((character) => !ids.has(character));
  };
}

function itself(model: Model): PrunableModel["madeOf"] {
  const ids = tokensOf(model.vocab);
  return (token) => [ids.get(token)!];
}

function withIds(model: Model, tokens: ReadonlyMap<string, number>): Model {
  return { ...model, vocab: Object.fromEntries(tokens) };
}

/** In a Unigram model, a token's id is its index. */
function withScores(model: Model, tokens: ReadonlyMap<string, number>): Model {
  const scored = model.vocab as readonly (readonly [token: string, score: number])[];
  const ids = tokensOf(scored);
  const unknown = model.unk_id;
  return {
    ...model,
    vocab: Array.from(tokens.keys(), (token) => scored[ids.get(token)!]!),
    ...(typeof unknown === "number" && { unk_id: tokens.get(scored[unknown]![0])! }),
  };
}

/**
 * A token needs every token that merging makes on the way to it. Within a word it is merged as it is alone, because no merge crosses the
 * borders of a token that remains. Merges of dropped tokens go, and without them the others happen in the same order.
 */
function bytePairs(model: Model): PrunableModel {
  const { merges, ignore_merges: takesWholeWords } = model as unknown as BytePairModel;
  if (model.continuing_subword_prefix || model.end_of_word_suffix) {
    throw new FormatError(
      "Byte-pair encoding with a prefix or suffix of words cannot be pruned.",
      "Use a tokenizer with WordPiece, Unigram, or byte-level byte-pair encoding.",
    );
  }
  const ids = tokensOf(model.vocab);
  const keyOf = (left: number, right: number) => left * MAX_IDS + right;
  const pairs = merges.map(pairOf);
  const ranks = new Map(pairs.map(([left, right], rank) => [keyOf(ids.get(left)!, ids.get(right)!), rank]));
  const madeOf = (token: string): number[] | undefined => {
    const own = ids.get(token)!;
    const symbols = Array.from(token, (character) => ids.get(character) ?? -1);
    const needed = new Set<number>();
    for (;;) {
      for (const symbol of symbols) needed.add(symbol);
      const rank = Math.min(...symbols.slice(1).map((right, at) => ranks.get(keyOf(symbols[at]!, right)) ?? Number.POSITIVE_INFINITY));
      if (rank === Number.POSITIVE_INFINITY) break;
      const [left, right] = pairs[rank]!;
      const at = symbols.findIndex((symbol, place) => symbol === ids.get(left) && symbols[place + 1] === ids.get(right));
      symbols.splice(at, 2, ids.get(left + right)!);
    }
    if (symbols.length === 1 && symbols[0] === own) return [...needed];
    return takesWholeWords ? [own] : undefined;
  };
  return {
    mustStay: staysBySpelling(model, (token) => [...token]),
    characters: () => [],
    madeOf,
    reduced: (tokens) => ({
      ...withIds(model, tokens),
      merges: merges.filter((merge) => {
        const [left, right] = pairOf(merge);
        return tokens.has(left) && tokens.has(right) && tokens.has(left + right);
      }),
    }),
  };
}
