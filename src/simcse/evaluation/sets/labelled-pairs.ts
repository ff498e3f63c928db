/** Pairs that belong together or not: how well the cosine separates them. */
import { averagePrecision, bestAccuracy, bestF1 } from "../metrics/binary.ts";
import { pairCosines } from "../pair-cosines.ts";
import { countRows, type SetEvaluator } from "./evaluation-set.ts";

const metrics = ["ap", "accuracy", "accuracy_threshold", "f1", "f1_threshold", "precision", "recall"];
const undefinedMetrics = Object.fromEntries(metrics.map((name) => [name, Number.NaN]));

export const labelledPairs: SetEvaluator<"labelled pairs"> = {
  metrics,
  main: "ap",
  count: (pairs) => countRows(pairs, ({ label }) => label === 0 || label === 1, "expected the label 0 or 1"),
  async score(pairs, { encode }) {
    const cosines = await pairCosines(pairs, encode);
    const labels = pairs.map(({ label }) => label);
    const accuracy = bestAccuracy(cosines, labels);
    const f1 = bestF1(cosines, labels);
    const isOneSided = new Set(labels).size < 2;
    return {
      // Any threshold below all cosines would be right about a single label.
      metrics: isOneSided
        ? undefinedMetrics
        : {
            ap: averagePrecision(cosines, labels),
            accuracy: accuracy.accuracy,
            accuracy_threshold: accuracy.threshold,
            f1: f1.f1,
            f1_threshold: f1.threshold,
            precision: f1.precision,
            recall: f1.recall,
          },
      predictions: pairs.map(({ a, b, label }, i) => ({ a, b, label, cosine: cosines[i]! })),
    };
  },
};
