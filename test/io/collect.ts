/** All items of a stream as an array (`Array.fromAsync`, which Node 20 lacks). */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}
