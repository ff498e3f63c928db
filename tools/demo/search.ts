/** The demo's two searches, and its measurement: each description is looked up among all that can be found. */
import { evaluateSet } from "../../src/simcse/evaluation/sets/evaluate-set.ts";
import type { SimCSE } from "../../src/simcse/simcse-node.ts";
import type { FoundEntry } from "./code-base.ts";
import { type KindScore, type Lessons, scoresByKind } from "./lessons.ts";
import type { Found } from "./page.ts";
import { inWords } from "./words.ts";

/** The best three for each question. */
const shown = 3;

/** The best descriptions for each question. */
export async function searchDescriptions(simcse: SimCSE, entries: readonly FoundEntry[], questions: readonly string[]): Promise<Found[][]> {
  const described = entries.filter(({ description }) => description !== null);
  await simcse.buildIndex(described.map(({ description }) => description!));
  return search(simcse, questions, (row) => foundAt(described[row]!, described[row]!.description!));
}

/** How well a state of the model finds what entries contain. */
export interface Measured {
  readonly scores: readonly KindScore[];
  /** The best contents for each question. */
  readonly found: readonly (readonly Found[])[];
}

/** Scores the held-out descriptions and answers the questions, with vectors that are made once for both. */
export async function measure(
  simcse: SimCSE,
  entries: readonly FoundEntry[],
  { test }: Lessons,
  questions: readonly string[],
): Promise<Measured> {
  const contents = entries.map(({ content }) => inWords(content));
  const vectors = await simcse.encode(contents);
  const known = new Map(contents.map((text, row) => [text, vectors.data.subarray(row * vectors.dimension, (row + 1) * vectors.dimension)]));
  const encode = async (texts: string[]) => {
    const others = texts.filter((text) => !known.has(text));
    const { data, dimension } = await simcse.encode(others);
    const all = new Float32Array(texts.length * dimension);
    let other = 0;
    for (const [row, text] of texts.entries()) {
      const vector = known.get(text) ?? data.subarray(other * dimension, ++other * dimension);
      all.set(vector, row * dimension);
    }
    return all;
  };
  const { predictions } = await evaluateSet(test, { encode, device: simcse.model.device });
  const ranks = new Map(predictions.map(({ query, rank_of_first_relevant: rank }) => [query as string, rank as number]));
  await simcse.buildIndex(contents, { vectors });
  const found = await search(simcse, questions, (row) => foundAt(entries[row]!, entries[row]!.content));
  return { scores: scoresByKind(ranks, entries), found };
}

async function search(simcse: SimCSE, questions: readonly string[], at: (row: number) => Omit<Found, "score">): Promise<Found[][]> {
  const results = await simcse.search(questions, { topK: shown, threshold: -1 });
  return results.map((found) => found.map(({ id, score }) => ({ score, ...at(id as number) })));
}

const foundAt = ({ path, line }: FoundEntry, text: string) => ({ text, place: `${path}:${line}` });
