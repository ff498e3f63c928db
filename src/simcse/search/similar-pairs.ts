/** The most similar pairs among many texts, as paraphrase mining finds them: every text is compared with every other, on the GPU. */
import { OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import type { Embeddings } from "../embedding/embeddings.ts";
import { type BlockHooks, visitPairs } from "./cosine-blocks.ts";

/** Two different rows and their cosine. */
export interface SimilarPair {
  /** The lower row, from 0. */
  readonly first: number;
  readonly second: number;
  /** Cosine, −1 to 1. */
  readonly score: number;
}

/** Options of `similarPairs`. */
export interface SimilarPairsOptions {
  /** Only pairs with at least this cosine; all if absent. */
  readonly threshold?: number | undefined;
  /** The most pairs, of which the best are kept; 500,000 if absent, as in sentence-transformers. */
  readonly maxPairs?: number;
  /** Ends the work between two blocks of rows; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the fraction that is done. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/** The names of `SimilarPairsOptions`. */
export const similarPairsOptions: OptionNames<SimilarPairsOptions> = { threshold: true, maxPairs: true, signal: true, onProgress: true };

const usualPairs = 500_000;

/** Throws `OptionError` unless the value, if given, is a cosine. */
export function checkThreshold(threshold: number | undefined): void {
  if (threshold === undefined || (threshold >= -1 && threshold <= 1)) return;
  throw new OptionError(`The threshold ${threshold} is no cosine.`, "Give a number from −1 to 1.");
}

/**
 * The best pairs of different rows of `vectors`, the most similar first; of equal scores, the pair with lower rows. Throws `OptionError` for
 * unknown or impossible options, `DataError` for a vector that is not finite.
 */
export async function similarPairs(device: Device, vectors: Embeddings, options: SimilarPairsOptions = {}): Promise<SimilarPair[]> {
  checkOptions("similarPairs", options, similarPairsOptions);
  const { threshold, maxPairs = usualPairs } = options;
  checkThreshold(threshold);
  if (!(Number.isInteger(maxPairs) && maxPairs >= 1))
    throw new OptionError(`A list of ${maxPairs} pairs is not possible.`, "Give a whole number of at least 1 as maxPairs.");
  let least = threshold ?? Number.NEGATIVE_INFINITY;
  let pairs: SimilarPair[] = [];
  const keepBest = () => {
    pairs = pairs.sort(byScore).slice(0, maxPairs);
    if (pairs.length === maxPairs) least = Math.max(least, pairs.at(-1)!.score);
  };
  const visit = (first: number, second: number, score: number) => {
    pairs.push({ first, second, score });
    if (pairs.length >= 2 * maxPairs) keepBest();
  };
  await visitPairs(device, vectors, () => least, visit, hooksOf(options));
  keepBest();
  return pairs;
}

/** Hooks for blocks from those of a caller. */
export function hooksOf({ signal, onProgress }: Pick<SimilarPairsOptions, "signal" | "onProgress">): BlockHooks {
  return { signal, onBlock: onProgress && ((done, all) => onProgress(done / all)) };
}

const byScore = (a: SimilarPair, b: SimilarPair) => b.score - a.score || a.first - b.first || a.second - b.second;
