/**
 * Alignment and uniformity of an embedding space (Wang and Isola 2020): how close positive pairs are, and how evenly all vectors are
 * spread.
 *
 * Both are computed on the unit sphere; lower is better. SimCSE reports them on STS-B: positive pairs are those with a gold score above 4,
 * the data are all its sentences (SimCSE, section 3). They explain a Spearman score; they do not replace one.
 */
import { ShapeError } from "../../../errors.ts";
import { type Encode, embedDistinct } from "../embed-distinct.ts";
import type { StsPair } from "../senteval/sts-files.ts";

/** SimCSE counts an STS-B pair as positive above this gold score (of 5). */
const POSITIVE_SCORE = 4;

/** Alignment, uniformity, and the numbers of pairs and sentences behind them. */
export interface AlignmentReport {
  readonly alignment: number;
  readonly uniformity: number;
  /** Pairs with a gold score above `POSITIVE_SCORE`. */
  readonly positivePairs: number;
  /** Distinct sentences. */
  readonly sentences: number;
}

/**
 * Alignment over the positive ones of `pairs` and uniformity over all their distinct sentences, which `encode` embeds once.
 *
 * Takes quadratic time in the number of distinct sentences: meant for a dev set, not for a corpus.
 * @throws ShapeError for embeddings of the wrong size.
 */
export async function alignmentAndUniformity(pairs: readonly StsPair[], encode: Encode): Promise<AlignmentReport> {
  const { vectors } = await embedDistinct(
    encode,
    pairs.flatMap(({ a, b }) => [a, b]),
  );
  const positive = pairs.filter(({ score }) => score > POSITIVE_SCORE);
  return {
    alignment: alignment(positive.map(({ a, b }) => [vectors.get(a)!, vectors.get(b)!])),
    uniformity: uniformity([...vectors.values()]),
    positivePairs: positive.length,
    sentences: vectors.size,
  };
}

/** Mean of ‖x̂ − ŷ‖² over pairs of vectors, each scaled to unit length, in float64; 0 at best, NaN over no pairs (α = 2 in the paper). */
export function alignment(pairs: readonly (readonly [Float32Array, Float32Array])[]): number {
  let total = 0;
  for (const [x, y] of pairs) total += squaredDistance(unit(x), unit(y));
  return total / pairs.length;
}

/**
 * Logarithm of the mean of exp(−2‖x̂ − ŷ‖²) over all unordered pairs of different rows, each scaled to unit length, in float64
 * (t = 2 in the paper). From 0, all in one point, to about −4, uniform on a sphere of many dimensions; NaN for less than two vectors.
 */
export function uniformity(vectors: readonly Float32Array[]): number {
  const units = vectors.map(unit);
  let total = 0;
  for (let i = 1; i < units.length; i++) for (let j = 0; j < i; j++) total += Math.exp(-2 * squaredDistance(units[i]!, units[j]!));
  return Math.log(total / ((units.length * (units.length - 1)) / 2));
}

function unit(vector: Float32Array): Float64Array {
  const norm = Math.sqrt(vector.reduce((total, value) => total + value * value, 0));
  return Float64Array.from(vector, (value) => value / norm);
}

function squaredDistance(x: Float64Array, y: Float64Array): number {
  if (x.length !== y.length)
    throw new ShapeError(`Vectors of ${x.length} and ${y.length} numbers have no distance.`, "Give vectors of one model.");
  let total = 0;
  for (let i = 0; i < x.length; i++) {
    const difference = x[i]! - y[i]!;
    total += difference * difference;
  }
  return total;
}
