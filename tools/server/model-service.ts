/** The model as the server's routes use it: texts to tokens, tokens to vectors and vectors to sentences, with the work of all clients joined into batches. */
import type { Tokenizer } from "../../src/io/tokenizer.ts";
import { usualSentences } from "../../src/simcse/embedding/batch-size.ts";
import type { TokenizedText } from "../../src/simcse/embedding/encoder-program.ts";
import { type PromptOptions, type SearchSide, searchPrompt } from "../../src/simcse/embedding/prompts.ts";
import type { Filter } from "../../src/simcse/search/metadata.ts";
import type { SearchResult } from "../../src/simcse/search/sentence-index.ts";
import type { SimCSE } from "../../src/simcse/simcse.ts";
import { BatchingQueue } from "./batching-queue.ts";
import { nextSlice } from "./slices.ts";

export interface ServiceOptions {
  /** Inputs of all clients that may wait. */
  readonly waiting: number;
  /** Called with the size of every batch that was encoded. */
  readonly onBatch: (sentences: number) => void;
  readonly onEncoded: (sentences: number, tokens: number) => void;
}

export interface Search {
  readonly topK: number;
  readonly filter?: Filter | undefined;
}

interface Query extends Search {
  readonly vector: Float32Array;
}

/** Batches of the encoder per batch of the queue: enough to sort by length, few enough to answer the first request soon. */
const encoderBatches = 4;

/** Queries that are searched together. */
const searchBatch = 32;

/** Milliseconds that a failed device has to prove that it works again. */
const recoveryTime = 1000;

export class ModelService {
  readonly #embeddings: BatchingQueue<TokenizedText, Float32Array>;
  readonly #searches: BatchingQueue<Query, SearchResult[]>;
  /** Why the last batch failed. */
  #failure: string | null = null;

  constructor(
    readonly model: SimCSE,
    { waiting, onBatch, onEncoded }: ServiceOptions,
  ) {
    const { encoder, dimension } = model;
    const encode = async (texts: readonly TokenizedText[]): Promise<Float32Array[]> => {
      const { data } = await encoder.encodeTokens(texts, { normalize: true });
      onEncoded(
        texts.length,
        texts.reduce((sum, { ids }) => sum + ids.length, 0),
      );
      return texts.map((_, row) => data.slice(row * dimension, (row + 1) * dimension));
    };
    this.#embeddings = new BatchingQueue(this.#watched(encode), {
      limit: waiting,
      batch: Math.max(encoderBatches * usualSentences, encoder.largestBatch),
      onBatch,
    });
    this.#searches = new BatchingQueue(
      this.#watched((queries) => this.#searchTogether(queries)),
      { limit: waiting, batch: searchBatch },
    );
  }

  get tokenizer(): Tokenizer {
    return this.model.encoder.tokenizer;
  }

  /** Texts are truncated to this many tokens. */
  get maxLength(): number {
    return this.model.encoder.maxLength;
  }

  /** Inputs that wait. */
  get waiting(): number {
    return this.#embeddings.waiting;
  }

  /** The model's prompt for one side of a search. */
  promptOf(side: SearchSide): PromptOptions {
    return searchPrompt(this.model.encoder.texts, side);
  }

  /**
   * Token ids of texts, with prompt and special tokens, truncated to the model's length. Throws `OptionError` for a prompt that the model does
   * not have.
   */
  async tokenise(texts: readonly string[], signal: AbortSignal, prompt: PromptOptions = {}): Promise<TokenizedText[]> {
    return this.model.encoder.tokenizeAll(texts, { pause: nextSlice, signal, ...prompt });
  }

  /** Vectors of unit length, f32 [dimension] each. Throws `QueueFullError` when too many inputs wait. */
  embed(texts: readonly TokenizedText[], signal: AbortSignal): Promise<Float32Array[]> {
    return this.#embeddings.submit(texts, signal);
  }

  /** The most similar sentences of the index for each vector. */
  search(vectors: readonly Float32Array[], search: Search, signal: AbortSignal): Promise<SearchResult[][]> {
    return this.#searches.submit(
      vectors.map((vector) => ({ vector, ...search })),
      signal,
    );
  }

  /** Why the model cannot be used, or null. After a failure the device is tested again with the shortest sentence. */
  async failure(): Promise<string | null> {
    if (await this.model.model.device.isLost()) return "the device was lost";
    if (this.#failure === null) return null;
    const { clsId, sepId } = this.tokenizer;
    const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error("the device does not answer")), recoveryTime).unref());
    const asked = this.#watched(() => this.model.encoder.encodeTokens([[clsId, sepId]]))([]);
    await Promise.race([asked, late]).catch(() => {});
    return this.#failure;
  }

  /** Runs `work` and remembers its failure until it succeeds again. */
  #watched<Items, Result>(work: (items: Items) => Promise<Result>): (items: Items) => Promise<Result> {
    return async (items) => {
      try {
        const result = await work(items);
        this.#failure = null;
        return result;
      } catch (error) {
        this.#failure = error instanceof Error ? error.message : String(error);
        throw error;
      }
    };
  }

  /** Only queries with the same filter and number of results run together, because that number decides how many approximate results are scored again. */
  async #searchTogether(queries: readonly Query[]): Promise<SearchResult[][]> {
    const groups = new Map<string, number[]>();
    for (const [place, { topK, filter }] of queries.entries()) {
      const key = JSON.stringify([topK, filter]);
      groups.set(key, [...(groups.get(key) ?? []), place]);
    }
    const results: SearchResult[][] = [];
    for (const places of groups.values()) {
      const { topK, filter } = queries[places[0]!]!;
      const { dimension } = this.model;
      const vectors = new Float32Array(places.length * dimension);
      for (const [i, place] of places.entries()) vectors.set(queries[place]!.vector, i * dimension);
      const found = await this.model.index.search(vectors, { topK, filter });
      for (const [i, place] of places.entries()) results[place] = found[i]!;
    }
    return results;
  }
}
