/** The cosine of f32 vectors without rounding at its ends: that of equal vectors is 1, and not 0.9999999 or 1.0000001, so a threshold of 1 finds them. */

/** How far rounding may take the cosine of equal vectors from 1. */
const rounding = 1e-6;

/** A computed cosine as a number from −1 to 1. */
export function boundedCosine(computed: number): number {
  return computed >= 1 - rounding ? 1 : Math.max(-1, computed);
}
