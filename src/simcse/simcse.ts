/** The embedding tool: loads a model folder and computes sentence vectors and similarities, like the original's `SimCSE` class. */
import "../disposal.ts";
import { OptionError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import { type Folder, MemoryFolder, type NamedContent } from "../io/folder.ts";
import { type FolderPlace, writeFiles } from "../io/folders/writable-folder.ts";
import type { ThreadStarter } from "../io/tokenizer/thread.ts";
import { loadTokenizer } from "../io/tokenizer.ts";
import { missingWeights } from "../io/weights.ts";
import type { FloatType } from "../kernels/language/operation.ts";
import type { Precision } from "../kernels/search/precision.ts";
import { checkOptions } from "../options.ts";
import { show } from "../show.ts";
import { adapterFiles } from "./checkpoint/adapter.ts";
import { fitConfig, inspectWeights, loadWeights, locateTensors, readConfig } from "./checkpoint/checkpoint.ts";
import { type CheckpointStore, PlacedCheckpoints } from "./checkpoint/checkpoint-store.ts";
import { savedModelFiles } from "./checkpoint/saved-model.ts";
import { distillationDefaults } from "./distillation/distillation-defaults.ts";
import { distillationSet } from "./distillation/distillation-set.ts";
import { type MakeStudentOptions, makeStudent } from "./distillation/make-student.ts";
import { principalComponents, project } from "./distillation/principal-components.ts";
import type { EmbeddedChunk, Embeddings } from "./embedding/embeddings.ts";
import { Encoder } from "./embedding/encoder.ts";
import type { EncodeOptions } from "./embedding/encoder-options.ts";
import { embeddingsOf, isEmbeddings } from "./embedding/given-embeddings.ts";
import { floatEmbeddings } from "./embedding/given-vectors.ts";
import type { PrecisionArrays } from "./embedding/precision.ts";
import { withPrompt } from "./embedding/prompts.ts";
import { checkIterable, describe, isStream } from "./embedding/texts.ts";
import { encodingDtype } from "./model/encoding-dtype.ts";
import { modelTensors, SimCseModel } from "./model/model.ts";
import { type EncodingPooler, parsePooler } from "./model/poolers.ts";
import { otherDevices } from "./other-devices.ts";
import { type CommunitiesOptions, type Community, communities, communitiesOptions } from "./search/communities.ts";
import { cosineMatrix } from "./search/cosine-blocks.ts";
import { type AddToIndexOptions, type IndexOptions, type IndexSource, ModelIndex } from "./search/model-index.ts";
import type { SearchOptions, SearchResult, SentenceId, SentenceIndex } from "./search/sentence-index.ts";
import { type SimilarPair, type SimilarPairsOptions, similarPairs, similarPairsOptions } from "./search/similar-pairs.ts";
import type { VectorIndexOptions } from "./search/vector-index.ts";
import { type LoadOptions, loadOptions, type SimilarityOptions, similarityOptions } from "./simcse-options.ts";
import { isTrainedHead } from "./training/prepare-model.ts";
import {
  checkTrainingOptions,
  type LoadedParts,
  type LoadedTraining,
  planLoaded,
  scoreOf,
  simcseOf,
  type TrainingOptions,
  type TrainingPlan,
  trainLoaded,
} from "./training/train-loaded.ts";
import { type TrainingSettings, trainingDefaults } from "./training/training-options.ts";
import { type RunHooks, TrainingRun } from "./training/training-run.ts";
import { exampleSet, listExamples, packedSet, type TrainingExamples } from "./training/training-set.ts";

/** How an environment opens model folders and devices. */
export interface Environment {
  readonly openDevice: () => Promise<Device>;
  readonly openFolder: () => Promise<Folder>;
}

/** The parts of a loaded `SimCSE`. */
export interface LoadedModel extends LoadedParts {
  /** The model's name in messages: the last part of its folder's name. */
  readonly name: string;
}

/** What `loadFrom` of an environment makes, and how threads are started there. */
export interface LoadedAs<S extends SimCSE> {
  readonly create: (loaded: LoadedModel) => S;
  /** Null for none. */
  readonly threads: ThreadStarter | null;
}

/** `loadFrom` works everywhere; `SimCSE.load(path)` of `simcse-node.ts` and `simcse-browser.ts` opens folder and device itself. */
export class SimCSE {
  /** The device that `load` opened for this model; it is closed with the model. */
  #ownDevice: Device | null = null;
  readonly #index: ModelIndex;
  /** Replaced if training needs other memory, heads or another pooler. */
  #parts: LoadedParts;
  #isTraining = false;
  /** The last part of the name of the folder that it was loaded from. */
  readonly name: string;

  protected constructor({ name, ...parts }: LoadedModel) {
    this.name = name;
    this.#parts = parts;
    this.#index = new ModelIndex(name, () => this.encoder);
  }

  /** The weights on the device. */
  get model(): SimCseModel {
    return this.#parts.model;
  }

  /** The encoder of sentences. */
  get encoder(): Encoder {
    return this.#parts.encoder;
  }

  /** Loads a model with `load`, onto the device in `options` or onto a new one. */
  protected static async loadIn<S extends SimCSE>(
    { openDevice, openFolder }: Environment,
    { device, ...options }: LoadOptions & { readonly device?: Device },
    load: (device: Device, folder: Folder, options: LoadOptions) => Promise<S>,
  ): Promise<S> {
    if (device !== undefined && typeof (device as Partial<Device> | null)?.submit !== "function") {
      throw new OptionError(`The device must be one that openDevice gave, but is ${show(device)}.`, "Leave it out to open one.");
    }
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
   * Loads a model folder onto a device. Throws `FileError` or `FormatError` when it is no supported model (`modelTypes`) with weights and a tokenizer,
   * and `OptionError` when no pooler is given and none was saved with the model.
   */
  static loadFrom(device: Device, folder: Folder, options: LoadOptions = {}): Promise<SimCSE> {
    return SimCSE.loadAs({ create: (loaded) => new SimCSE(loaded), threads: null }, device, folder, options);
  }

  /** The same for a subclass. */
  protected static async loadAs<S extends SimCSE>(
    { create, threads }: LoadedAs<S>,
    device: Device,
    given: Folder,
    options: LoadOptions,
  ): Promise<S> {
    checkOptions("load", options, loadOptions);
    const { training = false } = options;
    const dtype = encodingDtype(options, device.capabilities);
    const others = otherDevices(device, options.devices ?? []);
    const chosen = options.pooler === undefined ? undefined : parsePooler(options.pooler);
    const { folder, modules, sentenceHead, texts, ...saved } = await readConfig(given, { pooler: chosen });
    const pooler = sentenceHead === null ? (saved.pooler ?? (training ? trainingDefaults.pooler : null)) : "sentence_transformers";
    if (pooler === null) {
      throw new OptionError(
        `${given.name} does not say which pooler its embeddings are made with.`,
        "Give one as `pooler` (--pooler): cls for a SimCSE model with its MLP, cls_before_pooler for one trained with mlp_only_train, avg for a plain BERT.",
        { option: "pooler" },
      );
    }
    const tokenizer = await loadTokenizer(folder);
    const transformer = fitConfig(folder, tokenizer, saved.transformer);
    const { weights, hasHead } = await inspectWeights({ folder, transformer, modules });
    if (weights === null && !training) throw await missingWeights(folder);
    const isFresh = training && !isTrainedHead({ hasHead, config: saved, weights });
    const parts = { mlp: pooler === "cls", head: sentenceHead };
    if (weights !== null) locateTensors(weights, transformer, modelTensors(transformer, isFresh ? { ...parts, mlp: false } : parts));
    const model = await SimCseModel.allocate(device, transformer, {
      training: training && sentenceHead === null,
      halves: dtype === "f16",
      ...parts,
      tuning: options.tuning,
    });
    try {
      if (training) model.store.initialize(trainingDefaults.seed);
      const fresh =
        weights === null
          ? [...model.store.pieces.keys()]
          : await loadWeights(model, weights, { head: isFresh ? "fresh" : "checkpoint", signal: options.signal });
      const encoder = await Encoder.create(model, tokenizer, {
        pooler,
        maxLength: options.maxLength ?? saved.maxLength,
        texts: withPrompt(texts, options),
        threads,
        batchSize: options.batchSize,
        normalize: options.normalize,
      });
      await encoder.shareWith(others).catch((error: unknown) => {
        encoder.close();
        throw error;
      });
      return create({ model, encoder, fresh, name: given.name.split(/[\\/]/).filter(Boolean).at(-1) ?? given.name });
    } catch (error) {
      model.close();
      throw error;
    }
  }

  /**
   * Trains the model on sentences, pairs, or pairs with a hard negative: `await` the run for its end, or iterate over it for its steps. The
   * model can encode during training, and can be trained again; calls of `encode` that are in progress when training begins may throw
   * `ClosedError`, because a model that was not loaded for `training` gets other memory then. An index is dropped, because its vectors no
   * longer match the model. Rejects with `OptionError` for options that are unknown or impossible, and for sentences without pairs if the
   * model has no dropout and none is given; with `DataError`, naming the example by its number from 1, for one that cannot be trained on,
   * `CapacityError` when the device has no room, and `DivergenceError` when the loss is NaN or infinite.
   */
  train(examples: TrainingExamples, options: TrainingOptions = {}): TrainingRun {
    return this.#startTraining(options, async ({ maxLength }) =>
      exampleSet(await listExamples(examples), this.encoder.tokenizer, maxLength),
    );
  }

  /**
   * Trains the model's encoder to predict masked words of texts, which are joined and cut into sequences of `maxLength` tokens. Otherwise
   * like `train`.
   */
  pretrain(texts: Iterable<string> | AsyncIterable<string>, options: TrainingOptions = {}): TrainingRun {
    return this.#startTraining(options, ({ maxLength }) => packedSet(texts, this.encoder.tokenizer, maxLength));
  }

  /**
   * A smaller model made of this one, to be distilled: some of its layers, the tokens that `texts` use most, narrower embeddings, or
   * another shape with fresh weights. It is loaded onto the same device. Throws the errors of `makeStudent`.
   */
  async student(options: MakeStudentOptions = {}): Promise<this> {
    const teacher = new MemoryFolder(this.name);
    await writeFiles(teacher, this.files());
    const { loadFrom } = this.constructor as typeof SimCSE;
    const made = await makeStudent(teacher, options);
    return (await loadFrom(this.model.device, made, {
      batchSize: this.encoder.batchSize ?? undefined,
      training: options.config !== undefined,
    })) as this;
  }

  /**
   * Trains the model to give the vectors of a teacher for texts: `await` the run for its end, or iterate over it for its steps. `teacher` is
   * a model, which first encodes the texts, or its vectors. If they are longer than this model's, their first principal components are the
   * targets. Options are those of `train`, with the defaults of `distillationDefaults`. Rejects like `train`, and with `DataError` unless
   * there is one vector for each text.
   */
  distill(teacher: SimCSE | Embeddings, texts: Iterable<string>, options: TrainingOptions = {}): TrainingRun {
    const read = async (settings: TrainingSettings) => {
      checkIterable("texts", texts);
      if (!(teacher instanceof SimCSE || isEmbeddings(teacher)))
        throw new OptionError(`The teacher is ${describe(teacher)}.`, "Give a loaded model, or its vectors { length, dimension, data }.");
      const all = [...texts];
      const { signal } = options;
      const given = teacher instanceof SimCSE ? await teacher.encode(all, { signal }) : floatEmbeddings(teacher);
      const vectors = given.dimension > this.dimension ? project(given, await principalComponents(given, this.dimension)) : given;
      const { tokenizer, texts: preparation } = this.encoder;
      return distillationSet(all, vectors, { tokenizer, maxLength: settings.maxLength, preparation });
    };
    const maxLength = Math.min(distillationDefaults.maxLength, this.encoder.maxLength);
    return this.#startTraining(options, read, { ...distillationDefaults, maxLength });
  }

  /**
   * The memory plan of `train` with these options; nothing is allocated. For pairs, unless `sentences` says how many sentences an example
   * has.
   */
  plan(options: TrainingOptions = {}, { sentences = 2 }: { readonly sentences?: 1 | 2 | 3 } = {}): TrainingPlan {
    return planLoaded(this.#parts, options, sentences);
  }

  /**
   * The model's files, to be written in this order; this package, transformers and sentence-transformers open them. Weights are read as
   * they are written.
   */
  files(): NamedContent[] {
    const { model, encoder } = this.#parts;
    if (encoder.pooler === "sentence_transformers") {
      throw new OptionError(
        "The model makes its vectors with modules that are not written here.",
        "Keep the folder that it was loaded from, or load it with a `pooler`.",
      );
    }
    return savedModelFiles(model, encoder.tokenizer, simcseOf(encoder), encoder.texts);
  }

  /** Writes the model's files to a MemoryFolder, to a browser's FileSystemDirectoryHandle, or in Node to the folder at a path. */
  async save(place: FolderPlace | string): Promise<void> {
    await this.write(place, this.files());
  }

  /**
   * Writes the adapters that `train` made with `loraRank`, in the format of PEFT, with the MLP of the pooler if there is one. `base` is the
   * name or path of the model that they belong to; the model's own name if absent. Throws `OptionError` if the model has none.
   */
  async saveAdapter(place: FolderPlace | string, base: string = this.name): Promise<void> {
    await this.write(place, adapterFiles(this.model, base));
  }

  /** Writes files to a place that this environment supports. */
  protected async write(place: FolderPlace | string, files: Iterable<NamedContent>): Promise<void> {
    await writeFiles(place as FolderPlace, files);
  }

  /** Checkpoints at a place that this environment supports. */
  protected checkpointsAt(place: FolderPlace | string, limit: number | undefined): CheckpointStore {
    return new PlacedCheckpoints(place as FolderPlace, limit);
  }

  #startTraining(options: TrainingOptions, read: LoadedTraining["read"], defaults: LoadedTraining["defaults"] = {}): TrainingRun {
    const train = async (hooks: RunHooks) => {
      checkTrainingOptions(options);
      if (this.#isTraining) throw new OptionError("The model is being trained already.", "Wait for that run to end, or stop it.");
      this.#isTraining = true;
      try {
        const { checkpoints, keepCheckpoints } = options;
        return await trainLoaded(this.#parts, {
          options,
          defaults,
          read,
          hooks,
          checkpoints: checkpoints === undefined ? null : this.checkpointsAt(checkpoints, keepCheckpoints),
          replace: (parts) => {
            this.#parts = parts;
            parts.encoder.encodeAlone();
            this.#index.drop();
          },
        });
      } finally {
        this.#isTraining = false;
      }
    };
    return new TrainingRun(train, (entry) => scoreOf(options, entry));
  }

  /** The length of a vector. */
  get dimension(): number {
    return this.encoder.dimension;
  }

  /** How the model's matrices and activations are stored when it encodes. */
  get dtype(): FloatType {
    return this.model.dtype;
  }

  /** How a sentence's vector is made from its tokens'. */
  get pooler(): EncodingPooler {
    return this.encoder.pooler;
  }

  /**
   * The vector of a sentence f32 [dimension]. For several sentences, in an array or another iterable, `Embeddings`. For a stream, chunks
   * that are read as they are consumed, so that a text of any length is encoded in constant memory. int8 needs its scales only for the
   * vectors' lengths; cosines do not need them. Throws `OptionError` for a value that is not a text, naming its position, and for unknown
   * options; `NonFiniteError` for a model with damaged weights.
   */
  encode<P extends Precision = "f32">(sentence: string, options?: EncodeOptions<P>): Promise<PrecisionArrays[P]>;
  encode<P extends Precision = "f32">(sentences: Iterable<string>, options?: EncodeOptions<P>): Promise<Embeddings<P>>;
  encode<P extends Precision = "f32">(sentences: AsyncIterable<string>, options?: EncodeOptions<P>): AsyncGenerator<EmbeddedChunk<P>>;
  encode<P extends Precision = "f32">(
    sentences: string | Iterable<string> | AsyncIterable<string>,
    options: EncodeOptions<P> = {},
  ): Promise<PrecisionArrays[P] | Embeddings<P>> | AsyncGenerator<EmbeddedChunk<P>> {
    if (typeof sentences === "string") return this.encoder.encode([sentences], options).then(({ data }) => data);
    if (typeof sentences === "object" && sentences !== null && isStream(sentences)) return this.encoder.stream(sentences, options);
    return this.encoder.encode(sentences, options);
  }

  /**
   * Cosine similarities of queries and keys, each −1 to 1. Both may be texts or embeddings. The result is a number for two texts, f32
   * [keys] for one text and several keys, and otherwise one f32 [keys] for each query. Many are computed on the GPU.
   */
  async similarity(query: string, key: string, options?: SimilarityOptions): Promise<number>;
  async similarity(query: string, keys: Iterable<string> | Embeddings, options?: SimilarityOptions): Promise<Float32Array>;
  async similarity(
    queries: Iterable<string> | Embeddings,
    keys: Iterable<string> | Embeddings,
    options?: SimilarityOptions,
  ): Promise<Float32Array[]>;
  async similarity(
    queries: string | Iterable<string> | Embeddings,
    keys: string | Iterable<string> | Embeddings,
    options: SimilarityOptions = {},
  ): Promise<number | Float32Array | Float32Array[]> {
    checkOptions("similarity", options, similarityOptions);
    const left = await embeddingsOf(queries, this.encoder, options);
    const right = await embeddingsOf(keys, this.encoder, startingAt(left.length, options));
    const matrix = await cosineMatrix(this.model.device, left, right, { signal: options.signal });
    if (typeof queries !== "string") return matrix;
    return typeof keys === "string" ? matrix[0]![0]! : matrix[0]!;
  }

  /**
   * Paraphrase mining: the most similar pairs among texts, or their embeddings, the best first. Every text is compared with every other, on
   * the GPU. Throws like `similarPairs`.
   */
  async paraphrases(texts: Iterable<string> | Embeddings, options: SimilarPairsOptions = {}): Promise<SimilarPair[]> {
    checkOptions("paraphrases", options, similarPairsOptions);
    return similarPairs(this.model.device, await this.#toCompare(texts, options), options);
  }

  /** Clusters of similar texts, or of their embeddings, the largest first: communities around a central text. Throws like `communities`. */
  async clusters(texts: Iterable<string> | Embeddings, options: CommunitiesOptions = {}): Promise<Community[]> {
    checkOptions("clusters", options, communitiesOptions);
    return communities(this.model.device, await this.#toCompare(texts, options), options);
  }

  #toCompare(texts: Iterable<string> | Embeddings, { signal }: { readonly signal?: AbortSignal | undefined }): Promise<Embeddings> {
    if (!isEmbeddings(texts)) checkIterable("texts", texts);
    return embeddingsOf(texts, this.encoder, { signal });
  }

  /** The index that `search` uses. Throws `OptionError` if none was built or loaded. */
  get index(): SentenceIndex {
    return this.#index.current;
  }

  /** Encodes sentences into a new index, which replaces the current one. Sentences without an id get running numbers. */
  async buildIndex(sentences: IndexSource, options: IndexOptions & VectorIndexOptions = {}): Promise<void> {
    await this.#index.build(sentences, options);
  }

  /**
   * Adds sentences to the index, after the calls before it that make or change the index. Throws `OptionError` for an id that is taken,
   * unless `upsert` is given; earlier chunks of a stream stay added.
   */
  async addToIndex(sentences: IndexSource, options: AddToIndexOptions = {}): Promise<void> {
    await this.#index.add(sentences, options);
  }

  /** Removes the sentence with an id, or those with several; returns how many of them existed. */
  async removeFromIndex(ids: SentenceId | Iterable<SentenceId>): Promise<number> {
    return this.#index.remove(ids);
  }

  /**
   * The sentences most similar to a query, in descending order; for several queries, one such list each. Queries may be embeddings. As in
   * the original, only those with a cosine of at least 0.6 unless `threshold` is given; −1 gives the `topK` best whatever their scores.
   */
  async search(query: string, options?: SearchOptions): Promise<SearchResult[]>;
  async search(queries: Iterable<string> | Embeddings, options?: SearchOptions): Promise<SearchResult[][]>;
  async search(queries: string | Iterable<string> | Embeddings, options: SearchOptions = {}): Promise<SearchResult[] | SearchResult[][]> {
    const results = await this.#index.search(queries, options);
    return typeof queries === "string" ? results[0]! : results;
  }

  /** The bytes of the index's file, for `saveIndex` of simcse-node.ts and simcse-browser.ts. */
  protected async *indexBytes(): AsyncGenerator<Uint8Array> {
    yield* this.#index.bytes();
  }

  /**
   * Reads a saved index from a folder; it replaces the current one. Throws `FormatError` for a damaged index, `OptionError` for another
   * model's.
   */
  async loadIndexFrom(folder: Folder, file: string): Promise<void> {
    await this.#index.load(folder, file);
  }

  /** Frees the model's memory on the device, and closes the device if it was opened for this model. Later calls throw `ClosedError`. */
  close(): void {
    this.#index.close();
    this.encoder.close();
    this.model.close();
    this.#ownDevice?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

/** The same signal, and progress that starts at `before`. */
function startingAt(before: number, { signal, onProgress }: SimilarityOptions): SimilarityOptions {
  return { signal, onProgress: onProgress && ((done) => onProgress(before + done)) };
}
