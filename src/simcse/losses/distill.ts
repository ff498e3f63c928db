/**
 * Distillation: a text's embedding should have the direction of its teacher vector. If `similarityWeight` is not 0, the batch's cosines
 * should also equal those of the teacher:
 *
 *     loss = mean (1 − cos(zᵢ, tᵢ)) + w · mean (cos(zᵢ, zⱼ) − cos(tᵢ, tⱼ))²
 */
import { fill } from "../../kernels/fill.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import { normalize } from "../../kernels/normalize.ts";
import { mul, squaredError, sub, weightedSum } from "../../kernels/pointwise/pointwise.ts";
import { mean, sum } from "../../kernels/sum.ts";
import { splitViews } from "../../kernels/views.ts";
import type { Loss } from "./loss.ts";

/** How a teacher's vectors are used. */
export interface DistillOptions {
  /** Length of a teacher's vector: the model's own dimension. */
  readonly dimension: number;
  /** w, the weight of the similarities within the batch; 0 if absent. */
  readonly similarityWeight?: number;
}

/** The loss for texts with one vector each. */
export function distill({ dimension, similarityWeight = 0 }: DistillOptions): Loss {
  return {
    name: "distill",
    views: [1],
    target: { kind: "vector", width: dimension },
    couples: similarityWeight !== 0,
    record(tape, embeddings, { examples, targets }) {
      const [student] = splitViews(normalize(embeddings), 1, examples);
      const teacher = normalize(targets!);
      const distance = mean(sub(fill(tape, [1], 1), sum(mul(student!, teacher), 1)));
      if (similarityWeight === 0) return distance;
      const similarities = (rows: Value) => matmul(rows, rows, "nt");
      const error = mean(mean(squaredError(similarities(student!), similarities(teacher)), 1));
      return weightedSum(distance, error, 1, similarityWeight);
    },
  };
}
