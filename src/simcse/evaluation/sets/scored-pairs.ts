/** Pairs with a score: correlation of the cosine with it, as the STS tasks are scored. */
import { embedDistinct } from "../embed-distinct.ts";
import { pearson, spearman } from "../metrics/correlation.ts";
import { cosine } from "../metrics/cosine.ts";
import { countRows, type SetEvaluator } from "./evaluation-set.ts";

export const scoredPairs: SetEvaluator<"scored pairs"> = {
  metrics: ["spearman", "pearson"],
  main: "spearman",
  count: (pairs) => countRows(pairs, ({ score }) => Number.isFinite(score), "expected a score that is a finite number"),
  async score(pairs, { encode }) {
    const { vectors } = await embedDistinct(
      encode,
      pairs.flatMap(({ a, b }) => [a, b]),
    );
    const cosines = pairs.map(({ a, b }) => cosine(vectors.get(a)!, vectors.get(b)!));
    const gold = pairs.map(({ score }) => score);
    return {
      metrics: { spearman: spearman(cosines, gold), pearson: pearson(cosines, gold) },
      predictions: pairs.map(({ a, b, score }, i) => ({ a, b, score, cosine: cosines[i]! })),
    };
  },
};
