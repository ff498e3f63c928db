/** Triplets: how often the text that belongs to the anchor is nearer to it than the one that does not. */
import { embedDistinct } from "../embed-distinct.ts";
import { cosine } from "../metrics/cosine.ts";
import { mean } from "../metrics/mean.ts";
import type { SetEvaluator } from "./evaluation-set.ts";

export const triplets: SetEvaluator<"triplets"> = {
  metrics: ["accuracy"],
  main: "accuracy",
  count: (rows) => rows.length,
  async score(rows, { encode }) {
    const { vectors } = await embedDistinct(
      encode,
      rows.flatMap(({ anchor, positive, negative }) => [anchor, positive, negative]),
    );
    const predictions = rows.map(({ anchor, positive, negative }) => ({
      anchor,
      positive,
      negative,
      positive_cosine: cosine(vectors.get(anchor)!, vectors.get(positive)!),
      negative_cosine: cosine(vectors.get(anchor)!, vectors.get(negative)!),
    }));
    const right = predictions.map(({ positive_cosine, negative_cosine }) => (positive_cosine > negative_cosine ? 1 : 0));
    return { metrics: { accuracy: mean(right) }, predictions };
  },
};
