/** Sets of one's own to evaluate on: what each kind consists of, and what an evaluation gives. */
import { DataError } from "../../../errors.ts";
import type { Device } from "../../../gpu/device.ts";
import { show } from "../../../show.ts";
import type { Encode } from "../embed-distinct.ts";

/** Two texts and how similar people find them, on any scale. */
export interface ScoredPair {
  readonly a: string;
  readonly b: string;
  readonly score: number;
}

/** Two texts and whether they belong together: 1 or 0. */
export interface LabelledPair {
  readonly a: string;
  readonly b: string;
  readonly label: number;
}

/** A text, one that belongs to it, and one that does not. */
export interface Triplet {
  readonly anchor: string;
  readonly positive: string;
  readonly negative: string;
}

/** A text and the name of its class. */
export interface LabelledText {
  readonly text: string;
  readonly label: string;
}

/** Queries, the texts that are searched, and for each query's id the grade above 0 of each text's id that is relevant. */
export interface Retrieval {
  readonly queries: ReadonlyMap<string, string>;
  readonly corpus: ReadonlyMap<string, string>;
  readonly relevant: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** What each kind of set holds. */
export interface SetContents {
  readonly "scored pairs": readonly ScoredPair[];
  readonly "labelled pairs": readonly LabelledPair[];
  readonly retrieval: Retrieval;
  readonly triplets: readonly Triplet[];
  readonly "labelled texts": readonly LabelledText[];
}

/** The kinds of evaluation sets. */
export type SetKind = keyof SetContents;

/** A set with the name that its metrics carry, such as a file's without its ending. */
export type EvaluationSet = {
  readonly [K in SetKind]: { readonly kind: K; readonly name: string; readonly data: SetContents[K] };
}[SetKind];

/** What an evaluation runs on. */
export interface SetOptions {
  readonly encode: Encode;
  /** Where texts are ranked and classifiers trained. */
  readonly device: Device;
  readonly signal?: AbortSignal;
}

/** One row of a set with what the model made of it; plain values that JSON and tables take. */
export type Prediction = Readonly<Record<string, string | number>>;

/** What a set scored. */
export interface SetScores {
  /** By name, as fractions; NaN where a metric is undefined. */
  readonly metrics: Readonly<Record<string, number>>;
  /** One a row, in the set's order; none where a classifier was trained, which has no verdict of its own on a single text. */
  readonly predictions: readonly Prediction[];
}

/** Throws `DataError` naming the first row for which `fits` is false; returns how many rows there are. */
export function countRows<Row>(rows: readonly Row[], fits: (row: Row) => boolean, expected: string): number {
  const bad = rows.findIndex((row) => !fits(row));
  if (bad === -1) return rows.length;
  throw new DataError(`Row ${bad + 1} is ${show(rows[bad])}: ${expected}.`, "Correct the row, or leave it out.");
}

/** How a kind of set is scored. */
export interface SetEvaluator<K extends SetKind> {
  /** What is measured, by name. */
  readonly metrics: readonly string[];
  /** The metric that stands for the set; higher is better. */
  readonly main: string;
  /** Rows that are scored: pairs, queries, triplets or texts. Throws `DataError` for a row that cannot be. */
  readonly count: (data: SetContents[K]) => number;
  readonly score: (data: SetContents[K], options: SetOptions) => Promise<SetScores>;
}
