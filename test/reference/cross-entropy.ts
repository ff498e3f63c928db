/** −log softmax(row i)[i] for each row of a matrix with at least as many columns, in float64. */
export function crossEntropy(logits: Float64Array, columns: number): Float64Array {
  return Float64Array.from({ length: logits.length / columns }, (_, row) => {
    const values = logits.subarray(row * columns, (row + 1) * columns);
    const largest = values.reduce((a, b) => Math.max(a, b));
    return largest + Math.log(values.reduce((sum, v) => sum + Math.exp(v - largest), 0)) - values[row]!;
  });
}

/** The targets of a row's softmax: see `CrossEntropyOptions`. */
export interface RowOptions {
  readonly labels?: Uint32Array;
  readonly hardColumns?: number;
  readonly hardWeight?: number;
  readonly smoothing?: number;
}

/** The same for rows of `columns` logits and `hardColumns` more, with a target and a weight of one's own. */
export function generalCrossEntropy(rows: Float64Array, columns: number, options: RowOptions): Float64Array {
  const { labels, hardColumns = 0, hardWeight = 0, smoothing = 0 } = options;
  const width = columns + hardColumns;
  return Float64Array.from({ length: rows.length / width }, (_, row) => {
    const values = rows.slice(row * width, (row + 1) * width);
    if (hardColumns > 0) values[columns + row]! += hardWeight;
    const largest = values.reduce((a, b) => Math.max(a, b));
    const whole = largest + Math.log(values.reduce((sum, v) => sum + Math.exp(v - largest), 0));
    const logProbabilities = values.map((value) => value - whole);
    const mean = logProbabilities.reduce((sum, value) => sum + value, 0) / width;
    return -(1 - smoothing) * logProbabilities[labels?.[row] ?? row]! - smoothing * mean;
  });
}
