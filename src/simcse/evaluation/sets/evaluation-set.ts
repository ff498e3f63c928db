/** A user's own evaluation sets: the content of each kind, and the result of an evaluation. */
import { DataError } from "../../../errors.ts";
import type { Device } from "../../../gpu/device.ts";
import { show } from "../../../show.ts";
import type { SideEncoders } from "../embed-distinct.ts";

/** Two texts and their similarity as rated by people, on any scale. */
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

/** An anchor, a text that belongs to it, and one that does not. */
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

/** Queries, the texts to search, and for each query's id the grade above 0 of each relevant text's id. */
export interface Retrieval {
  readonly queries: ReadonlyMap<string, string>;
  readonly corpus: ReadonlyMap<string, string>;
  readonly relevant: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** Whether a query does not find the text with its own id, unless that is relevant: it is then the query itself. False if absent. */
  readonly skipsSameId?: boolean;
}

/** The content of each kind of set. */
export interface SetContents {
  readonly "scored pairs": readonly ScoredPair[];
  readonly "labelled pairs": readonly LabelledPair[];
  readonly retrieval: Retrieval;
  readonly triplets: readonly Triplet[];
  readonly "labelled texts": readonly LabelledText[];
}

/** The kinds of evaluation sets. */
export type SetKind = keyof SetContents;

/** A set, with the name that prefixes its metrics, such as a file's name without its extension. */
export type EvaluationSet = {
  readonly [K in SetKind]: { readonly kind: K; readonly name: string; readonly data: SetContents[K] };
}[SetKind];

/** What an evaluation runs on. */
export interface SetOptions extends SideEncoders {
  /** Where texts are ranked and classifiers are trained. */
  readonly device: Device;
  readonly signal?: AbortSignal | undefined;
}

/** One row of a set with the model's result for it; plain values for JSON and tables. */
export type Prediction = Readonly<Record<string, string | number>>;

/** The scores of a set. */
export interface SetScores {
  /** By name, as fractions; NaN where a metric is undefined. */
  readonly metrics: Readonly<Record<string, number>>;
  /** One per row, in the set's order; none if a classifier was trained, which gives no result for a single text. */
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
  /** The measured metrics, by name. */
  readonly metrics: readonly string[];
  /** The set's main metric; higher is better. */
  readonly main: string;
  /** Number of scored rows: pairs, queries, triplets or texts. Throws `DataError` for a row that cannot be scored. */
  readonly count: (data: SetContents[K]) => number;
  readonly score: (data: SetContents[K], options: SetOptions) => Promise<SetScores>;
}
