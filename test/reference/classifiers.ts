/** Softmax regression in float64, one classifier at a time, from its definition. */

/** Logits' gradient of the mean cross-entropy over the rows that count, and what each row chooses. `logits` is [rows][classes]. */
export function logitGradient(logits: readonly number[][], labels: readonly number[], counts: readonly boolean[]): number[][] {
  const own = counts.filter(Boolean).length;
  return logits.map((row, r) => {
    const highest = Math.max(...row);
    const exps = row.map((z) => Math.exp(z - highest));
    const sum = exps.reduce((a, b) => a + b);
    return exps.map((e, c) => (counts[r] ? (e / sum - (c === labels[r] ? 1 : 0)) / own : 0));
  });
}

/** The first class with the highest logit. */
export function choice(logits: readonly number[]): number {
  return logits.indexOf(Math.max(...logits));
}
