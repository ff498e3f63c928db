/** One vector a sentence, in float64. */

/** f64 [sentences, width] from packed rows `x` f64 [tokens, width] of sentences of the given lengths. */
export function pool(x: ArrayLike<number>, width: number, lengths: readonly number[], pooling: "first" | "mean"): Float64Array {
  const y = new Float64Array(lengths.length * width);
  let start = 0;
  lengths.forEach((length, sentence) => {
    const rows = pooling === "first" ? 1 : length;
    for (let row = start; row < start + rows; row++) {
      for (let c = 0; c < width; c++) y[sentence * width + c]! += x[row * width + c]! / rows;
    }
    start += length;
  });
  return y;
}
