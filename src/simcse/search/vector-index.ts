/**
 * Exact search among many vectors on the GPU. Every vector is scored, a part at a time, and the best of each part are kept. So a million
 * vectors are searched in one submit without a matrix of all scores. Vectors and queries are scaled to unit length; a score is their
 * cosine.
 *
 * The device searches f32, f16, int8 or binary vectors. The last two are approximations: `oversample` times as many rows as requested are
 * then scored again with f16 copies on the host, unless `rescore` is false. Results have a fixed order: higher scores first, and of equal
 * ones the row that was added first.
 */
import "../../disposal.ts";
import { compile, type Program } from "../../autograd/program.ts";
import { ClosedError, OptionError, ShapeError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import { u32, type Value } from "../../kernels/language/operation.ts";
import type { Precision } from "../../kernels/search/precision.ts";
import { maskWords, noIndex, type TopK, topK } from "../../kernels/search/top-k.ts";
import { queryType, queryWidth, type StoredVectors, vectorScores } from "../../kernels/search/vector-scores.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { show } from "../../show.ts";
import { checkPrecision, type Encoded, encodeRows, rowElements } from "../embedding/precision.ts";
import { checkedUnitLength } from "../embedding/unit-length.ts";
import { boundedCosine } from "./bounded-cosine.ts";
import { type SegmentFormat, segmentRows, VectorSegment } from "./vector-segment.ts";

/** How an index keeps its vectors. */
export interface VectorIndexOptions {
  /** The precision of the vectors that the device searches; f32 if absent. */
  readonly precision?: Precision | undefined;
  /** int8 and binary: keep f16 copies on the host and score the best results again with them; true if absent. */
  readonly rescore?: boolean | undefined;
}

export const vectorIndexOptions: OptionNames<VectorIndexOptions> = { precision: true, rescore: true };

/** Options of a search for vectors. */
export interface VectorSearchOptions {
  /** Results per query, 1 to `mostResults`; 5 if absent, as in the original. */
  readonly topK?: number;
  /** Only results with at least this cosine; every result if absent. */
  readonly threshold?: number | undefined;
  /** Only these rows: bit i % 32 of word floor(i / 32) is set for row i. Every row if absent. */
  readonly rows?: Uint32Array | undefined;
  /** Called with the number of queries done. */
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Ends the search between two batches of queries; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export const vectorSearchOptions: OptionNames<VectorSearchOptions> = {
  topK: true,
  threshold: true,
  rows: true,
  onProgress: true,
  signal: true,
};

/** The default number of results per query. */
export const usualResults = 5;

/** A row that a search found. */
export interface RowMatch {
  readonly row: number;
  /** Cosine, −1 to 1. */
  readonly score: number;
}

/** The most results per query. */
export const mostResults = 1000;

/** The most rows that are scored again: keeping longer lists sorted takes long. */
const mostCandidates = 1024;

/** How many times the requested rows are scored again. The sign of a number has less information than 8 bits. */
const oversample: Readonly<Record<Precision, number>> = { f32: 1, f16: 1, int8: 4, binary: 16 };

/** Queries per run of the program: a single one, as for interactive searches, or many. */
const queryCapacities = [1, 32] as const;

type SearchProgram = Program<{ scores: Value; indices: Value }>;

/** Unit vectors on a device, searched exactly by cosine. Rows can be added and removed; rows after a removed one move up. */
export class VectorIndex {
  readonly precision: Precision;
  readonly rescores: boolean;
  readonly format: SegmentFormat;
  #segments: VectorSegment[] = [];
  /** While rows are removed, the segments that have none left, in their order. */
  readonly #emptied: VectorSegment[] = [];
  #closed = false;
  /** Programs by number of queries and results; valid for the current vectors. */
  readonly #programs = new Map<string, SearchProgram>();

  constructor(
    readonly device: Device,
    readonly dimension: number,
    options: VectorIndexOptions = {},
  ) {
    if (!Number.isInteger(dimension) || dimension < 1)
      throw new OptionError(`Vectors cannot have ${show(dimension)} numbers.`, "Give a whole number of at least 1.");
    checkOptions("VectorIndex", options, vectorIndexOptions);
    const { precision = "f32", rescore = true } = options;
    checkPrecision(precision);
    const approximate = oversample[precision] > 1;
    this.precision = precision;
    this.rescores = approximate && rescore;
    this.format = { dimension, searched: precision, stored: this.rescores ? "f16" : precision };
  }

  /** The number of vectors. */
  get length(): number {
    return this.#segments.reduce((sum, { rows }) => sum + rows, 0);
  }

  /** The parts that the vectors are stored in, in order. */
  get segments(): readonly VectorSegment[] {
    return this.#segments;
  }

  /** Appends vectors f32 [rows, dimension], scaled to unit length. Throws like `checked`. */
  add(vectors: Float32Array): void {
    this.addUnit(this.checked(vectors));
  }

  /**
   * Vectors f32 [rows, dimension] scaled to unit length. Throws `DataError` unless they are finite, `ShapeError` for an incomplete one.
   */
  checked(vectors: Float32Array): Float32Array {
    return this.#unit(vectors, "vector");
  }

  /** Appends vectors f32 [rows, dimension] of unit length. */
  addUnit(vectors: Float32Array): void {
    this.addStored(encodeRows(this.format.stored, vectors, this.dimension));
  }

  /** Appends vectors that are already in `format.stored`, like those of `segments`. */
  addStored({ data, scales }: Encoded): void {
    this.#checkOpen();
    const width = rowElements[this.format.stored](this.dimension);
    const rows = data.length / width;
    for (let start = 0; start < rows; ) {
      const segment = this.#segmentWithRoom();
      const end = Math.min(rows, start + segment.capacity - segment.rows);
      const part = data.subarray(start * width, end * width);
      segment.append(scales ? { data: part, scales: scales.subarray(start, end) } : { data: part });
      start = end;
    }
    this.#dropPrograms();
  }

  /** Removes rows; later ones move up. Those before the first one stay where they are, also on the device. */
  remove(rows: ReadonlySet<number>): void {
    this.#checkOpen();
    const before = this.#segments;
    this.#segments = [];
    let firstRow = 0;
    for (const segment of before) {
      const kept = keptRuns(segment.rows, (row) => rows.has(firstRow + row));
      firstRow += segment.rows;
      const stored = kept.map(({ start, end }) => segment.encoded(start, end));
      // Rows move to lower places of the same memory, so none is overwritten before it has moved.
      if (this.#emptied.length === 0 && this.#segments.every((segment) => segment.rows === segment.capacity)) {
        const staying = kept[0]?.start === 0 ? kept[0].end : 0;
        segment.cut(staying);
        this.#segments.push(segment);
        for (const run of stored.slice(staying > 0 ? 1 : 0)) this.addStored(run);
      } else {
        segment.cut(0);
        this.#emptied.push(segment);
        for (const run of stored) this.addStored(run);
      }
    }
    const empty = this.#segments.filter(({ rows }) => rows === 0);
    for (const segment of [...empty, ...this.#emptied.splice(0)]) segment.close();
    this.#segments = this.#segments.filter(({ rows }) => rows > 0);
    this.#dropPrograms();
  }

  /**
   * The best rows for each of `queries` f32 [queries, dimension]. Searches must not overlap each other or changes. Throws `OptionError` for
   * an impossible `topK`, `CapacityError` when the device has no room for the vectors.
   */
  async search(queries: Float32Array, options: VectorSearchOptions = {}): Promise<RowMatch[][]> {
    this.#checkOpen();
    checkOptions("search", options, vectorSearchOptions);
    checkSearch(options);
    const { topK: wanted = usualResults, threshold = Number.NEGATIVE_INFINITY, rows, signal, onProgress } = options;
    const unit = this.#unit(queries, "query");
    const count = unit.length / this.dimension;
    const results: RowMatch[][] = [];
    if (this.length === 0) return Array.from({ length: count }, () => []);
    const capacity = queryCapacities.find((capacity) => capacity >= count) ?? queryCapacities.at(-1)!;
    const candidates = Math.min(this.length, this.rescores ? Math.min(wanted * oversample[this.precision], mostCandidates) : wanted);
    for (let start = 0; start < count; start += capacity) {
      signal?.throwIfAborted();
      const end = Math.min(start + capacity, count);
      const part = unit.subarray(start * this.dimension, end * this.dimension);
      const found = await this.#candidates(part, { capacity, k: candidates, rows });
      found.forEach((best, i) => {
        const query = part.subarray(i * this.dimension, (i + 1) * this.dimension);
        const scored = this.rescores ? this.#rescored(query, best) : best;
        results.push(
          scored
            .map(({ row, score }) => ({ row, score: boundedCosine(score) }))
            .filter(({ score }) => score >= threshold)
            .slice(0, wanted),
        );
      });
      onProgress?.(end);
    }
    return results;
  }

  /** Frees the device's memory. Later calls throw `ClosedError`. */
  close(): void {
    this.#closed = true;
    this.#dropPrograms();
    for (const segment of this.#segments) segment.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new ClosedError("The index is closed.", "Search before close().");
  }

  #segmentWithRoom(): VectorSegment {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.rows < last.capacity) return last;
    const segment =
      this.#emptied.shift() ?? new VectorSegment(this.device, this.format, segmentRows(this.device, this.precision, this.dimension));
    this.#segments.push(segment);
    return segment;
  }

  /** Throws unless `vectors` are whole rows of finite numbers; scales them to unit length. */
  #unit(vectors: Float32Array, what: string): Float32Array {
    if (vectors.length % this.dimension !== 0) {
      throw new ShapeError(
        `${vectors.length} numbers are no whole number of vectors: the index holds vectors of ${this.dimension}.`,
        "Encode with the model that the index was built with.",
      );
    }
    return checkedUnitLength(vectors, this.dimension, (row) => `${what} ${row}`);
  }

  /** The `k` best rows of the device's search for each query; only among `rows` if given. */
  async #candidates(
    queries: Float32Array,
    { capacity, k, rows }: { capacity: number; k: number; rows: Uint32Array | undefined },
  ): Promise<RowMatch[][]> {
    const program = await this.#program({ capacity, k: roundUp(k), filtered: rows !== undefined });
    const count = queries.length / this.dimension;
    program.run({ inputs: { queries: this.#laidOut(queries), ...(rows && this.#rowsBySegment(rows)) }, live: { queries: count } });
    const scores = await program.read("scores");
    const indices = new Uint32Array((await program.read("indices")).buffer);
    const width = scores.length / capacity;
    return Array.from({ length: count }, (_, query) =>
      Array.from({ length: k }, (_, j) => ({ row: indices[query * width + j]!, score: scores[query * width + j]! })).filter(
        ({ row }) => row !== noIndex,
      ),
    );
  }

  async #program({ capacity, k, filtered }: { capacity: number; k: number; filtered: boolean }): Promise<SearchProgram> {
    const key = `${capacity} ${k} ${filtered}`;
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    const parts: StoredVectors[] = [];
    for (const segment of this.#segments) parts.push(await segment.onDevice());
    const program = await compile(this.device, (tape) => {
      const queries = tape.input("queries", queryType(this.precision, this.dimension, tape.extent("queries", capacity)));
      let best: TopK | undefined;
      let firstIndex = 0;
      for (const [i, part] of parts.entries()) {
        const only = filtered ? tape.input(`rows ${i}`, u32(maskWords(part.rows))) : undefined;
        best = topK(vectorScores(queries, part), k, { firstIndex, after: best, only });
        firstIndex += part.rows;
      }
      return { ...best! };
    });
    if (this.#programs.size >= mostPrograms) this.#dropPrograms();
    this.#programs.set(key, program);
    return program;
  }

  /** The part of `rows` for each segment, by the program's input name. Segments begin at whole words. */
  #rowsBySegment(rows: Uint32Array): Record<string, Uint32Array> {
    let word = 0;
    return Object.fromEntries(
      this.#segments.map((segment, i) => {
        const words = rows.slice(word, word + maskWords(segment.rows));
        word += words.length;
        return [`rows ${i}`, words];
      }),
    );
  }

  #dropPrograms(): void {
    for (const program of this.#programs.values()) program.close();
    this.#programs.clear();
  }

  /** Queries in the kernel's form: padded rows, or words of bits. */
  #laidOut(queries: Float32Array): Float32Array | Uint32Array {
    const count = queries.length / this.dimension;
    const width = queryWidth(this.precision, this.dimension);
    if (this.precision !== "binary") return widened(queries, count, new Float32Array(count * width));
    const bits = encodeRows("binary", queries, this.dimension).data;
    return new Uint32Array(widened(bits, count, new Uint8Array(count * width * 4)).buffer);
  }

  #rescored(query: Float32Array, candidates: readonly RowMatch[]): RowMatch[] {
    const capacity = this.#segments[0]!.capacity;
    return candidates
      .map(({ row }) => {
        const vector = this.#segments[Math.floor(row / capacity)]!.row(row % capacity);
        return { row, score: query.reduce((sum, value, i) => sum + value * vector[i]!, 0) };
      })
      .sort((a, b) => b.score - a.score || a.row - b.row);
  }
}

/** Programs kept at once: searches alternate between a few sizes. */
const mostPrograms = 4;

/** Results are searched in these numbers and then cut, so that a changing `topK` does not build a program each time. */
function roundUp(k: number): number {
  return Math.max(8, 2 ** Math.ceil(Math.log2(k)));
}

/** The rows, of `length`, between those that are removed. */
function keptRuns(length: number, isRemoved: (row: number) => boolean): { readonly start: number; readonly end: number }[] {
  const runs: { readonly start: number; readonly end: number }[] = [];
  for (let start = 0; start < length; ) {
    let end = start;
    while (end < length && !isRemoved(end)) end++;
    if (end > start) runs.push({ start, end });
    start = end + 1;
  }
  return runs;
}

/** Copies `count` rows into the wider rows of `into`. */
function widened<T extends Float32Array | Uint8Array>(rows: T, count: number, into: T): T {
  const [from, to] = [rows.length / count, into.length / count];
  for (let row = 0; row < count; row++) into.set(rows.subarray(row * from, (row + 1) * from), row * to);
  return into;
}

/** Throws `OptionError` for an impossible search. */
export function checkSearch(options: VectorSearchOptions): void {
  const { topK = usualResults, threshold } = options;
  if (!Number.isInteger(topK) || topK < 1 || topK > mostResults)
    throw new OptionError(
      `A search for ${topK} results is not possible: topK is 1 to ${mostResults}.`,
      "Give a whole number in that range.",
    );
  if (threshold !== undefined && !Number.isFinite(threshold))
    throw new OptionError(`The threshold ${threshold} is no number.`, "Give a cosine, −1 to 1.");
}
