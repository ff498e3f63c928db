/**
 * What the classifiers of a task are trained on, and how: features, folds, strengths of regularisation, SentEval's settings. Only types.
 */
import type { UpdateRule } from "../../../kernels/classifiers.ts";

/** How a classifier is trained. */
export interface ClassifierSettings {
  readonly optimizer: UpdateRule;
  readonly batchSize: number;
  /** How many rounds without a better dev accuracy are allowed, in total and not in a row. The next one ends the training. */
  readonly tenacity: number;
  /** Passes over the data in a round. */
  readonly epochSize: number;
}

/** Frozen features with their classes. */
export interface ClassifierData {
  /** f32 [rows, dimension], row-major. */
  readonly features: Float32Array;
  readonly dimension: number;
  /** The class of each row, below `classes`. */
  readonly labels: Uint32Array;
  readonly classes: number;
}

/** Row numbers for training (`train`), for stopping and choosing (`dev`), and for the result (`test`). No row is in two of them. */
export interface Fold {
  readonly train: Uint32Array;
  readonly dev: Uint32Array;
  readonly test: Uint32Array;
}

/** A classifier to train. */
export interface Candidate {
  readonly fold: Fold;
  /** λ of the L2 regularisation. */
  readonly strength: number;
}

/** A classifier in training, with the best round so far. */
export interface Contender extends Candidate {
  /** Dev rows that the best round classified correctly; −1 before the first round. */
  bestRight: number;
  /** The four counts of the best round, see `tallyClassifiers`. */
  test: Uint32Array;
  /** Rounds without an improvement. */
  misses: number;
}
