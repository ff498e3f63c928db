/** A stream taken apart into windows: as much as is worth sorting by length, and no more than fits any memory. */
export const windowSentences = 4096;

/** The items of `source` in arrays of `windowSentences`, the last one shorter; the source is asked for more only when a window is wanted. */
export async function* windows<T>(source: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T[]> {
  let window: T[] = [];
  for await (const item of source) {
    window.push(item);
    if (window.length < windowSentences) continue;
    yield window;
    window = [];
  }
  if (window.length > 0) yield window;
}
