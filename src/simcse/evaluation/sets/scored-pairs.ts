/** Pairs with a score: correlation of the cosine with the score, like the STS tasks. */
import { pearson, spearman } from "../metrics/correlation.ts";
import { pairCosines } from "../pair-cosines.ts";
import { countRows, type SetEvaluator } from "./evaluation-set.ts";

export const scoredPairs: SetEvaluator<"scored pairs"> = {
  metrics: ["spearman", "pearson"],
  main: "spearman",
  count: (pairs) => countRows(pairs, ({ score }) => Number.isFinite(score), "expected a score that is a finite number"),
  async score(pairs, { encode }) {
    const cosines = await pairCosines(pairs, encode);
    const gold = pairs.map(({ score }) => score);
    return {
      metrics: { spearman: spearman(cosines, gold), pearson: pearson(cosines, gold) },
      predictions: pairs.map(({ a, b, score }, i) => ({ a, b, score, cosine: cosines[i]! })),
    };
  },
};
