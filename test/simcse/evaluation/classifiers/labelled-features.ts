/** The data of test/golden/classifiers.py, from the same integers and the same float64 operations. */
import { uniform } from "../../../uniform.ts";

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
