/**
 * How well a ranking finds the relevant documents of a query: accuracy, precision, recall, MRR, nDCG and MAP at cut-offs.
 *
 * With relevances of 0 and 1 the values are those of sentence-transformers' `InformationRetrievalEvaluator`. In nDCG, graded relevances are
 * the gains, as in trec_eval; every other measure counts a grade above 0 as relevant.
 */
import { mean } from "./mean.ts";

/** The search result of a query: documents, the best first, and the grade above 0 of each relevant document. */
export interface RankedQuery<Document> {
  readonly ranked: readonly Document[];
  readonly relevant: ReadonlyMap<Document, number>;
}

/** Cut-offs that are reported. */
const rankingCutoffs = {
  accuracy: [1, 3, 5, 10],
  precision: [1, 3, 5, 10],
  recall: [1, 3, 5, 10],
  mrr: [10],
  ndcg: [10],
  map: [100],
} as const;

/** The longest ranking that any measure uses. */
export const deepestCutoff = Math.max(...Object.values(rankingCutoffs).flat());

type Measure = keyof typeof rankingCutoffs;

/** A query's value of each measure at cut-off `k`. */
const measures: Readonly<Record<Measure, (query: RankedQuery<unknown>, k: number) => number>> = {
  accuracy: (query, k) => (hits(query, k).length > 0 ? 1 : 0),
  precision: (query, k) => hits(query, k).length / k,
  recall: (query, k) => hits(query, k).length / query.relevant.size,
  mrr: (query, k) => {
    const first = hits(query, k)[0];
    return first === undefined ? 0 : 1 / (first + 1);
  },
  ndcg: ({ ranked, relevant }, k) => {
    const ideal = [...relevant.values()].sort((a, b) => b - a);
    return (
      discountedGain(
        ranked.map((document) => relevant.get(document) ?? 0),
        k,
      ) / discountedGain(ideal, k)
    );
  },
  map: (query, k) => {
    const precisions = hits(query, k).map((rank, found) => (found + 1) / (rank + 1));
    return precisions.reduce((sum, precision) => sum + precision, 0) / Math.min(k, query.relevant.size);
  },
};

const cuts = (Object.keys(rankingCutoffs) as Measure[]).flatMap((measure) => rankingCutoffs[measure].map((k) => [measure, k] as const));

/** The names of all scores: `accuracy@1`, …, `mrr@10`, `ndcg@10`, `map@100`. */
export const rankingMetrics: readonly string[] = cuts.map(([measure, k]) => `${measure}@${k}`);

/** Means over queries, which must each have something relevant, by the names of `rankingMetrics`; NaN over no queries. */
export function rankingScores<Document>(queries: readonly RankedQuery<Document>[]): Record<string, number> {
  return Object.fromEntries(cuts.map(([measure, k]) => [`${measure}@${k}`, mean(queries.map((query) => measures[measure](query, k)))]));
}

/** Ranks, from 0, of the relevant documents among the first `k`. */
function hits({ ranked, relevant }: RankedQuery<unknown>, k: number): number[] {
  return ranked.slice(0, k).flatMap((document, rank) => (relevant.has(document) ? [rank] : []));
}

/** Σ gainᵢ / log₂(i + 2) over the first `k`. */
function discountedGain(gains: readonly number[], k: number): number {
  return gains.slice(0, k).reduce((sum, gain, i) => sum + gain / Math.log2(i + 2), 0);
}
