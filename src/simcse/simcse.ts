/**
 * The embedding tool: a model folder in, sentence vectors and similarities out, as the original's `SimCSE` class has it.
 */
import type { Tuning } from "../autograd/choices.ts";
import { OptionError, ShapeError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import type { Folder } from "../io/folder.ts";
import { loadTokenizer } from "../io/tokenizer.ts";
import { missingWeights } from "../io/weights.ts";
import { checkVocabulary, inspectWeights, loadWeights, locateTensors, readConfig } from "./checkpoint/checkpoint.ts";
import { type EmbeddedWindow, Embedder, type EmbeddingOptions, type Embeddings } from "./embedding/embedder.ts";
import { type EncodeOptions, Encoder } from "./embedding/encoder.ts";
import type { Precision, PrecisionArrays } from "./embedding/precision.ts";
import { toUnitLength } from "./embedding/unit-length.ts";
import { windows } from "./embedding/windows.ts";
import { modelTensors, SimCseModel } from "./model/model.ts";
import { type PoolerType, parsePooler } from "./model/poolers.ts";
import { decodeIndex, encodeIndex, probeSentence } from "./search/index-file.ts";
import { type IndexedSentence, type SearchResult, type SentenceId, SentenceIndex } from "./search/sentence-index.ts";
import { checkSearch, type SearchOptions, searchDefaults, type VectorIndexOptions } from "./search/vector-index.ts";

export interface LoadOptions {
  /** How a sentence's vector is made; the one saved with the model if absent. */
  readonly pooler?: PoolerType;
  /** Tokens a sentence is truncated to; if absent what is saved with the model, or 128, and no more than the model takes. */
  readonly maxLength?: number;
  /** Sentences a batch; 64 if absent. */
  readonly batchSize?: number;
  /** Scale vectors to unit length; true if absent. */
  readonly normalize?: boolean;
  /** How kernels are chosen, from `openTuning`; if absent, by rule among what the device computes right. */
  readonly tuning?: Tuning | undefined;
}

/** Sentences to index, with ids of their own or without. */
export type IndexSource = readonly (string | IndexedSentence)[] | AsyncIterable<string | IndexedSentence>;

/** How sentences are encoded for an index. */
export type IndexOptions = Pick<EncodeOptions, "batchSize" | "onProgress" | "signal">;

/** How an environment opens what a model is loaded from and onto. */
export interface Environment {
  readonly openDevice: () => Promise<Device>;
  readonly openFolder: () => Promise<Folder>;
}

/** What a loaded `SimCSE` consists of. */
interface LoadedModel {
  readonly model: SimCseModel;
  readonly encoder: Encoder;
  readonly pooler: PoolerType;
  readonly normalize: boolean;
}

/** `loadFrom` works everywhere; `SimCSE.load(path)` of `simcse-node.ts` and `simcse-browser.ts` opens folder and device itself. */
export class SimCSE {
  /** Closed with the model: the device that `load` opened for it. */
  #ownDevice: Device | null = null;
  #index: SentenceIndex | null = null;
  readonly model: SimCseModel;
  readonly encoder: Encoder;
  readonly pooler: PoolerType;
  readonly embedder: Embedder;

  protected constructor({ model, encoder, pooler, normalize }: LoadedModel) {
    this.model = model;
    this.encoder = encoder;
    this.pooler = pooler;
    this.embedder = new Embedder(model, encoder, { pooler, normalize });
  }

  /** Loads a model with `load`, onto the device in `options` or onto one opened for it alone. */
  protected static async loadIn<S extends SimCSE>(
    { openDevice, openFolder }: Environment,
    { device, ...options }: LoadOptions & { readonly device?: Device },
    load: (device: Device, folder: Folder, options: LoadOptions) => Promise<S>,
  ): Promise<S> {
    const folder = await openFolder();
    if (device !== undefined) return load(device, folder, options);
    const own = await openDevice();
    try {
      const simcse = await load(own, folder, options);
      simcse.#ownDevice = own;
      return simcse;
    } catch (error) {
      own.close();
      throw error;
    }
  }

  /**
   * Loads a model folder onto a device. Throws `FileError` or `FormatError` when it is not a BERT or RoBERTa with weights and a tokenizer, `OptionError` when
   * no pooler is given and none was saved with the model.
   */
  static loadFrom(device: Device, folder: Folder, options: LoadOptions = {}): Promise<SimCSE> {
    return SimCSE.loadAs((loaded) => new SimCSE(loaded), device, folder, options);
  }

  /** The same for a class that adds to this one. */
  protected static async loadAs<S extends SimCSE>(
    create: (loaded: LoadedModel) => S,
    device: Device,
    given: Folder,
    options: LoadOptions,
  ): Promise<S> {
    const { folder, head, bert, ...saved } = await readConfig(given);
    const pooler = options.pooler === undefined ? saved.pooler : parsePooler(options.pooler);
    if (pooler === null) {
      throw new OptionError(
        `${given.name} does not say which pooler its embeddings are made with.`,
        "Give one as `pooler` (--pooler): cls for a SimCSE model with its MLP, cls_before_pooler for one trained with mlp_only_train, avg for a plain BERT.",
      );
    }
    const tokenizer = await loadTokenizer(folder);
    checkVocabulary(folder, tokenizer, bert);
    const { weights } = await inspectWeights(folder, head);
    if (weights === null) throw missingWeights(folder);
    locateTensors(weights, modelTensors(bert, { mlp: pooler === "cls" }));
    const model = await SimCseModel.allocate(device, bert, { training: false, mlp: pooler === "cls", tuning: options.tuning });
    try {
      await loadWeights(model, weights, { head: "checkpoint" });
      const encoder = await Encoder.create(model, tokenizer, {
        pooler,
        maxLength: options.maxLength ?? saved.maxLength,
        ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize }),
        ...(options.normalize === undefined ? {} : { normalize: options.normalize }),
      });
      return create({ model, encoder, pooler, normalize: options.normalize ?? true });
    } catch (error) {
      model.close();
      throw error;
    }
  }

  /** The length of a vector. */
  get dimension(): number {
    return this.encoder.dimension;
  }

  /**
   * The vector of a sentence f32 [dimension]; those of several as `Embeddings`; those of a stream in windows, read as they are taken, so that a text
   * of any length is encoded in constant memory. int8 needs its scales only for lengths: cosines do without.
   */
  encode<P extends Precision = "f32">(sentence: string, options?: EmbeddingOptions<P>): Promise<PrecisionArrays[P]>;
  encode<P extends Precision = "f32">(sentences: readonly string[], options?: EmbeddingOptions<P>): Promise<Embeddings<P>>;
  encode<P extends Precision = "f32">(sentences: AsyncIterable<string>, options?: EmbeddingOptions<P>): AsyncGenerator<EmbeddedWindow<P>>;
  encode<P extends Precision = "f32">(
    sentences: string | readonly string[] | AsyncIterable<string>,
    options: EmbeddingOptions<P> = {},
  ): Promise<PrecisionArrays[P] | Embeddings<P>> | AsyncGenerator<EmbeddedWindow<P>> {
    if (typeof sentences === "string") return this.embedder.encode([sentences], options).then(({ data }) => data);
    return Symbol.asyncIterator in sentences ? this.embedder.stream(sentences, options) : this.embedder.encode(sentences, options);
  }

  /**
   * Cosine similarities of queries and keys, either of them texts or embeddings: a number for two texts, f32 [keys] for a text and several, else
   * one f32 [keys] for each query.
   */
  async similarity(query: string, key: string): Promise<number>;
  async similarity(query: string, keys: readonly string[] | Embeddings): Promise<Float32Array>;
  async similarity(queries: readonly string[] | Embeddings, keys: readonly string[] | Embeddings): Promise<Float32Array[]>;
  async similarity(
    queries: string | readonly string[] | Embeddings,
    keys: string | readonly string[] | Embeddings,
  ): Promise<number | Float32Array | Float32Array[]> {
    const left = unitRows(await this.#embeddings(queries));
    const right = unitRows(await this.#embeddings(keys));
    const matrix = left.map((query) => Float32Array.from(right, (key) => dot(query, key)));
    if (typeof queries !== "string") return matrix;
    return typeof keys === "string" ? matrix[0]![0]! : matrix[0]!;
  }

  /** What `search` looks through. Throws `OptionError` where nothing was built or loaded. */
  get index(): SentenceIndex {
    if (this.#index !== null) return this.#index;
    throw new OptionError("There is no index to search.", "Call buildIndex with sentences, or loadIndex with a saved one.");
  }

  /** Encodes sentences into a new index, in the place of the one there is. Ids are running numbers where none are given. */
  async buildIndex(sentences: IndexSource, options: IndexOptions & VectorIndexOptions = {}): Promise<void> {
    const index = new SentenceIndex(this.model.device, this.dimension, options);
    try {
      await this.#addTo(index, sentences, options);
    } catch (error) {
      index.close();
      throw error;
    }
    this.#replaceIndex(index);
  }

  /** Adds sentences to the index. Throws `OptionError` for an id that is taken; windows of a stream before it stay added. */
  async addToIndex(sentences: IndexSource, options: IndexOptions = {}): Promise<void> {
    await this.#addTo(this.index, sentences, options);
  }

  /** Removes sentences by their ids; returns how many of them were there. */
  async removeFromIndex(ids: Iterable<SentenceId>): Promise<number> {
    return this.index.remove(ids);
  }

  /** The sentences most similar to a query, the most similar first; a list of them for each of several queries, which may be embeddings. */
  async search(query: string, options?: SearchOptions): Promise<SearchResult[]>;
  async search(queries: readonly string[] | Embeddings, options?: SearchOptions): Promise<SearchResult[][]>;
  async search(queries: string | readonly string[] | Embeddings, options: SearchOptions = {}): Promise<SearchResult[] | SearchResult[][]> {
    const { topK, threshold } = { ...searchDefaults, ...options };
    checkSearch(topK, threshold);
    const { index } = this;
    const results = await index.search((await this.#embeddings(queries)).data, options);
    return typeof queries === "string" ? results[0]! : results;
  }

  /** The bytes of the index's file, for `saveIndex` of simcse-node.ts and simcse-browser.ts. */
  protected async *indexBytes(): AsyncGenerator<Uint8Array> {
    yield* encodeIndex(this.index, await this.encode(probeSentence));
  }

  /** Reads a saved index from a folder, in the place of the one there is. Throws `FormatError` for a damaged one, `OptionError` for another model's. */
  async loadIndexFrom(folder: Folder, file: string): Promise<void> {
    this.#replaceIndex(await decodeIndex(this.model.device, folder, file, await this.encode(probeSentence)));
  }

  /** Frees the model's memory on the device, and the device if it was opened for the model alone. */
  close(): void {
    this.#index?.close();
    this.embedder.close();
    this.model.close();
    this.#ownDevice?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #addTo(index: SentenceIndex, sentences: IndexSource, options: IndexOptions): Promise<void> {
    let done = 0;
    for await (const window of windows<string | IndexedSentence>(sentences)) {
      const texts = window.map((item) => (typeof item === "string" ? item : item.sentence));
      const { signal, onProgress, batchSize } = options;
      const before = done;
      const { data } = await this.embedder.encode(texts, {
        ...(signal && { signal }),
        ...(batchSize && { batchSize }),
        ...(onProgress && { onProgress: (count: number) => onProgress(before + count) }),
      });
      await index.add(window, data);
      done += window.length;
    }
  }

  #replaceIndex(index: SentenceIndex): void {
    this.#index?.close();
    this.#index = index;
  }

  async #embeddings(of: string | readonly string[] | Embeddings): Promise<Embeddings> {
    if (typeof of === "string") return this.encode([of]);
    if (!("data" in of)) return this.encode(of);
    if (of.dimension !== this.dimension) {
      throw new ShapeError(
        `The embeddings have ${of.dimension} numbers each; this model's have ${this.dimension}.`,
        "Encode both with the same model.",
      );
    }
    return of;
  }
}

function unitRows({ length, dimension, data }: Embeddings): Float32Array[] {
  const unit = toUnitLength(data, dimension);
  return Array.from({ length }, (_, row) => unit.subarray(row * dimension, (row + 1) * dimension));
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
