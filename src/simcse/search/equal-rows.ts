/** Rows with the same numbers, as repeated texts have them. */
import type { Embeddings } from "../embedding/embeddings.ts";

/** The different rows of vectors. */
export interface DifferentRows {
  /** The different rows, in the order of their first places. */
  readonly vectors: Embeddings;
  /** The rows that each of them stands for, in ascending order. */
  readonly places: readonly (readonly number[])[];
}

/** Finds the rows of f32 vectors that have the same bits. */
export function differentRows({ length, dimension, data }: Embeddings): DifferentRows {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const isSame = (a: number, b: number) => {
    let i = 0;
    while (i < dimension && words[a * dimension + i] === words[b * dimension + i]) i++;
    return i === dimension;
  };
  const places: number[][] = [];
  const byHash = new Map<number, number[][]>();
  for (let row = 0; row < length; row++) {
    // FNV-1a, a word at a time.
    let hash = 0x811c9dc5;
    for (let i = 0; i < dimension; i++) hash = Math.imul(hash ^ words[row * dimension + i]!, 0x01000193);
    const alike = byHash.get(hash) ?? [];
    byHash.set(hash, alike);
    const known = alike.find(([first]) => isSame(first!, row));
    if (known !== undefined) {
      known.push(row);
      continue;
    }
    const own = [row];
    alike.push(own);
    places.push(own);
  }
  if (places.length === length) return { vectors: { length, dimension, data }, places };
  const rows = new Float32Array(places.length * dimension);
  for (const [at, [first]] of places.entries()) rows.set(data.subarray(first! * dimension, (first! + 1) * dimension), at * dimension);
  return { vectors: { length: places.length, dimension, data: rows }, places };
}
