/**
 * Clusters of similar texts, found as sentence-transformers' `community_detection` finds them: a text and all those within a threshold of
 * it are a community. The largest come first, and a text belongs to the first community that takes it.
 */
import { CapacityError, OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { formatCount } from "../../show.ts";
import type { Embeddings } from "../embedding/encoder.ts";
import { visitPairs } from "./cosine-blocks.ts";
import { checkThreshold, hooksOf, type SimilarPairsOptions } from "./similar-pairs.ts";

/** Options of `communities`. */
export interface CommunitiesOptions extends Pick<SimilarPairsOptions, "signal" | "onProgress"> {
  /** The least cosine of a member with the centre; 0.75 if absent. */
  readonly threshold?: number | undefined;
  /** The fewest members, the centre included; 10 if absent. */
  readonly minSize?: number;
}

/** The names of `CommunitiesOptions`. */
const communitiesOptions: OptionNames<CommunitiesOptions> = { threshold: true, minSize: true, signal: true, onProgress: true };

/** The defaults of sentence-transformers. */
export const communitiesDefaults = { threshold: 0.75, minSize: 10 } as const;

/** A cluster of rows, from 0. */
export interface Community {
  /** The centre first, then the others by descending cosine with it. */
  readonly rows: readonly number[];
  /** The cosine of each of them with the centre; the centre's is 1. */
  readonly scores: readonly number[];
}

/** The most pairs of neighbours in memory, at 20 bytes each. */
const mostPairs = 2 ** 25;

/**
 * The communities among the rows of `vectors`, the largest first. Rows without enough neighbours are in none. Throws `OptionError` for
 * unknown or impossible options, `DataError` for a vector that is not finite, and `CapacityError` if too many pairs reach the threshold.
 */
export async function communities(device: Device, vectors: Embeddings, options: CommunitiesOptions = {}): Promise<Community[]> {
  checkOptions("communities", options, communitiesOptions);
  const { threshold = communitiesDefaults.threshold, minSize = communitiesDefaults.minSize } = options;
  checkThreshold(threshold);
  if (!(Number.isInteger(minSize) && minSize >= 1))
    throw new OptionError(`A community of at least ${minSize} texts is not possible.`, "Give a whole number of at least 1 as minSize.");
  const pairs = new PairList(threshold);
  await visitPairs(
    device,
    vectors,
    () => threshold,
    (first, second, cosine) => pairs.push(first, second, cosine),
    hooksOf(options),
  );
  return withoutOverlap(pairs.neighbours(vectors.length), minSize);
}

function withoutOverlap(all: Neighbours, minSize: number): Community[] {
  const length = all.starts.length - 1;
  const size = (row: number) => all.starts[row + 1]! - all.starts[row]! + 1;
  const centres = Array.from({ length }, (_, row) => row).filter((row) => size(row) >= minSize);
  const taken = new Uint8Array(length);
  const found: Community[] = [];
  for (const centre of centres.sort((a, b) => size(b) - size(a) || a - b)) {
    if (taken[centre]) continue;
    const members = all.of(centre).filter(({ row }) => !taken[row]);
    if (members.length + 1 < minSize) continue;
    members.sort((a, b) => b.score - a.score || a.row - b.row);
    const community = { rows: [centre, ...members.map(({ row }) => row)], scores: [1, ...members.map(({ score }) => score)] };
    for (const row of community.rows) taken[row] = 1;
    found.push(community);
  }
  return found.sort((a, b) => b.rows.length - a.rows.length);
}

/** Pairs of rows in typed arrays, because there may be millions. */
class PairList {
  #rows = new Uint32Array(2048);
  #scores = new Float32Array(1024);
  #count = 0;

  constructor(readonly threshold: number) {}

  push(first: number, second: number, score: number): void {
    if (this.#count === this.#scores.length) this.#grow();
    this.#rows[2 * this.#count] = first;
    this.#rows[2 * this.#count + 1] = second;
    this.#scores[this.#count++] = score;
  }

  /** The pairs by each of their rows; there are `length` rows. */
  neighbours(length: number): Neighbours {
    const starts = new Uint32Array(length + 1);
    for (let i = 0; i < 2 * this.#count; i++) starts[this.#rows[i]! + 1]!++;
    for (let row = 0; row < length; row++) starts[row + 1]! += starts[row]!;
    const next = starts.slice(0, length);
    const pairs = new Uint32Array(2 * this.#count);
    for (let i = 0; i < 2 * this.#count; i++) pairs[next[this.#rows[i]!]!++] = i >> 1;
    const [rows, scores] = [this.#rows, this.#scores];
    const of = (row: number) =>
      Array.from(pairs.subarray(starts[row]!, starts[row + 1]!), (pair) => ({
        row: rows[2 * pair] === row ? rows[2 * pair + 1]! : rows[2 * pair]!,
        score: scores[pair]!,
      }));
    return { starts, of };
  }

  #grow(): void {
    if (this.#count >= mostPairs)
      throw new CapacityError(
        `More than ${formatCount(mostPairs)} pairs have a cosine of at least ${this.threshold}.`,
        "Give a higher threshold, or fewer texts.",
      );
    const [rows, scores] = [new Uint32Array(4 * this.#count), new Float32Array(2 * this.#count)];
    rows.set(this.#rows);
    scores.set(this.#scores);
    [this.#rows, this.#scores] = [rows, scores];
  }
}

/** Rows with their neighbours: row r has `starts[r + 1] - starts[r]` of them. */
interface Neighbours {
  readonly starts: Uint32Array;
  of(row: number): { readonly row: number; readonly score: number }[];
}
