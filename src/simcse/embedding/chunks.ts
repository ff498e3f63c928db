/** A stream as a list or in chunks, and stages of work on chunks that run at the same time. */

/** Large enough that sorting by length pays off, small enough for any memory. */
export const chunkSentences = 4096;

/**
 * The first chunk is smaller, as much as a large batch, and the next ones grow. So the device has work while most texts are not tokenised
 * yet.
 */
const firstChunk = 1024;

/**
 * The items of `source` in arrays of 1,024, 2,048 and then `chunkSentences`; the last one is shorter. The source is read only when a chunk is
 * needed.
 */
export async function* chunks<T>(source: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T[]> {
  let chunk: T[] = [];
  let size = firstChunk;
  for await (const item of source) {
    chunk.push(item);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
    size = Math.min(2 * size, chunkSentences);
  }
  if (chunk.length > 0) yield chunk;
}

/** The items of `source` as a list. */
export async function collected<T>(source: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of source) list.push(item);
  return list;
}

/** What `work` makes of each item, in order, one after another. */
export async function* each<T, R>(source: AsyncIterable<T>, work: (item: T) => Promise<R>): AsyncGenerator<R> {
  for await (const item of source) yield await work(item);
}

/** The items of `source`, each requested while the one before it is used. An error comes after the items before it. */
export async function* ahead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  const request = () => {
    const coming = source.next();
    coming.catch(() => {});
    return coming;
  };
  let coming = request();
  try {
    for (;;) {
      const { value, done } = await coming;
      if (done) return;
      coming = request();
      yield value;
    }
  } finally {
    await source.return(undefined);
  }
}
