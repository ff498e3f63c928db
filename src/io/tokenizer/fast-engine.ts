/**
 * Tokenising in JavaScript, for the two kinds of definitions that nearly all BERT and RoBERTa checkpoints have: BERT's words with
 * WordPiece, and GPT-2's words with byte-pair encoding.
 *
 * Each supported part and option has been compared with the official library (bench/tokenizers.ts). `isFast` lists them; a definition with
 * any other part is left to the official library. A text is read only as far as ids are needed.
 */
import { type AddedToken, AddedTokens } from "./added-tokens.ts";
import { type BertNormalizer, BertWords } from "./bert-words.ts";
import { ByteLevelWords } from "./byte-level-words.ts";
import { type BytePairModel, BytePairs } from "./byte-pairs.ts";
import { decoderOf } from "./decoders.ts";
import type { TokenizerDefinition } from "./definition.ts";
import { type TokenizerEngine, wellFormed } from "./engine.ts";
import { tokensOf } from "./vocabularies.ts";
import { WordPiece, type WordPieceModel } from "./word-piece.ts";

/** The ids of words are cached: up to this many words, and words up to this length. */
const MAX_REMEMBERED = 50_000;
const MAX_REMEMBERED_LENGTH = 64;

/** Whether this engine is known to run every part of a definition like the official library. */
export function isFast(definition: TokenizerDefinition): boolean {
  const { normalizer, pre_tokenizer: words, model, decoder, added_tokens: added } = definition;
  const isBert =
    (normalizer === null || normalizer.type === "BertNormalizer") &&
    words?.type === "BertPreTokenizer" &&
    model.type === "WordPiece" &&
    (decoder === null || decoder.type === "WordPiece");
  const isByteLevel =
    normalizer === null &&
    words?.type === "ByteLevel" &&
    words.use_regex !== false &&
    model.type === "BPE" &&
    !model.continuing_subword_prefix &&
    !model.end_of_word_suffix &&
    !model.fuse_unk &&
    !model.byte_fallback &&
    (decoder === null || decoder.type === "ByteLevel");
  if (!isBert && !isByteLevel) return false;
  const tokens = tokensOf(model.vocab);
  // Merging with an empty token was not compared; WordPiece never finds one.
  if (isByteLevel && tokens.has("")) return false;
  if (typeof model.unk_token === "string" && !tokens.has(model.unk_token)) return false;
  const normalized = added
    .filter((token) => token.normalized)
    .map(({ content }) => new BertWords(normalizer as BertNormalizer | null).normalize(content));
  return added.every(isFastToken) && new Set(normalized).size === normalized.length && normalized.every((content) => /\S/.test(content));
}

/** A token with white space at its end could share it with the next token. */
function isFastToken({ content, single_word }: AddedToken): boolean {
  return !single_word && content.trim() === content && !/^\u0085|\u0085$/.test(content);
}

/** Appends the ids of a text to a list, until it holds `limit`. */
type Pieces = (text: string, ids: number[], limit: number) => void;

export class FastEngine implements TokenizerEngine {
  /** Tokens that are searched in the original text. */
  readonly #given: AddedTokens | undefined;
  readonly #pieces: Pieces;
  readonly decode: (ids: readonly number[]) => string;

  constructor(definition: TokenizerDefinition) {
    const { added_tokens: added, model } = definition;
    this.#given = finder(added.filter(({ normalized }) => !normalized));
    this.#pieces = model.type === "BPE" ? byteLevelPieces(definition) : bertPieces(definition);
    this.decode = decoderOf(definition);
  }

  encode(text: string, limit: number): number[] {
    const ids: number[] = [];
    inSegments(this.#given, this.#pieces)(wellFormed(text), ids, limit);
    return ids.length > limit ? ids.slice(0, limit) : ids;
  }
}

function finder(tokens: readonly AddedToken[]): AddedTokens | undefined {
  return tokens.length === 0 ? undefined : new AddedTokens(tokens);
}

/** Finds added tokens first, and passes the text between them to `pieces`. */
function inSegments(added: AddedTokens | undefined, pieces: Pieces): Pieces {
  if (added === undefined) return pieces;
  return (text, ids, limit) => {
    for (const segment of added.split(text)) {
      if (ids.length >= limit) return;
      if (typeof segment === "number") ids.push(segment);
      else pieces(segment, ids, limit);
    }
  };
}

function bertPieces({ normalizer, model, added_tokens }: TokenizerDefinition): Pieces {
  const words = new BertWords(normalizer as BertNormalizer | null);
  const pieces = spacedPieces(words, new WordPiece(model as unknown as WordPieceModel));
  const normalized = finder(
    added_tokens.filter((token) => token.normalized).map((token) => ({ ...token, content: words.normalize(token.content) })),
  );
  if (normalized === undefined) return pieces;
  const alreadyNormalized = inSegments(normalized, spacedPieces(new BertWords(null), new WordPiece(model as unknown as WordPieceModel)));
  return (text, ids, limit) => alreadyNormalized(words.normalize(text), ids, limit);
}

/** Each text between spaces is encoded separately, and most of them repeat. */
function spacedPieces(words: BertWords, wordPiece: WordPiece): Pieces {
  const remembered = new Remembered();
  const encode = (text: string, ids: number[], limit: number) =>
    words.split(text, (word) => {
      wordPiece.encode(word, ids);
      return ids.length < limit;
    });
  return (text, ids, limit) => {
    for (let start = 0; start < text.length && ids.length < limit; ) {
      const space = text.indexOf(" ", start);
      const end = space === -1 ? text.length : space;
      if (end - start > MAX_REMEMBERED_LENGTH) encode(text.slice(start, end), ids, limit);
      else if (end > start) remembered.append(text.slice(start, end), ids, (chunk, into) => encode(chunk, into, Number.POSITIVE_INFINITY));
      start = end + 1;
    }
  };
}

function byteLevelPieces({ pre_tokenizer, model, added_tokens }: TokenizerDefinition): Pieces {
  const words = new ByteLevelWords();
  const prefixSpace = pre_tokenizer?.add_prefix_space === true;
  const { unk_token = null, ignore_merges = false } = model;
  const pairs = new BytePairs({ ...model, unk_token, ignore_merges } as unknown as BytePairModel);
  const remembered = new Remembered();
  const encode = (word: string, ids: number[]) => pairs.encode(word, ids);
  const pieces: Pieces = (text, ids, limit) =>
    words.split(prefixSpace && text !== "" && !text.startsWith(" ") ? ` ${text}` : text, (word) => {
      if (word.length > MAX_REMEMBERED_LENGTH) encode(word, ids);
      else remembered.append(word, ids, encode);
      return ids.length < limit;
    });
  return inSegments(finder(added_tokens.filter(({ normalized }) => normalized)), pieces);
}

/** A cache of the ids of texts. When it is full, it starts empty again. */
class Remembered {
  readonly #ids = new Map<string, readonly number[]>();

  append(text: string, ids: number[], encode: (text: string, ids: number[]) => void): void {
    let found = this.#ids.get(text);
    if (found === undefined) {
      const made: number[] = [];
      encode(text, made);
      found = made;
      if (this.#ids.size >= MAX_REMEMBERED) this.#ids.clear();
      this.#ids.set(text, found);
    }
    for (const id of found) ids.push(id);
  }
}
