/**
 * Learns a WordPiece vocabulary from text, so that a model trained from scratch has a tokenizer.
 *
 * Byte-pair merging over word counts (Sennrich et al. 2016, as the `tokenizers` library trains WordPiece): start with characters, and merge
 * the most frequent pair of neighbouring pieces until the vocabulary is full. Words are split like the tokenizer splits them. The result
 * depends only on the text and the size, and memory is bounded for any text.
 */
import { DataError, OptionError } from "../../errors.ts";
import { checkSeveral } from "../../options.ts";
import { BertWords } from "./bert-words.ts";
import { PairQueue } from "./pair-queue.ts";

const SPECIAL = { pad: "[PAD]", unknown: "[UNK]", cls: "[CLS]", sep: "[SEP]", mask: "[MASK]" } as const;

/** The first tokens of every learned vocabulary: [PAD] is 0. */
export const SPECIAL_TOKENS: readonly string[] = Object.values(SPECIAL);

/** Beyond this many different words, the rarest are dropped: that is some 100 MB, and more words than a million English sentences have. */
const MAX_WORDS = 1_000_000;

/** The tokenizer treats a longer word as unknown. */
const MAX_WORD_CHARACTERS = 100;

/** Single characters take at most this share of the vocabulary: a text with rare scripts must leave room for words. */
const CHARACTER_SHARE = 0.5;

/** A pair that occurs once in all the text is chance, not part of the language. */
const MIN_PAIR_COUNT = 2;

/** The prefix of pieces that continue a word. */
const CONTINUATION = "##";

/**
 * Learns a vocabulary of at most `size` tokens: the special tokens, the characters by frequency, then pieces and whole words in the order
 * in which they were merged. It is smaller if the text has no more pieces. Throws OptionError for a size that leaves no room beside the
 * special tokens and for one text in the place of several, and DataError for a text without words.
 */
export function learnVocabulary(sentences: Iterable<string>, size: number, { lowerCase = true }: { lowerCase?: boolean } = {}): string[] {
  const learner = new VocabularyLearner(size, lowerCase);
  checkSeveral("The sentences", sentences);
  for (const sentence of sentences) learner.add(sentence);
  return learner.vocabulary();
}

/** `learnVocabulary` for texts that come one after another. */
export class VocabularyLearner {
  readonly #words = new Map<string, number>();
  /**
   * The text between blanks is counted first and then split into words once per distinct text, because texts repeat themselves and splitting
   * costs far more than counting.
   */
  readonly #chunks = new Map<string, number>();
  readonly #split: (text: string) => string[];

  constructor(
    readonly size: number,
    lowerCase: boolean,
  ) {
    if (!Number.isInteger(size) || size <= SPECIAL_TOKENS.length) {
      throw new OptionError(`a vocabulary of ${size} tokens has no room`, `Give more than the ${SPECIAL_TOKENS.length} special tokens.`);
    }
    this.#split = wordSplitter(lowerCase);
  }

  /** Counts the words of a text. */
  add(text: string): void {
    for (const chunk of text.split(/[ \t]+/)) {
      // A long chunk (scripts without blanks) rarely repeats.
      if (chunk.length <= MAX_WORD_CHARACTERS) count(this.#chunks, chunk, 1);
      else for (const word of this.#split(chunk)) count(this.#words, word, 1);
    }
  }

  /** The vocabulary of all texts so far; to be called once. Throws DataError if they have no word. */
  vocabulary(): string[] {
    for (const [chunk, times] of this.#chunks) for (const word of this.#split(chunk)) count(this.#words, word, times);
    if (this.#words.size === 0) throw new DataError("the text holds no word to learn a vocabulary from", "Give text with words in it.");
    const room = this.size - SPECIAL_TOKENS.length;
    const characters = commonCharacters(this.#words, Math.ceil(room * CHARACTER_SHARE));
    return [...SPECIAL_TOKENS, ...mergePairs(this.#words, characters, room)];
  }
}

/** Counts in a map of bounded size: when it is full, entries that were rare so far are dropped. */
function count(counts: Map<string, number>, key: string, times: number): void {
  const before = counts.get(key);
  // A part of a text keeps the whole text in memory (V8), so what is kept is a text of its own.
  counts.set(before === undefined ? [...key].join("") : key, (before ?? 0) + times);
  for (let rare = 1; counts.size > MAX_WORDS; rare++) {
    for (const [other, found] of counts) if (found <= rare) counts.delete(other);
  }
}

/** Splits a text into words and punctuation like the vocabulary's tokenizer. */
function wordSplitter(lowerCase: boolean): (text: string) => string[] {
  const words = new BertWords({
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: lowerCase,
  });
  return (text) => {
    const found: string[] = [];
    // A word has at least as many UTF-16 units as characters, so a word that is kept is never too long for the tokenizer.
    words.split(text, (word) => word.length > MAX_WORD_CHARACTERS || found.push(word) > 0);
    return found;
  };
}

/** The pieces of one character, both those that start a word and those that continue one, the most frequent first. */
function commonCharacters(words: ReadonlyMap<string, number>, limit: number): string[] {
  const counts = new Map<string, number>();
  for (const [word, count] of words) {
    for (const piece of charactersOf(word)) counts.set(piece, (counts.get(piece) ?? 0) + count);
  }
  return [...counts]
    .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
    .slice(0, limit)
    .map(([piece]) => piece);
}

function charactersOf(word: string): string[] {
  return [...word].map((character, place) => (place === 0 ? character : CONTINUATION + character));
}

/** A word as its current pieces. */
interface Word {
  pieces: number[];
  readonly count: number;
}

/**
 * Merges the most frequent pair of neighbours until there are `limit` pieces or no pair occurs twice. Returns all pieces, the characters
 * first.
 */
function mergePairs(words: ReadonlyMap<string, number>, characters: readonly string[], limit: number): string[] {
  const pieces = [...characters];
  const ids = new Map(pieces.map((piece, id) => [piece, id]));
  const queue = new PairQueue();
  const rows: Word[] = [];
  for (const [word, count] of words) {
    const start = charactersOf(word).map((piece) => ids.get(piece));
    // A word with a character outside the vocabulary is unknown as a whole, so nothing is learned from it.
    if (start.includes(undefined)) continue;
    const row: Word = { pieces: start as number[], count };
    for (let i = 1; i < row.pieces.length; i++) queue.add(row.pieces[i - 1]!, row.pieces[i]!, count, rows.length);
    rows.push(row);
  }
  while (pieces.length < limit) {
    const best = queue.takeMostFrequent(MIN_PAIR_COUNT);
    if (best === undefined) break;
    const merged = pieces[best.left]! + pieces[best.right]!.slice(CONTINUATION.length);
    // Two ways of merging can give the same piece ("a" + "##bc", "ab" + "##c").
    const id = ids.get(merged) ?? pieces.push(merged) - 1;
    ids.set(merged, id);
    for (const row of best.words) mergeIn(rows[row]!, row, best.left, best.right, id, queue);
  }
  return pieces;
}

/** Replaces every `left`, `right` of a word by the merged piece, and updates the counts of the pairs. */
function mergeIn(word: Word, row: number, left: number, right: number, merged: number, queue: PairQueue): void {
  const before = word.pieces;
  const after: number[] = [];
  for (let i = 0; i < before.length; i++) {
    const isPair = before[i] === left && before[i + 1] === right;
    after.push(isPair ? merged : before[i]!);
    if (isPair) i++;
  }
  if (after.length === before.length) return;
  for (let i = 1; i < before.length; i++) queue.add(before[i - 1]!, before[i]!, -word.count, row);
  for (let i = 1; i < after.length; i++) queue.add(after[i - 1]!, after[i]!, word.count, row);
  word.pieces = after;
}
