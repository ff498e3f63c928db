/**
 * How well a score separates two classes: average precision, and the best accuracy and F1 of any threshold on the score.
 *
 * Pairs of equal score are on one side of every threshold. The values are those of scikit-learn (`average_precision_score`) and of
 * sentence-transformers' `BinaryClassificationEvaluator`.
 */
import { DataError, ShapeError } from "../../../errors.ts";
import { show } from "../../../show.ts";
import { checkNumbers } from "./check-numbers.ts";

/** The best accuracy of any threshold. A score of at least `threshold` counts as positive. */
export interface BestAccuracy {
  readonly accuracy: number;
  readonly threshold: number;
}

/** The best F1 of any threshold, with the precision and recall there; NaN threshold where no label is positive. */
export interface BestF1 {
  readonly f1: number;
  readonly precision: number;
  readonly recall: number;
  readonly threshold: number;
}

/** Counts above a threshold between two neighbouring scores. */
interface Cut {
  readonly threshold: number;
  /** Pairs above the threshold, and how many of them are positive. */
  readonly above: number;
  readonly positivesAbove: number;
}

/**
 * Area under the precision–recall curve of `scores` [n] for `labels` [n], where 1 is positive: Σ (Rₖ − Rₖ₋₁)·Pₖ over the distinct scores in
 * descending order. NaN where no label is positive.
 * @throws ShapeError when the lengths differ, DataError for a label other than 0 and 1 and for a score that is NaN or no number.
 */
export function averagePrecision(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  const positives = countPositives(labels);
  if (positives === 0) return Number.NaN;
  let area = 0;
  let before = 0;
  for (const { above, positivesAbove } of cuts(scores, labels)) {
    area += ((positivesAbove - before) / positives) * (positivesAbove / above);
    before = positivesAbove;
  }
  return area;
}

/**
 * The threshold on `scores` [n] that classifies most of `labels` [n] (0 or 1) correctly. The threshold is
 * +∞ where none does better than calling every pair negative.
 * @throws ShapeError when the lengths differ, DataError for a label other than 0 and 1 and for a score that is NaN or no number.
 */
export function bestAccuracy(scores: ArrayLike<number>, labels: ArrayLike<number>): BestAccuracy {
  const negatives = labels.length - countPositives(labels);
  let best: BestAccuracy = { accuracy: negatives / labels.length, threshold: Number.POSITIVE_INFINITY };
  for (const { threshold, above, positivesAbove } of cuts(scores, labels)) {
    const accuracy = (positivesAbove + negatives - (above - positivesAbove)) / labels.length;
    if (accuracy > best.accuracy) best = { accuracy, threshold };
  }
  return best;
}

/**
 * The threshold on `scores` [n] with the highest F1 of the positive ones among `labels` [n].
 * @throws ShapeError when the lengths differ, DataError for a label other than 0 and 1 and for a score that is NaN or no number.
 */
export function bestF1(scores: ArrayLike<number>, labels: ArrayLike<number>): BestF1 {
  const positives = countPositives(labels);
  let best: BestF1 = { f1: 0, precision: 0, recall: 0, threshold: Number.NaN };
  for (const { threshold, above, positivesAbove } of cuts(scores, labels)) {
    if (positivesAbove === 0) continue;
    const precision = positivesAbove / above;
    const recall = positivesAbove / positives;
    const f1 = (2 * precision * recall) / (precision + recall);
    if (f1 > best.f1) best = { f1, precision, recall, threshold };
  }
  return best;
}

/** The cut after each distinct score, in descending order. The threshold is halfway to the next score, or the lowest score itself. */
function* cuts(scores: ArrayLike<number>, labels: ArrayLike<number>): Generator<Cut> {
  if (scores.length !== labels.length) {
    throw new ShapeError(`There are ${scores.length} scores and ${labels.length} labels.`, "Give one score and one label for each pair.");
  }
  checkNumbers(scores);
  const order = Uint32Array.from({ length: scores.length }, (_, i) => i).sort((i, j) => scores[j]! - scores[i]!);
  let positivesAbove = 0;
  for (const [i, row] of order.entries()) {
    if (isPositive(labels, row)) positivesAbove++;
    const score = scores[row]!;
    if (Number.isNaN(score)) throw new DataError(`Score ${row} is NaN, which no threshold separates.`, "Leave the pair out.");
    const next = i + 1 < order.length ? scores[order[i + 1]!]! : null;
    if (next === score) continue;
    const halfway = next === null ? score : (score + next) / 2;
    // The midpoint of neighbouring doubles may round to the lower one, which belongs below.
    yield { threshold: halfway === next ? score : halfway, above: i + 1, positivesAbove };
  }
}

function countPositives(labels: ArrayLike<number>): number {
  let found = 0;
  for (let i = 0; i < labels.length; i++) if (isPositive(labels, i)) found++;
  return found;
}

/** Whether a label is 1. Programs in JavaScript may have true and false. Throws `DataError` for one that is of neither class. */
function isPositive(labels: ArrayLike<unknown>, at: number): boolean {
  const label = labels[at];
  if (label === 1 || label === true) return true;
  if (label === 0 || label === false) return false;
  throw new DataError(`Label ${at} is ${show(label)}.`, "Give 1 for a positive pair and 0 for any other.");
}
