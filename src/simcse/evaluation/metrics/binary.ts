/**
 * How well a score separates two classes: average precision, and the best accuracy and F1 of any threshold on the score.
 *
 * Pairs of equal score are on one side of every threshold. The values are those of scikit-learn (`average_precision_score`) and of
 * sentence-transformers' `BinaryClassificationEvaluator`.
 */
import { ShapeError } from "../../../errors.ts";

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
 * @throws ShapeError when the lengths differ.
 */
export function averagePrecision(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  const positives = count(labels, 1);
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
 * @throws ShapeError when the lengths differ.
 */
export function bestAccuracy(scores: ArrayLike<number>, labels: ArrayLike<number>): BestAccuracy {
  const negatives = labels.length - count(labels, 1);
  let best: BestAccuracy = { accuracy: negatives / labels.length, threshold: Number.POSITIVE_INFINITY };
  for (const { threshold, above, positivesAbove } of cuts(scores, labels)) {
    const accuracy = (positivesAbove + negatives - (above - positivesAbove)) / labels.length;
    if (accuracy > best.accuracy) best = { accuracy, threshold };
  }
  return best;
}

/**
 * The threshold on `scores` [n] with the highest F1 of the positive ones among `labels` [n].
 * @throws ShapeError when the lengths differ.
 */
export function bestF1(scores: ArrayLike<number>, labels: ArrayLike<number>): BestF1 {
  const positives = count(labels, 1);
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
  const order = Uint32Array.from({ length: scores.length }, (_, i) => i).sort((i, j) => scores[j]! - scores[i]!);
  let positivesAbove = 0;
  for (const [i, row] of order.entries()) {
    if (labels[row] === 1) positivesAbove++;
    const score = scores[row]!;
    const next = i + 1 < order.length ? scores[order[i + 1]!]! : null;
    if (next === score) continue;
    const halfway = next === null ? score : (score + next) / 2;
    // The midpoint of neighbouring doubles may round to the lower one, which belongs below.
    yield { threshold: halfway === next ? score : halfway, above: i + 1, positivesAbove };
  }
}

function count(labels: ArrayLike<number>, wanted: number): number {
  let found = 0;
  for (let i = 0; i < labels.length; i++) if (labels[i] === wanted) found++;
  return found;
}
