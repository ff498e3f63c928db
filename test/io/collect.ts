/** Everything a stream gives, as an array (`Array.fromAsync`, which Node 20 has not). */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}
