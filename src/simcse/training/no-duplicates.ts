/**
 * Batches in which no sentence occurs twice. All other sentences of a batch are negatives, so a duplicate would be pushed away from itself.
 *
 * Examples are taken in the order given. One that shares a sentence with the current batch waits for the next batch that has none of its
 * sentences; those that wait go first. So the order changes no more than it must, and the result depends only on order and sentences.
 *
 * An example waits in the queue of the sentence that blocked it. A batch only looks at the first example of each queue: once its sentence
 * is taken, all later ones are blocked too. So the time is linear in the number of examples, even if one sentence is in many of them.
 */

/** An example by its number, and its turn: its place in the original order. */
interface Waiting {
  readonly example: number;
  readonly turn: number;
}

/**
 * Deals the examples of `order`, numbers of examples, into batches of `batchSize`. `keysOf` gives the sentences of an example, as texts or
 * as whatever identifies them; an example may repeat its own (unsupervised pairs do). A batch is smaller than the others only at the end,
 * when all remaining examples would be duplicates.
 */
export function* batchesWithoutDuplicates<Key>(
  order: Iterable<number>,
  batchSize: number,
  keysOf: (example: number) => readonly Key[],
): Generator<Uint32Array> {
  const source = order[Symbol.iterator]();
  const queues = new Map<Key, Queue>();
  let turns = 0;
  for (;;) {
    const batch: number[] = [];
    const taken = new Set<Key>();
    /** Puts an example into the batch, or returns the sentence that blocks it. */
    const place = (example: number): { readonly blockedBy: Key } | null => {
      const keys = keysOf(example);
      const blocking = keys.findIndex((key) => taken.has(key));
      if (blocking >= 0) return { blockedBy: keys[blocking]! };
      for (const key of keys) taken.add(key);
      batch.push(example);
      return null;
    };
    const wait = (waiting: Waiting, key: Key) => {
      const queue = queues.get(key) ?? new Queue();
      queue.add(waiting);
      queues.set(key, queue);
    };

    const heads = Array.from(queues, ([key, queue]) => ({ key, first: queue.first! })).sort((a, b) => a.first.turn - b.first.turn);
    for (let at = 0; at < heads.length && batch.length < batchSize; at++) {
      const { key, first } = heads[at]!;
      if (taken.has(key)) continue;
      const queue = queues.get(key)!;
      queue.removeFirst();
      const blocked = place(first.example);
      if (blocked) wait(first, blocked.blockedBy);
      const next = queue.first;
      if (next === undefined) queues.delete(key);
      else if (blocked) insert(heads, { key, first: next }, (head) => head.first);
    }
    while (batch.length < batchSize) {
      const { value, done } = source.next();
      if (done) break;
      const turn = turns++;
      const blocked = place(value);
      if (blocked) wait({ example: value, turn }, blocked.blockedBy);
    }
    if (batch.length === 0) return;
    yield Uint32Array.from(batch);
  }
}

/** Examples by their turn; the first one is removed in constant time. */
class Queue {
  #items: Waiting[] = [];
  #taken = 0;

  get first(): Waiting | undefined {
    return this.#items[this.#taken];
  }

  add(waiting: Waiting): void {
    insert(this.#items, waiting, (one) => one, this.#taken);
  }

  removeFirst(): void {
    this.#taken++;
    if (this.#taken * 2 <= this.#items.length) return;
    this.#items = this.#items.slice(this.#taken);
    this.#taken = 0;
  }
}

/** Inserts an item into a list that is sorted by turn from `start` on. */
function insert<T>(sorted: T[], item: T, of: (item: T) => Waiting, start = 0): void {
  let low = start;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(sorted[middle]!).turn < of(item).turn) low = middle + 1;
    else high = middle;
  }
  sorted.splice(low, 0, item);
}
