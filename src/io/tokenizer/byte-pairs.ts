/**
 * Byte-level byte-pair encoding (Sennrich et al. 2016; GPT-2) of a word's bytes. Of all neighbouring pairs, the one that training merged
 * first is merged first; of equal pairs, the left one.
 *
 * A heap holds the pairs that can be merged and a list the remaining symbols, so that a word takes O(n log n).
 */
import { BYTE_CHARACTERS } from "./byte-level-words.ts";
import { type Merge, pairOf, tokensOf, type Vocabulary } from "./vocabularies.ts";

export interface BytePairModel {
  readonly type: "BPE";
  readonly vocab: Vocabulary;
  /** The merges, the first to apply first. */
  readonly merges: readonly Merge[];
  readonly unk_token: string | null;
  readonly ignore_merges: boolean;
}

/** Ids are below this, so that a pair of them is one exact number. */
export const MAX_IDS = 2 ** 26;

export class BytePairs {
  readonly #byteIds: Int32Array;
  readonly #unknown: number;
  readonly #wholeWords: ReadonlyMap<string, number> | undefined;
  /** The rank of the merge of a pair. */
  readonly #ranks = new Map<number, number>();
  /** The id that the merge of a rank makes. */
  readonly #merged: Int32Array;
  readonly #utf8 = new TextEncoder();

  constructor({ vocab, merges, unk_token, ignore_merges }: BytePairModel) {
    const ids = tokensOf(vocab);
    this.#byteIds = Int32Array.from(BYTE_CHARACTERS, (character) => ids.get(character) ?? -1);
    this.#unknown = unk_token === null ? -1 : ids.get(unk_token)!;
    this.#wholeWords = ignore_merges ? ids : undefined;
    this.#merged = new Int32Array(merges.length);
    for (const [rank, merge] of merges.entries()) {
      const [left, right] = pairOf(merge);
      this.#ranks.set(ids.get(left)! * MAX_IDS + ids.get(right)!, rank);
      this.#merged[rank] = ids.get(left + right)!;
    }
  }

  /** Appends the ids of a word to `ids`. A byte that is not in the vocabulary becomes the unknown token, or nothing if there is none. */
  encode(word: string, ids: number[]): void {
    const bytes = this.#utf8.encode(word);
    const whole = this.#wholeWords?.get(Array.from(bytes, (byte) => BYTE_CHARACTERS[byte]).join(""));
    if (whole !== undefined) {
      ids.push(whole);
      return;
    }
    const symbols: number[] = [];
    for (const byte of bytes) {
      const id = this.#byteIds[byte]!;
      if (id !== -1) symbols.push(id);
      else if (this.#unknown !== -1) symbols.push(this.#unknown);
    }
    this.#merge(symbols, ids);
  }

  #merge(symbols: number[], ids: number[]): void {
    const length = symbols.length;
    const next = Int32Array.from({ length }, (_, at) => at + 1);
    const previous = Int32Array.from({ length }, (_, at) => at - 1);
    const heap = new MergeHeap();
    const offer = (left: number, right: number) => {
      if (left < 0 || right >= length) return;
      const rank = this.#ranks.get(symbols[left]! * MAX_IDS + symbols[right]!);
      if (rank !== undefined) heap.push(rank, left);
    };
    for (let at = 1; at < length; at++) offer(at - 1, at);
    for (let at = heap.pop(); at !== -1; at = heap.pop()) {
      const right = next[at]!;
      // The pair is gone if one of its symbols was merged with another.
      if (symbols[at] === -1 || right >= length) continue;
      if (this.#ranks.get(symbols[at]! * MAX_IDS + symbols[right]!) !== heap.rank) continue;
      symbols[at] = this.#merged[heap.rank]!;
      symbols[right] = -1;
      next[at] = next[right]!;
      if (next[at]! < length) previous[next[at]!] = at;
      offer(previous[at]!, at);
      offer(at, next[at]!);
    }
    for (const symbol of symbols) if (symbol !== -1) ids.push(symbol);
  }
}

/** Places of pairs by rank, then from left to right. */
class MergeHeap {
  readonly #ranks: number[] = [];
  readonly #places: number[] = [];
  /** The rank of the place that `pop` returned last. */
  rank = -1;

  push(rank: number, place: number): void {
    let at = this.#ranks.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isAfter(parent, rank, place)) break;
      this.#set(at, this.#ranks[parent]!, this.#places[parent]!);
      at = parent;
    }
    this.#set(at, rank, place);
  }

  /** The first place, or -1 when the heap is empty. */
  pop(): number {
    const size = this.#ranks.length - 1;
    if (size < 0) return -1;
    const first = this.#places[0]!;
    this.rank = this.#ranks[0]!;
    const rank = this.#ranks.pop()!;
    const place = this.#places.pop()!;
    if (size === 0) return first;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.#isAfter(child, this.#ranks[child + 1]!, this.#places[child + 1]!)) child++;
      if (this.#isAfter(child, rank, place)) break;
      this.#set(at, this.#ranks[child]!, this.#places[child]!);
      at = child;
    }
    this.#set(at, rank, place);
    return first;
  }

  #set(at: number, rank: number, place: number): void {
    this.#ranks[at] = rank;
    this.#places[at] = place;
  }

  #isAfter(at: number, rank: number, place: number): boolean {
    return this.#ranks[at]! > rank || (this.#ranks[at] === rank && this.#places[at]! > place);
  }
}
