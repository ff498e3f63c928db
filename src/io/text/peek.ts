/** A look at the beginning of a stream before the stream is read. */

/** A stream that is being read. */
export interface OpenStream<T> extends AsyncIterable<T> {
  next(): Promise<IteratorResult<T, undefined>>;
  /** Closes the stream and what it reads from, also where nothing was read yet, which a generator does not. */
  return(): Promise<IteratorResult<T, undefined>>;
}

/** The first item of a stream, undefined if there is none, and the stream with `all` items, to be read or closed. */
export async function peeked<T>(items: AsyncIterable<T>): Promise<{ readonly first: T | undefined; readonly all: OpenStream<T> }> {
  const iterator = items[Symbol.asyncIterator]();
  const { done, value } = await iterator.next();
  return done ? { first: undefined, all: startingWith([], iterator) } : { first: value, all: startingWith([value], iterator) };
}

/** A stream of `items` and then those of `rest`. */
export function startingWith<T>(items: readonly T[], rest: AsyncIterator<T>): OpenStream<T> {
  let next = 0;
  const stream: OpenStream<T> = {
    next: () => (next < items.length ? Promise.resolve({ done: false, value: items[next++]! }) : rest.next()),
    async return() {
      next = items.length;
      await rest.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => stream,
  };
  return stream;
}

/** What `open` makes of a stream, which is closed if that fails. */
export async function orClosed<T>(stream: OpenStream<unknown>, open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    await stream.return();
    throw error;
  }
}
