/** log(1 + Σ exp(x[j] − x[i])) over all pairs in which i has the higher score, in float64. */
export function orderLoss(x: ArrayLike<number>, scores: ArrayLike<number>): number {
  let largest = 0;
  const each = (visit: (exponent: number) => void) => {
    for (let i = 0; i < x.length; i++) for (let j = 0; j < x.length; j++) if (scores[i]! > scores[j]!) visit(x[j]! - x[i]!);
  };
  each((exponent) => {
    largest = Math.max(largest, exponent);
  });
  let sum = Math.exp(-largest);
  each((exponent) => {
    sum += Math.exp(exponent - largest);
  });
  return largest + Math.log(sum);
}
