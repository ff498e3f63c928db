/** −log softmax(row i)[i] for each row of a matrix with at least as many columns, in float64. */
export function crossEntropy(logits: Float64Array, columns: number): Float64Array {
  return Float64Array.from({ length: logits.length / columns }, (_, row) => {
    const values = logits.subarray(row * columns, (row + 1) * columns);
    const largest = values.reduce((a, b) => Math.max(a, b));
    return largest + Math.log(values.reduce((sum, v) => sum + Math.exp(v - largest), 0)) - values[row]!;
  });
}
