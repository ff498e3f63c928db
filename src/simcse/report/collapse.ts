/** What is said of a model whose vectors are all alike, as those of one that has collapsed. */

/** A greater mean cosine of different texts is told. Models with fresh weights may begin above it, and leave it as they learn. */
const mostAlike = 0.995;

/** What is wrong and its remedy; null for a model that tells texts apart, or of which nothing is known. */
export function collapseText(meanCosine: number | null | undefined): string | null {
  if (meanCosine === undefined || meanCosine === null || meanCosine <= mostAlike) return null;
  return `The model hardly tells texts apart: different training texts have a mean cosine of ${meanCosine.toFixed(4)}, as in a model that has collapsed. If the loss has not fallen, train again with a lower learning rate (from fresh weights, with the pooler avg); if it still falls, train longer.`;
}
