/**
 * Near-duplicates in a stream of vectors: a row is one if its cosine with an earlier kept row reaches a threshold. The first of several
 * similar rows is kept, so the result depends only on the order of the rows. Rows kept from earlier chunks are searched exactly on the GPU;
 * the rows of a chunk are compared with each other on the host.
 */
import { OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import { toUnitLength } from "../embedding/unit-length.ts";
import { VectorIndex } from "./vector-index.ts";

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

/** Rows that are compared with each other on the host. The number of their pairs is half its square. */
const chunkRows = 512;

/** Finds near-duplicates in a stream of vectors. Kept vectors go into an index, and each new vector is compared with them. */
export class NearDuplicates {
  readonly #kept: VectorIndex;
  /** The input row of each kept vector. */
  readonly #rows: number[] = [];
  #next = 0;

  /** Throws `OptionError` for a threshold that is not a cosine. */
  constructor(
    device: Device,
    readonly dimension: number,
    readonly threshold: number,
  ) {
    if (!(threshold > -1 && threshold <= 1))
      throw new OptionError(`The threshold ${threshold} is no cosine.`, "Give a number above −1 and at most 1.");
    this.#kept = new VectorIndex(device, dimension);
  }

  /** For each of the next rows, f32 [rows, dimension], the kept row that it duplicates; null for a kept row. Calls must not overlap. */
  async add(vectors: Float32Array): Promise<(Duplicate | null)[]> {
    const found: (Duplicate | null)[] = [];
    const elements = chunkRows * this.dimension;
    for (let start = 0; start < vectors.length; start += elements)
      found.push(...(await this.#addChunk(vectors.subarray(start, start + elements))));
    return found;
  }

  close(): void {
    this.#kept.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #addChunk(vectors: Float32Array): Promise<(Duplicate | null)[]> {
    const { dimension, threshold } = this;
    const unit = toUnitLength(vectors, dimension);
    const vector = (i: number) => unit.subarray(i * dimension, (i + 1) * dimension);
    const earlier = await this.#kept.search(vectors, { topK: 1, threshold });
    const fresh: number[] = [];
    const found = earlier.map(([match], i): Duplicate | null => {
      let best: Duplicate | null = match === undefined ? null : { row: this.#rows[match.row]!, score: match.score };
      for (const other of fresh) {
        const score = Math.min(1, dot(vector(i), vector(other)));
        if (score >= threshold && (best === null || score > best.score)) best = { row: this.#next + other, score };
      }
      if (best === null) fresh.push(i);
      return best;
    });
    const kept = new Float32Array(fresh.length * dimension);
    for (const [place, i] of fresh.entries()) {
      kept.set(vector(i), place * dimension);
      this.#rows.push(this.#next + i);
    }
    this.#kept.add(kept);
    this.#next += found.length;
    return found;
  }
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
