/** Ranks texts for other texts by the cosine of existing vectors, with the index's exact search. */
import type { Device } from "../../gpu/device.ts";
import type { SideEmbeddings } from "../evaluation/embed-distinct.ts";
import { mostResults, type RowMatch, VectorIndex } from "./vector-index.ts";

/** The input of a ranking. */
export interface RankOptions {
  readonly device: Device;
  /** A vector for every text. */
  readonly vectors: SideEmbeddings;
  /** Candidates to find for each query; at most the number of candidates, and at most what a search can return. */
  readonly topK: number;
}

/**
 * For each of `queries`, the best of `candidates` as their numbers and cosines, the best first. Throws `CapacityError` when the device has
 * no room.
 */
export async function rankTexts(
  queries: readonly string[],
  candidates: readonly string[],
  { device, vectors: { queries: ofQueries, documents: ofCandidates, dimension }, topK }: RankOptions,
): Promise<RowMatch[][]> {
  const rowsOf = (texts: readonly string[], vectorOf: ReadonlyMap<string, Float32Array>) => {
    const rows = new Float32Array(texts.length * dimension);
    for (const [i, text] of texts.entries()) rows.set(vectorOf.get(text)!, i * dimension);
    return rows;
  };
  using index = new VectorIndex(device, dimension);
  index.add(rowsOf(candidates, ofCandidates));
  return await index.search(rowsOf(queries, ofQueries), { topK: Math.min(topK, candidates.length, mostResults) });
}
