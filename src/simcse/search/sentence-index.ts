/**
 * Sentences with their ids, metadata and vectors, made by `SimCSE.buildIndex` and searched by `SimCSE.search`. Changes and searches take
 * turns, so that none sees a half-finished change.
 */
import "../../disposal.ts";
import { ClosedError, OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import { Turns } from "../../gpu/turns.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { describe } from "../embedding/texts.ts";
import { checkMetadata, copyOfMetadata, type Filter, type Metadata, metadataMatcher } from "./metadata.ts";
import { checkSearch, VectorIndex, type VectorIndexOptions, type VectorSearchOptions, vectorSearchOptions } from "./vector-index.ts";

/** A sentence's id: the caller's text or whole number, or else a running number. */
export type SentenceId = string | number;

/** A sentence to index. */
export interface SentenceToIndex {
  /** A running number if absent. */
  readonly id?: SentenceId;
  readonly sentence: string;
  /** A JSON object that is returned with results, and that searches can filter by. */
  readonly metadata?: Metadata;
}

/** A sentence in an index. */
export interface IndexedSentence extends SentenceToIndex {
  readonly id: SentenceId;
}

/** A sentence that a search found. */
export interface SearchResult extends IndexedSentence {
  /** Cosine similarity to the query, −1 to 1. */
  readonly score: number;
}

/** Options of a search for sentences. */
export interface SearchOptions extends Omit<VectorSearchOptions, "rows"> {
  /** Only sentences whose metadata match. The search among them is exact. */
  readonly filter?: Filter | undefined;
}

const { rows: _, ...sharedOptions } = vectorSearchOptions;
const searchOptions: OptionNames<SearchOptions> = { ...sharedOptions, filter: true };

/** Options of `SentenceIndex.list`. */
export interface ListOptions {
  /** Only sentences whose metadata match. */
  readonly filter?: Filter | undefined;
  /** Entries to skip at the start; 0 if absent. */
  readonly offset?: number;
  /** The most entries to return; all if absent. */
  readonly limit?: number;
}

const listOptions: OptionNames<ListOptions> = { filter: true, offset: true, limit: true };

/** Options of `SentenceIndex.add`. */
export interface AddOptions {
  /** Replace sentences whose id is already in the index; if false or absent, they are refused. */
  readonly upsert?: boolean | undefined;
  /** The first sentence's position in messages; 0 if absent. */
  readonly first?: number;
}

/** Filters whose matching rows are cached, because searches often alternate between a few of them. */
const mostFilters = 8;

/** Sentences with ids and metadata over a `VectorIndex`: added, removed, listed, filtered and searched. */
export class SentenceIndex {
  readonly vectors: VectorIndex;
  readonly #turns = new Turns();
  /** The matching rows by filter, one bit per row; valid for the current entries. */
  readonly #rowsOf = new Map<string, Uint32Array>();
  #entries: IndexedSentence[] = [];
  #ids = new Set<SentenceId>();
  #closed = false;
  /** The next running number. It is above every number used so far, so that none is used twice. */
  nextId = 0;

  constructor(device: Device, dimension: number, options: VectorIndexOptions = {}) {
    this.vectors = new VectorIndex(device, dimension, options);
  }

  /** The number of sentences. */
  get length(): number {
    return this.#entries.length;
  }

  /** All sentences, in the order in which they were added. */
  get entries(): readonly IndexedSentence[] {
    return this.#entries;
  }

  has(id: SentenceId): boolean {
    return this.#ids.has(id);
  }

  /** Sentences in the order in which they were added, as copies. Throws `OptionError` for an invalid filter. */
  list(options: ListOptions = {}): IndexedSentence[] {
    checkOptions("list", options, listOptions);
    const { filter, offset = 0, limit = Number.POSITIVE_INFINITY } = options;
    if (!(offset >= 0 && limit >= 0))
      throw new OptionError(`A list from ${offset} of ${limit} entries is not possible.`, "Give numbers of at least 0.");
    const matches = filter === undefined ? () => true : metadataMatcher(filter);
    const matching = this.#entries.filter(({ metadata }) => matches(metadata)).slice(offset, offset + limit);
    return matching.map(copyOfEntry);
  }

  /**
   * Appends sentences, with ids or without, and their vectors f32 [sentences, dimension]. Throws `OptionError` for an id that is taken,
   * unless `upsert` is given, and for an invalid sentence; `DataError` for a vector that is not finite. Nothing is added then.
   */
  add(items: readonly (string | SentenceToIndex)[], vectors: Float32Array, { upsert = false, first = 0 }: AddOptions = {}): Promise<void> {
    return this.#turn(() => {
      const read = items.map((item, i) => indexItem(item, first + i));
      const replaced = upsert ? read.flatMap(({ id }) => (id !== undefined && this.#ids.has(id) ? [id] : [])) : [];
      const checked = this.vectors.checked(vectors);
      const entries = this.#identified(read, first, new Set(replaced));
      this.#removeNow(new Set(replaced));
      this.#append(entries, () => this.vectors.addUnit(checked));
    });
  }

  /** Appends sentences of a saved index, with the vectors that `store` appends. Throws `OptionError` for an id that is taken. */
  restore(entries: readonly IndexedSentence[], store: () => void): void {
    this.#append(this.#identified(entries, this.length, new Set()), store);
  }

  /** Removes the sentence with an id, or those with several; returns how many of the ids existed. */
  remove(ids: SentenceId | Iterable<SentenceId>): Promise<number> {
    return this.#turn(() => this.#removeNow(new Set(typeof ids === "object" ? ids : [ids])));
  }

  /**
   * The most similar sentences for each of `queries` f32 [queries, dimension], in descending order. Throws `OptionError` for impossible
   * options.
   */
  search(queries: Float32Array, options: SearchOptions = {}): Promise<SearchResult[][]> {
    return this.#turn(async () => {
      checkSearchOptions(options);
      const { filter, ...vectorOptions } = options;
      const found = await this.vectors.search(queries, { ...vectorOptions, rows: filter && this.#rowsMatching(filter) });
      return found.map((rows) => rows.map(({ row, score }) => ({ ...copyOfEntry(this.#entries[row]!), score })));
    });
  }

  /** Runs `work` while nothing is added, removed or searched. */
  whileUnchanged<T>(work: () => Promise<T>): Promise<T> {
    return this.#turn(work);
  }

  /** Frees the device's memory after the work in progress. Later calls throw `ClosedError`. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#turns.take(() => this.vectors.close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #turn<T>(work: () => Promise<T> | T): Promise<T> {
    if (this.#closed)
      throw new ClosedError("The index is closed.", "Search before close(), and take `model.index` anew after buildIndex or loadIndex.");
    return this.#turns.take(work);
  }

  /** The items with ids; the ids in `free` do not count as taken. `first` is the position of the first, for messages. */
  #identified(items: readonly SentenceToIndex[], first: number, free: ReadonlySet<SentenceId>): IndexedSentence[] {
    const fresh = new Map<SentenceId, number>();
    let nextId = this.nextId;
    return items.map((item, i) => {
      const { id = nextId } = item;
      const before = fresh.get(id);
      if (before !== undefined || (this.#ids.has(id) && !free.has(id))) {
        throw new OptionError(
          `sentences[${first + i}] has the id ${JSON.stringify(id)}, ${before === undefined ? "which is in the index already" : `as sentences[${before}] has`}.`,
          "Give every sentence an id of its own, or add with `upsert` (--upsert) to replace what is there.",
        );
      }
      fresh.set(id, first + i);
      if (typeof id === "number" && id >= nextId) nextId = id + 1;
      return { ...item, id };
    });
  }

  #append(entries: readonly IndexedSentence[], store: () => void): void {
    store();
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#ids.add(entry.id);
      if (typeof entry.id === "number") this.nextId = Math.max(this.nextId, entry.id + 1);
    }
    this.#rowsOf.clear();
  }

  #removeNow(ids: ReadonlySet<SentenceId>): number {
    const rows = new Set<number>();
    this.#entries.forEach(({ id }, row) => {
      if (ids.has(id)) rows.add(row);
    });
    if (rows.size === 0) return 0;
    this.vectors.remove(rows);
    this.#entries = this.#entries.filter((_, row) => !rows.has(row));
    for (const id of ids) this.#ids.delete(id);
    this.#rowsOf.clear();
    return rows.size;
  }

  #rowsMatching(filter: Filter): Uint32Array {
    const key = JSON.stringify(filter);
    const known = this.#rowsOf.get(key);
    if (known !== undefined) return known;
    const matches = metadataMatcher(filter);
    const rows = new Uint32Array(Math.ceil(this.length / 32));
    this.#entries.forEach(({ metadata }, row) => {
      if (matches(metadata)) rows[row >> 5]! |= 1 << (row & 31);
    });
    if (this.#rowsOf.size >= mostFilters) this.#rowsOf.clear();
    this.#rowsOf.set(key, rows);
    return rows;
  }
}

/** Throws `OptionError` for search options that are unknown or impossible. */
export function checkSearchOptions(options: SearchOptions): void {
  checkOptions("search", options, searchOptions);
  checkSearch(options);
  if (options.filter !== undefined) metadataMatcher(options.filter);
}

function copyOfEntry(entry: IndexedSentence): IndexedSentence {
  return entry.metadata === undefined ? { ...entry } : { ...entry, metadata: copyOfMetadata(entry.metadata) };
}

/** A text, or an object with a text, as an item of its own, with a copy of the metadata. Throws `OptionError` for anything else, naming the field and `position`. */
export function indexItem(item: unknown, position: number): SentenceToIndex {
  const name = `sentences[${position}]`;
  const remedy = "Give texts, or objects { sentence, id, metadata }, of which id and metadata may be absent.";
  if (typeof item === "string") return { sentence: item };
  if (typeof item !== "object" || item === null || Array.isArray(item)) throw new OptionError(`${name} is ${describe(item)}.`, remedy);
  const { sentence, id, metadata, ...others } = item as Readonly<Record<string, unknown>>;
  const [unknown] = Object.keys(others);
  if (typeof sentence !== "string" || unknown !== undefined) {
    const found =
      typeof sentence === "string"
        ? `an unknown field ${JSON.stringify(unknown)}`
        : `no text in the field "sentence"; it is ${describe(item)}`;
    throw new OptionError(`${name} has ${found}.`, remedy);
  }
  if (id !== undefined && !(typeof id === "string" ? id !== "" : Number.isSafeInteger(id)))
    throw new OptionError(
      `${name}.id is ${describe(id)}.`,
      "Give a text that is not empty, or a whole number; without an id it gets a running number.",
    );
  if (metadata === undefined) return { sentence, ...(id !== undefined && { id: id as SentenceId }) };
  checkMetadata(`${name}.metadata`, metadata);
  return { sentence, ...(id !== undefined && { id: id as SentenceId }), metadata: copyOfMetadata(metadata) };
}
