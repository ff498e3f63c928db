/**
 * The index of a model: sentences are encoded into it, and it is searched, changed and saved. Calls that make, read or change it take turns, so
 * that each has the index that the calls before it leave. Training makes its vectors another model's, so it is dropped then.
 */
import { OptionError, ShapeError } from "../../errors.ts";
import { Turns } from "../../gpu/turns.ts";
import type { Folder } from "../../io/folder.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { chunks } from "../embedding/chunks.ts";
import type { EmbeddedItems, Embeddings } from "../embedding/embeddings.ts";
import type { Encoder } from "../embedding/encoder.ts";
import type { EncodeOptions } from "../embedding/encoder-options.ts";
import { embeddingsOf } from "../embedding/given-embeddings.ts";
import { searchPrompt } from "../embedding/prompts.ts";
import { checkIterable } from "../embedding/texts.ts";
import { cosine } from "../evaluation/metrics/cosine.ts";
import { modelFingerprint } from "./fingerprint.ts";
import { decodeIndex, encodeIndex, type IndexOrigin, probeSentence } from "./index-file.ts";
import {
  checkSearchOptions,
  indexItem,
  type SearchOptions,
  type SearchResult,
  type SentenceId,
  SentenceIndex,
  type SentenceToIndex,
} from "./sentence-index.ts";
import { type VectorIndexOptions, vectorIndexOptions } from "./vector-index.ts";

/** Sentences to index, optionally with ids and metadata. */
export type IndexSource = Iterable<string | SentenceToIndex> | AsyncIterable<string | SentenceToIndex>;

/** How sentences are encoded for an index. */
export interface IndexOptions extends Pick<EncodeOptions, "batchSize" | "onProgress" | "signal"> {
  /** The sentences' vectors, if `encode` has already computed them; they are then not encoded again. */
  readonly vectors?: Embeddings | undefined;
}

/** The names of `IndexOptions`. */
const indexOptions: OptionNames<IndexOptions> = { batchSize: true, onProgress: true, signal: true, vectors: true };

/** Options of `SimCSE.addToIndex`. */
export interface AddToIndexOptions extends IndexOptions {
  /** Replace sentences whose id is already in the index; if false or absent, they are refused. */
  readonly upsert?: boolean | undefined;
}

/** The names of `AddToIndexOptions`. */
const addToIndexOptions: OptionNames<AddToIndexOptions> = { ...indexOptions, upsert: true };

/** The least cosine of a given vector and the model's own. Rounding to 8 bits changes it less, another model or order of sentences more. */
const sameVector = 0.99;

/** The default for the least cosine of a result, as in the original. */
const usualThreshold = 0.6;

export class ModelIndex {
  #current: SentenceIndex | null = null;
  readonly #turns = new Turns();
  /** How often the index was dropped. */
  #drops = 0;

  /** `name` is the model's; `encoder` gives its encoder, which training may replace. */
  constructor(
    readonly name: string,
    readonly encoder: () => Encoder,
  ) {}

  /** Throws `OptionError` if none was built or loaded. */
  get current(): SentenceIndex {
    if (this.#current !== null) return this.#current;
    throw new OptionError("There is no index to search.", "Call buildIndex with sentences, or loadIndex with a saved one.");
  }

  async build(sentences: IndexSource, options: IndexOptions & VectorIndexOptions): Promise<void> {
    checkOptions("buildIndex", options, { ...indexOptions, ...vectorIndexOptions });
    const { precision, rescore } = options;
    await this.#replace(async () => {
      const { model, dimension } = this.encoder();
      const index = new SentenceIndex(model.device, dimension, { precision, rescore });
      try {
        await this.#addTo(index, sentences, options);
      } catch (error) {
        await index.close();
        throw error;
      }
      return index;
    });
  }

  async add(sentences: IndexSource, options: AddToIndexOptions): Promise<void> {
    checkOptions("addToIndex", options, addToIndexOptions);
    await this.#turns.take(() => this.#addTo(this.current, sentences, options));
  }

  async remove(ids: SentenceId | Iterable<SentenceId>): Promise<number> {
    return this.#turns.take(() => this.current.remove(ids));
  }

  /** The results of each query. */
  async search(queries: string | Iterable<string> | Embeddings, options: SearchOptions): Promise<SearchResult[][]> {
    checkSearchOptions(options);
    void this.current; // Without one, say so before the queries are encoded.
    const encoder = this.encoder();
    const { data } = await embeddingsOf(queries, encoder, { signal: options.signal, ...searchPrompt(encoder.texts, "query") });
    return this.current.search(data, { ...options, threshold: options.threshold ?? usualThreshold });
  }

  /** The bytes of the index's file. */
  async *bytes(): AsyncGenerator<Uint8Array> {
    yield* encodeIndex(this.current, await this.#origin());
  }

  /** Reads a saved index. Throws `FormatError` for a damaged one, `OptionError` for another model's. */
  async load(folder: Folder, file: string): Promise<void> {
    await this.#replace(async () => decodeIndex(this.encoder().model.device, folder, file, await this.#origin()));
  }

  /** Drops the index, and one that is being built: its vectors no longer match the model. */
  drop(): void {
    this.close();
    this.#current = null;
    this.#drops++;
  }

  /** Closes the index once searches that use it are done. */
  close(): void {
    void this.#current?.close();
  }

  async #addTo(index: SentenceIndex, sentences: IndexSource, options: AddToIndexOptions): Promise<void> {
    checkIterable("sentences", sentences);
    const { vectors, upsert } = options;
    let done = 0;
    const items = indexItems(sentences);
    for await (const { items: some, data } of vectors === undefined ? this.#encoded(items, options) : this.#given(items, vectors)) {
      await index.add(some, data, { first: done, upsert });
      done += some.length;
    }
    if (vectors !== undefined && vectors.length !== done)
      throw new ShapeError(
        `There are ${vectors.length} vectors for ${done} sentences.`,
        "Give the vectors of these sentences, in their order.",
      );
  }

  #encoded(
    items: AsyncIterable<SentenceToIndex>,
    { signal, onProgress, batchSize }: IndexOptions,
  ): AsyncGenerator<EmbeddedItems<SentenceToIndex>> {
    const encoder = this.encoder();
    return encoder.streamItems(items, ({ sentence }) => sentence, {
      batchSize,
      signal,
      onProgress,
      ...searchPrompt(encoder.texts, "document"),
    });
  }

  async *#given(
    items: AsyncIterable<SentenceToIndex>,
    vectors: Embeddings,
  ): AsyncGenerator<Pick<EmbeddedItems<SentenceToIndex>, "items" | "data">> {
    const given = await embeddingsOf(vectors, this.encoder(), {});
    let done = 0;
    for await (const some of chunks(items)) {
      yield { items: some, data: await this.#givenVectors(given, some, done) };
      done += some.length;
    }
  }

  /**
   * The rows of given vectors for `items`. The first item, the last and one between them are also encoded for comparison, because vectors of
   * another model, or of sentences one place further on, would make a useless index.
   */
  async #givenVectors(vectors: Embeddings, items: readonly SentenceToIndex[], done: number): Promise<Float32Array> {
    const encoder = this.encoder();
    const { data, dimension } = vectors;
    const rows = data.subarray(done * dimension, (done + items.length) * dimension);
    if (rows.length < items.length * dimension)
      throw new ShapeError(
        `There are ${vectors.length} vectors, and more sentences.`,
        "Give the vectors of these sentences, in their order.",
      );
    const compared = [...new Set([0, items.length >> 1, items.length - 1])];
    const own = await encoder.encode(
      compared.map((at) => items[at]!.sentence),
      searchPrompt(encoder.texts, "document"),
    );
    const rowOf = (data: Float32Array, at: number) => data.subarray(at * dimension, (at + 1) * dimension);
    const other = compared.find((at, i) => !isSame(rowOf(own.data, i), rowOf(rows, at)));
    if (other === undefined) return rows;
    throw new OptionError(
      `The vector given for sentences[${done + other}] is not what ${this.name} makes of it.`,
      "Give vectors that this model encoded with the same pooler, in the order of the sentences.",
    );
  }

  async #origin(): Promise<IndexOrigin> {
    const encoder = this.encoder();
    // Without a prompt, because an index and its queries may have different ones.
    const { data: probe } = await encoder.encode([probeSentence], { prompt: "" });
    return { model: this.name, fingerprint: await modelFingerprint(encoder.model, encoder.pooler), probe };
  }

  async #replace(make: () => Promise<SentenceIndex>): Promise<void> {
    await this.#turns.take(async () => {
      const drops = this.#drops;
      const index = await make();
      // It would mix vectors from before and after the training.
      if (this.#drops !== drops) return index.close();
      const before = this.#current;
      this.#current = index;
      await before?.close();
    });
  }
}

/** Whether a given vector is the model's own. Vectors of zeros, which some heads make, are the same although they have no cosine. */
function isSame(own: Float32Array, given: Float32Array): boolean {
  return cosine(own, given) >= sameVector || [own, given].every((vector) => vector.every((value) => value === 0));
}

/** Sentences to index as objects. Throws `OptionError` for anything else, naming its position. */
async function* indexItems(sentences: IndexSource): AsyncGenerator<SentenceToIndex> {
  let position = 0;
  for await (const item of sentences) yield indexItem(item, position++);
}
