/**
 * Near-duplicates in a stream of vectors: a row is one if its cosine with an earlier kept row reaches a threshold. The first of several
 * similar rows is kept, so the result depends only on the order of the rows. Each chunk is compared with the rows kept before it and with
 * itself, in blocks of cosines.
 */
import "../../disposal.ts";
import { ClosedError, OptionError, ShapeError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { boundedCosine } from "./bounded-cosine.ts";
import { blockSize, unitBlocks, unitRows } from "./cosine-blocks.ts";

/** A row that is alike to another: the kept row that it duplicates, or in a group the row that duplicates the kept one. */
export interface Duplicate {
  readonly row: number;
  /** Their cosine. */
  readonly score: number;
}

/** A kept row and the rows that duplicate it. */
export interface DuplicateGroup {
  readonly kept: number;
  /** The others in their order, each with its cosine with the kept row. */
  readonly duplicates: readonly Duplicate[];
}

/** The groups of alike rows, from what `NearDuplicates.add` returned for all rows in their order. A row without duplicates is in none. */
export function duplicateGroups(found: readonly (Duplicate | null)[]): DuplicateGroup[] {
  const groups = new Map<number, Duplicate[]>();
  for (const [row, duplicate] of found.entries()) {
    if (duplicate === null) continue;
    const group = groups.get(duplicate.row) ?? [];
    group.push({ row, score: duplicate.score });
    groups.set(duplicate.row, group);
  }
  return [...groups].sort(([a], [b]) => a - b).map(([kept, duplicates]) => ({ kept, duplicates }));
}

/** Options of `NearDuplicates.add`. */
export interface NearDuplicatesOptions {
  /** Called with the number of rows done. */
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Ends the comparison between two blocks; it then rejects with the signal's reason, and the finder is closed. */
  readonly signal?: AbortSignal | undefined;
}

const nearDuplicatesOptions: OptionNames<NearDuplicatesOptions> = { onProgress: true, signal: true };

/** Rows that are compared at a time. One block has a column for each, so its rows are visited in their order. */
const chunkRows = blockSize.columns;

/** Finds near-duplicates in a stream of vectors. Kept vectors stay in memory, and each new vector is compared with them. */
export class NearDuplicates {
  /** f32 [at least kept rows, dimension], of unit length. */
  #kept: Float32Array | null = new Float32Array();
  /** The input row of each kept vector. */
  readonly #rows: number[] = [];
  #next = 0;

  /** Throws `OptionError` for a threshold that is not a cosine. */
  constructor(
    readonly device: Device,
    readonly dimension: number,
    readonly threshold: number,
  ) {
    if (!(threshold > -1 && threshold <= 1))
      throw new OptionError(`The threshold ${threshold} is no cosine.`, "Give a number above −1 and at most 1.");
  }

  /**
   * For each of the next rows, f32 [rows, dimension], the kept row that it duplicates; null for a kept row. Calls must not overlap. Throws
   * `ShapeError` for an incomplete row, and `DataError` for a number that is not finite, naming its row, counted from the first call's.
   */
  async add(vectors: Float32Array, options: NearDuplicatesOptions = {}): Promise<(Duplicate | null)[]> {
    checkOptions("NearDuplicates.add", options, nearDuplicatesOptions);
    const { dimension } = this;
    if (vectors.length % dimension !== 0)
      throw new ShapeError(
        `${vectors.length} numbers are no whole number of vectors of ${dimension}.`,
        "Give the numbers of whole vectors, as `encode` returns them.",
      );
    const unit = unitRows({ length: vectors.length / dimension, dimension, data: vectors }, this.#next).data;
    const found: (Duplicate | null)[] = [];
    try {
      for (let start = 0; start < unit.length; start += chunkRows * dimension) {
        found.push(...(await this.#addChunk(unit.subarray(start, start + chunkRows * dimension), options.signal)));
        options.onProgress?.(found.length);
      }
    } catch (error) {
      this.close();
      throw error;
    }
    return found;
  }

  /** Frees the memory. Later calls throw `ClosedError`. */
  close(): void {
    this.#kept = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #addChunk(chunk: Float32Array, signal: AbortSignal | undefined): Promise<(Duplicate | null)[]> {
    const { device, dimension } = this;
    const before = this.#rows.length;
    const length = chunk.length / dimension;
    const all = this.#withRoom((before + length) * dimension);
    all.set(chunk, before * dimension);
    const found: (Duplicate | null)[] = Array.from({ length }, () => null);
    const pair = { left: { length: before + length, dimension, data: all }, right: { length, dimension, data: chunk } };
    for await (const { firstRow, rows, columns, stride, cosines } of unitBlocks(device, pair, { signal }, before)) {
      for (let i = 0; i < rows; i++) {
        const own = firstRow + i - before;
        // All rows before this one were visited, so it is known whether it is kept.
        if (own >= 0 && found[own] !== null) continue;
        const row = own >= 0 ? this.#next + own : this.#rows[firstRow + i]!;
        this.#visit(cosines.subarray(i * stride, i * stride + columns), Math.max(0, own + 1), row, found);
      }
    }
    for (let i = 0; i < length; i++) {
      if (found[i] !== null) continue;
      all.copyWithin(this.#rows.length * dimension, (before + i) * dimension, (before + i + 1) * dimension);
      this.#rows.push(this.#next + i);
    }
    this.#next += length;
    return found;
  }

  /** Notes the kept row `row` for the rows of a chunk, from `first` on, that are closer to it than to those before. */
  #visit(cosines: Float32Array, first: number, row: number, found: (Duplicate | null)[]): void {
    for (let j = first; j < cosines.length; j++) {
      const score = boundedCosine(cosines[j]!);
      if (score < this.threshold) continue;
      const best = found[j]!;
      if (best === null || score > best.score) found[j] = { row, score };
    }
  }

  /** The memory of the kept rows, with room for `elements`. */
  #withRoom(elements: number): Float32Array {
    if (this.#kept === null) throw new ClosedError("The finder of near-duplicates is closed.", "Add rows before close().");
    if (this.#kept.length < elements) {
      const larger = new Float32Array(Math.max(elements, 2 * this.#kept.length));
      larger.set(this.#kept);
      this.#kept = larger;
    }
    return this.#kept;
  }
}
