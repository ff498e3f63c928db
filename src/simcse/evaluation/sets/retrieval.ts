/** Queries with relevant texts among others. Every text is ranked for every query by the index's exact search on the GPU. */
import { rankTexts } from "../../search/rank-texts.ts";
import { embedSides } from "../embed-distinct.ts";
import { deepestCutoff, rankingMetrics, rankingScores } from "../metrics/ranking.ts";
import type { Retrieval, SetEvaluator } from "./evaluation-set.ts";

export const retrieval: SetEvaluator<"retrieval"> = {
  metrics: rankingMetrics,
  main: "mrr@10",
  count: (data) => answerable(data).length,
  async score(data, options) {
    const { corpus, relevant, skipsSameId = false } = data;
    const asked = answerable(data);
    const vectors = await embedSides(
      asked.map(([, text]) => text),
      [...corpus.values()],
      options,
    );
    options.signal?.throwIfAborted();
    const ids = [...corpus.keys()];
    const ranking = await rankTexts(
      asked.map(([, text]) => text),
      [...corpus.values()],
      { device: options.device, vectors, topK: deepestCutoff + (skipsSameId ? 1 : 0) },
    );
    const found = asked.map(([id], i) =>
      ranking[i]!.map(({ row, score }) => ({ document: ids[row]!, score }))
        .filter(({ document }) => !skipsSameId || document !== id || relevant.get(id)!.has(document))
        .slice(0, deepestCutoff),
    );
    const ranked = asked.map(([id], i) => ({ ranked: found[i]!.map(({ document }) => document), relevant: relevant.get(id)! }));
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
