/** Sentences with their ids and vectors: what `SimCSE.buildIndex` makes and `SimCSE.search` looks through. Changes and searches wait for each other. */
import { OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import { Turns } from "../../gpu/turns.ts";
import { type SearchOptions, VectorIndex, type VectorIndexOptions } from "./vector-index.ts";

/** What a sentence is known by: given by the caller, or a running number. */
export type SentenceId = string | number;

export interface IndexedSentence {
  readonly id: SentenceId;
  readonly sentence: string;
}

export interface SearchResult extends IndexedSentence {
  /** Cosine similarity to the query. */
  readonly score: number;
}

export class SentenceIndex {
  readonly vectors: VectorIndex;
  readonly #turns = new Turns();
  #entries: IndexedSentence[] = [];
  #ids = new Set<SentenceId>();
  /** The running number that comes next: above every one that was given, so that none is given twice. */
  nextId = 0;

  constructor(device: Device, dimension: number, options: VectorIndexOptions = {}) {
    this.vectors = new VectorIndex(device, dimension, options);
  }

  get length(): number {
    return this.#entries.length;
  }

  get entries(): readonly IndexedSentence[] {
    return this.#entries;
  }

  has(id: SentenceId): boolean {
    return this.#ids.has(id);
  }

  /**
   * Appends sentences, with ids or without, and their vectors f32 [sentences, dimension]. Throws `OptionError` for an id that is taken, `DataError`
   * for a vector that is not finite; nothing is added then.
   */
  add(items: readonly (string | IndexedSentence)[], vectors: Float32Array): Promise<void> {
    return this.#turns.take(() => this.addEntries(items, () => this.vectors.add(vectors)));
  }

  /** The same with vectors that `store` appends. */
  addEntries(items: readonly (string | IndexedSentence)[], store: () => void): void {
    const fresh = new Set<SentenceId>();
    let nextId = this.nextId;
    const entries = items.map((item): IndexedSentence => {
      const { id, sentence } = typeof item === "string" ? { id: nextId, sentence: item } : item;
      if (typeof id !== "string" && !Number.isSafeInteger(id))
        throw new OptionError(`${String(id)} is no id.`, "Give a text or a whole number.");
      if (this.#ids.has(id) || fresh.has(id)) {
        throw new OptionError(
          `The id ${JSON.stringify(id)} is in the index already.`,
          "Give every sentence an id of its own, or remove the old one.",
        );
      }
      fresh.add(id);
      if (typeof id === "number" && id >= nextId) nextId = id + 1;
      return { id, sentence };
    });
    store();
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#ids.add(entry.id);
    }
    this.nextId = nextId;
  }

  /** Removes sentences; returns how many of the ids were there. */
  remove(ids: Iterable<SentenceId>): Promise<number> {
    return this.#turns.take(() => {
      const unwanted = new Set([...ids].filter((id) => this.#ids.has(id)));
      if (unwanted.size === 0) return 0;
      const rows = new Set<number>();
      this.#entries.forEach(({ id }, row) => {
        if (unwanted.has(id)) rows.add(row);
      });
      this.vectors.remove(rows);
      this.#entries = this.#entries.filter((_, row) => !rows.has(row));
      for (const id of unwanted) this.#ids.delete(id);
      return unwanted.size;
    });
  }

  /** The most similar sentences for each of `queries` f32 [queries, dimension], the most similar first. */
  search(queries: Float32Array, options: SearchOptions = {}): Promise<SearchResult[][]> {
    return this.#turns.take(async () => {
      const found = await this.vectors.search(queries, options);
      return found.map((rows) => rows.map(({ row, score }) => ({ ...this.#entries[row]!, score })));
    });
  }

  /** Runs `work` while nothing is added, removed or searched. */
  whileUnchanged<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.take(work);
  }

  close(): void {
    this.vectors.close();
  }
}
