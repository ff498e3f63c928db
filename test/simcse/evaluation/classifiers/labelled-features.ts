/** The data of test/golden/classifiers.py, from the same integers and the same float64 operations. */

/** `uniform`: multiples of 2⁻²⁰ in [−1, 1) from a 32-bit linear congruential generator (Numerical Recipes). */
export function uniform(seed: number, count: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return (state >>> 11) / 2 ** 20 - 1;
  });
}

/** `labelled`: features, and the class of the largest of noisy linear scores. */
export function labelledFeatures(seed: number, rows: number, dimension: number, classes: number, noise: number) {
  const x = uniform(seed, rows * dimension);
  const directions = uniform(seed + 1, classes * dimension);
  const noises = uniform(seed + 2, rows * classes);
  const labels = Uint32Array.from({ length: rows }, (_, r) => {
    const scores = Array.from({ length: classes }, (_, c) => {
      let score = noise * noises[r * classes + c]!;
      for (let k = 0; k < dimension; k++) score += x[r * dimension + k]! * directions[c * dimension + k]!;
      return score;
    });
    return scores.indexOf(Math.max(...scores));
  });
  return { x, labels };
}
