/** Queries with relevant texts among others. Every text is ranked for every query by the index's exact search on the GPU. */
import { rankTexts } from "../../search/rank-texts.ts";
import { embedDistinct } from "../embed-distinct.ts";
import { deepestCutoff, rankingMetrics, rankingScores } from "../metrics/ranking.ts";
import type { Retrieval, SetEvaluator } from "./evaluation-set.ts";

export const retrieval: SetEvaluator<"retrieval"> = {
  metrics: rankingMetrics,
  main: "mrr@10",
  count: (data) => answerable(data).length,
  async score(data, { encode, device, signal }) {
    const { queries, corpus, relevant } = data;
    const { vectors, dimension } = await embedDistinct(encode, [...queries.values(), ...corpus.values()]);
    signal?.throwIfAborted();
    const asked = answerable(data);
    const ids = [...corpus.keys()];
    const found = await rankTexts(
      asked.map(([, text]) => text),
      [...corpus.values()],
      { device, vectors, dimension, topK: deepestCutoff },
    );
    const ranked = asked.map(([id], i) => ({ ranked: found[i]!.map(({ row }) => ids[row]!), relevant: relevant.get(id)! }));
    const predictions = asked.map(([id, query], i) => {
      const { ranked: order, relevant: wanted } = ranked[i]!;
      const best = order.findIndex((document) => wanted.has(document));
      return {
        query_id: id,
        query,
        // 0: not among the results.
        rank_of_first_relevant: best + 1,
        first: corpus.get(order[0]!) ?? "",
        first_cosine: found[i]![0]?.score ?? Number.NaN,
      };
    });
    return { metrics: rankingScores(ranked), predictions };
  },
};

/** Queries that have a relevant text in the corpus. The others are left out, because no measure is defined for them. */
function answerable({ queries, corpus, relevant }: Retrieval): [id: string, text: string][] {
  return [...queries].filter(([id]) => [...(relevant.get(id)?.keys() ?? [])].some((document) => corpus.has(document)));
}
