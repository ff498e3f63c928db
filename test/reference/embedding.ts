/** BERT's embedding sum, in float64. */

export interface Embedding {
  readonly width: number;
  readonly ids: ArrayLike<number>;
  readonly positions: ArrayLike<number>;
}

/** f64 [tokens, width]: word row + position row + the first token-type row. */
export function embedding(
  { width, ids, positions }: Embedding,
  word: ArrayLike<number>,
  position: ArrayLike<number>,
  tokenType: ArrayLike<number>,
): Float64Array {
  return Float64Array.from({ length: ids.length * width }, (_, i) => {
    const row = Math.floor(i / width);
    const column = i % width;
    return word[ids[row]! * width + column]! + position[positions[row]! * width + column]! + tokenType[column]!;
  });
}
