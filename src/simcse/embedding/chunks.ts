/** Splits a long list or a stream into chunks: large enough that sorting by length pays off, small enough for any memory. */
export const chunkSentences = 4096;

/** The items of `source` in arrays of `chunkSentences`; the last one is shorter. The source is read only when a chunk is needed. */
export async function* chunks<T>(source: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T[]> {
  let chunk: T[] = [];
  for await (const item of source) {
    chunk.push(item);
    if (chunk.length < chunkSentences) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
