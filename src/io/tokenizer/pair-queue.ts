/**
 * Counts pairs of neighbouring pieces and returns the most frequent one: the bookkeeping of vocabulary.ts.
 *
 * A heap holds one entry per pair, with the pair's count when it was inserted. A pair that has become rarer since is inserted again when it
 * reaches the top. So most changes of a count cost only a map lookup.
 */

/** A pair and the words that contain it, or once did. */
export interface CountedPair {
  readonly left: number;
  readonly right: number;
  readonly words: ReadonlySet<number>;
}

interface Pair extends CountedPair {
  readonly words: Set<number>;
  count: number;
  /** The count with which its entry was inserted into the heap; 0 if it has none. */
  queued: number;
}

interface Entry {
  readonly pair: Pair;
  readonly count: number;
}

/** Pieces have numbers below this, so that a pair is one exact number. */
const MAX_PIECES = 2 ** 26;

export class PairQueue {
  readonly #pairs = new Map<number, Pair>();
  readonly #heap: Entry[] = [];
  /** Pairs that have become more frequent since they were last inserted. */
  readonly #risen = new Set<Pair>();

  /** Adds to the count of a pair, and records `word` as one that contains it; a negative count subtracts. */
  add(left: number, right: number, count: number, word: number): void {
    const key = left * MAX_PIECES + right;
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      pair = { left, right, words: new Set(), count: 0, queued: 0 };
      this.#pairs.set(key, pair);
    }
    pair.count += count;
    if (count > 0) pair.words.add(word);
    if (pair.count > pair.queued) this.#risen.add(pair);
  }

  /**
   * The pair with the highest count (of equal ones, the one with the lowest pieces), or undefined if none has `minCount`. It is not
   * returned again unless its count rises.
   */
  takeMostFrequent(minCount: number): CountedPair | undefined {
    for (const pair of this.#risen) {
      if (pair.count > pair.queued) this.#push(pair);
    }
    this.#risen.clear();
    while (this.#heap.length > 0) {
      const { pair, count } = this.#pop();
      // The pair has risen since and is further up, or has been returned.
      if (count !== pair.queued) continue;
      pair.queued = 0;
      if (pair.count === count) return count >= minCount ? pair : undefined;
      if (pair.count >= minCount) this.#push(pair);
    }
    return undefined;
  }

  #push(pair: Pair): void {
    pair.queued = pair.count;
    const entry = { pair, count: pair.count };
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const top = heap[0]!;
    const entry = heap.pop()!;
    if (heap.length === 0) return top;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, entry)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
    return top;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.count > b.count || (a.count === b.count && (a.pair.left - b.pair.left || a.pair.right - b.pair.right) < 0);
}
