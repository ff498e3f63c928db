/**
 * Batches in which no sentence comes twice. In a batch every other sentence is a negative, so a duplicate would be pushed away from itself.
 *
 * Examples are taken in the order given; one that shares a sentence with the batch at hand waits for the next batch that has none of its
 * sentences. What waits goes first, so the order changes no more than it must, and the result depends on order and sentences alone.
 */

/**
 * Deals the examples of `order`, numbers of examples, into batches of `batchSize`. `keysOf` gives the sentences of an example, as texts or as
 * whatever identifies them; an example may repeat its own (unsupervised pairs do). A batch is smaller than the others only at the end, where all
 * that is left would be a duplicate.
 */
export function* batchesWithoutDuplicates<Key>(
  order: Iterable<number>,
  batchSize: number,
  keysOf: (example: number) => readonly Key[],
): Generator<Uint32Array> {
  const source = order[Symbol.iterator]();
  let waiting: number[] = [];
  for (;;) {
    const batch: number[] = [];
    const taken = new Set<Key>();
    const still: number[] = [];
    const place = (example: number) => {
      const keys = keysOf(example);
      if (batch.length === batchSize || keys.some((key) => taken.has(key))) {
        still.push(example);
        return;
      }
      for (const key of keys) taken.add(key);
      batch.push(example);
    };
    for (const example of waiting) place(example);
    while (batch.length < batchSize) {
      const { value, done } = source.next();
      if (done) break;
      place(value);
    }
    if (batch.length === 0) return;
    waiting = still;
    yield Uint32Array.from(batch);
  }
}
