/**
 * Clusters of similar texts, found as sentence-transformers' `community_detection` finds them: a text and all those within a threshold of
 * it are a community. The largest come first, and a text belongs to the first community that takes it.
 */
import { CapacityError, OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { formatCount } from "../../show.ts";
import type { Embeddings } from "../embedding/embeddings.ts";
import { unitRows, visitPairs } from "./cosine-blocks.ts";
import { type DifferentRows, differentRows } from "./equal-rows.ts";
import { checkThreshold, hooksOf, type SimilarPairsOptions } from "./similar-pairs.ts";

/** Options of `communities`. */
export interface CommunitiesOptions extends Pick<SimilarPairsOptions, "signal" | "onProgress"> {
  /** The least cosine of a member with the centre; 0.75 if absent. */
  readonly threshold?: number | undefined;
  /** The fewest members, the centre included; 10 if absent. */
  readonly minSize?: number;
}

/** The names of `CommunitiesOptions`. */
export const communitiesOptions: OptionNames<CommunitiesOptions> = { threshold: true, minSize: true, signal: true, onProgress: true };

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
  // Equal rows have the same neighbours, and a cosine of 1 with each other: any number of them counts as one row.
  const { vectors: rows, places } = differentRows(unitRows(vectors));
  const pairs = new PairList(threshold);
  await visitPairs(
    device,
    rows,
    () => threshold,
    (first, second, cosine) => pairs.push(first, second, cosine),
    hooksOf(options),
  );
  return withoutOverlap(pairs, places, minSize);
}

/** `places` has the rows of the result for each row of the pairs. */
function withoutOverlap(pairs: PairList, places: DifferentRows["places"], minSize: number): Community[] {
  const sizes = pairs.sizes(places);
  const neighbours = pairs.neighbours(places.length);
  const centres = Array.from(places.keys()).filter((row) => sizes[row]! >= minSize);
  const taken = new Uint8Array(places.length);
  const found: Community[] = [];
  for (const centre of centres.sort((a, b) => sizes[b]! - sizes[a]! || a - b)) {
    if (taken[centre]) continue;
    const groups = [{ row: centre, score: 1 }, ...neighbours(centre).filter(({ row }) => !taken[row])];
    const members = groups.flatMap(({ row, score }) => places[row]!.map((place) => ({ place, score })));
    if (members.length < minSize) continue;
    for (const { row } of groups) taken[row] = 1;
    const [first, ...others] = members;
    const ordered = [first!, ...others.sort((a, b) => b.score - a.score || a.place - b.place)];
    found.push({ rows: ordered.map(({ place }) => place), scores: ordered.map(({ score }) => score) });
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

  /** How many places each row has together with those it is paired with. */
  sizes(places: DifferentRows["places"]): number[] {
    const sizes = places.map(({ length }) => length);
    for (let i = 0; i < this.#count; i++) {
      const [first, second] = [this.#rows[2 * i]!, this.#rows[2 * i + 1]!];
      sizes[first]! += places[second]!.length;
      sizes[second]! += places[first]!.length;
    }
    return sizes;
  }

  /** The rows that each of `length` rows is paired with. */
  neighbours(length: number): (row: number) => { readonly row: number; readonly score: number }[] {
    const starts = new Uint32Array(length + 1);
    for (let i = 0; i < 2 * this.#count; i++) starts[this.#rows[i]! + 1]!++;
    for (let row = 0; row < length; row++) starts[row + 1]! += starts[row]!;
    const next = starts.slice(0, length);
    const pairs = new Uint32Array(2 * this.#count);
    for (let i = 0; i < 2 * this.#count; i++) pairs[next[this.#rows[i]!]!++] = i >> 1;
    const [rows, scores] = [this.#rows, this.#scores];
    return (row) =>
      Array.from(pairs.subarray(starts[row]!, starts[row + 1]!), (pair) => ({
        row: rows[2 * pair] === row ? rows[2 * pair + 1]! : rows[2 * pair]!,
        score: scores[pair]!,
      }));
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
