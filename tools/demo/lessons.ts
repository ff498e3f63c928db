/** What the demo trains on and what it keeps back: descriptions, each with what it describes, in the words that the model reads. */
import { DataError } from "../../src/errors.ts";
import type { Example } from "../../src/io/examples.ts";
import type { EvaluationSet } from "../../src/simcse/evaluation/sets/evaluation-set.ts";
import { holdOut } from "../../src/simcse/evaluation/sets/hold-out.ts";
import { retrievalOf } from "../../src/simcse/evaluation/sets/read-set.ts";
import type { FoundEntry } from "./code-base.ts";
import { type EntryKind, entryKinds } from "./entry.ts";
import { inWords } from "./words.ts";

/** The part of the descriptions that is kept back, by a hash of their texts. */
const heldShare = 0.25;

/** A description and what it describes. */
export const pairsOf = (entries: readonly FoundEntry[]): Example[] =>
  entries.flatMap(({ description, content }) => (description === null ? [] : [{ texts: [description, inWords(content)] }]));

/** Pairs to train on, and an evaluation on the others: each description is looked up among everything that can be found. */
export interface Lessons {
  readonly training: readonly (readonly string[])[];
  readonly held: readonly string[];
  readonly test: Extract<EvaluationSet, { kind: "retrieval" }>;
}

/** Fewer pairs teach nothing that shows. */
const fewestPairs = 30;

/** Throws DataError if the entries of `folder` have too few descriptions. */
export function lessonsOf(entries: readonly FoundEntry[], folder: string): Lessons {
  const pairs = pairsOf(entries);
  if (pairs.length < fewestPairs) {
    throw new DataError(
      `${folder} holds ${pairs.length} descriptions of code, sections or errors; the demo needs ${fewestPairs}.`,
      "Give a folder with more docstrings or paragraphs under headings: --folder.",
    );
  }
  const { training, held } = holdOut(pairs, heldShare);
  const data = retrievalOf(
    held,
    entries.map(({ content }) => inWords(content)),
  );
  return {
    training: training.map(({ texts }) => texts),
    held: [...data.queries.keys()],
    test: { kind: "retrieval", name: "held-out", data },
  };
}

/** How well one kind of description is found. */
export interface KindScore {
  readonly kind: EntryKind | "all";
  readonly queries: number;
  /** Share of the descriptions whose first result is right. */
  readonly accuracy: number;
  /** Mean of 1 / rank of the right result, 0 beyond rank 10. */
  readonly mrr: number;
}

const deepest = 10;

/** Scores by kind, and of all, from the rank of each description's first right result (0: not found). */
export function scoresByKind(ranks: ReadonlyMap<string, number>, entries: readonly FoundEntry[]): KindScore[] {
  const kindOf = new Map(entries.map(({ kind, description }) => [description, kind]));
  const kinds = [...entryKinds.filter((kind) => [...ranks.keys()].some((text) => kindOf.get(text) === kind)), "all" as const];
  return kinds.map((kind) => {
    const own = [...ranks].filter(([text]) => kind === "all" || kindOf.get(text) === kind).map(([, rank]) => rank);
    const mean = (score: (rank: number) => number) => own.reduce((sum, rank) => sum + score(rank), 0) / own.length;
    return {
      kind,
      queries: own.length,
      accuracy: mean((rank) => (rank === 1 ? 1 : 0)),
      mrr: mean((rank) => (rank >= 1 && rank <= deepest ? 1 / rank : 0)),
    };
  });
}
