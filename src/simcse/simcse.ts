/**
 * The embedding tool: a model folder in, sentence vectors and similarities out, as the original's `SimCSE` class has it.
 */
import { OptionError, ShapeError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import type { Folder } from "../io/folder.ts";
import { loadTokenizer } from "../io/tokenizer.ts";
import { missingWeights } from "../io/weights.ts";
import { checkVocabulary, inspectWeights, loadWeights, readConfig } from "./checkpoint.ts";
import { type EncodeOptions, Encoder } from "./encoder.ts";
import { SimCseModel } from "./model.ts";
import type { PoolerType } from "./poolers.ts";

export interface LoadOptions {
  /** How a sentence's vector is made; the one saved with the model if absent. */
  readonly pooler?: PoolerType;
  /** Tokens a sentence is truncated to; if absent what is saved with the model, or 128, and no more than the model takes. */
  readonly maxLength?: number;
  /** Sentences a batch; 64 if absent. */
  readonly batchSize?: number;
  /** Scale vectors to unit length; true if absent. */
  readonly normalize?: boolean;
}

/** Vectors of several sentences: f32 [length, dimension], row-major. */
export interface Embeddings {
  readonly length: number;
  readonly dimension: number;
  readonly data: Float32Array;
}

/** How an environment opens what a model is loaded from and onto. */
export interface Environment {
  readonly openDevice: () => Promise<Device>;
  readonly openFolder: () => Promise<Folder>;
}

/** `loadFrom` works everywhere; `SimCSE.load(path)` of `simcse-node.ts` and `simcse-browser.ts` opens folder and device itself. */
export class SimCSE {
  /** Closed with the model: the device that `load` opened for it. */
  #ownDevice: Device | null = null;

  protected constructor(
    readonly model: SimCseModel,
    readonly encoder: Encoder,
    readonly pooler: PoolerType,
  ) {}

  /** Loads a model onto the device in `options`, or onto one opened for it alone. */
  protected static async loadIn(
    { openDevice, openFolder }: Environment,
    { device, ...options }: LoadOptions & { readonly device?: Device },
  ): Promise<SimCSE> {
    const folder = await openFolder();
    if (device !== undefined) return SimCSE.loadFrom(device, folder, options);
    const own = await openDevice();
    try {
      const simcse = await SimCSE.loadFrom(own, folder, options);
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
  static async loadFrom(device: Device, given: Folder, options: LoadOptions = {}): Promise<SimCSE> {
    const { folder, head, bert, ...saved } = await readConfig(given);
    const pooler = options.pooler ?? saved.pooler;
    if (pooler === null) {
      throw new OptionError(
        `${given.name} does not say which pooler its embeddings are made with.`,
        "Give one: cls for a SimCSE model with its MLP, cls_before_pooler for one trained with mlp_only_train, avg for a plain BERT.",
      );
    }
    const tokenizer = await loadTokenizer(folder);
    checkVocabulary(folder, tokenizer, bert);
    const { weights } = await inspectWeights(folder, head);
    if (weights === null) throw missingWeights(folder);
    const model = await SimCseModel.allocate(device, bert, { training: false, mlp: pooler === "cls" });
    try {
      await loadWeights(model, weights, { head: "checkpoint" });
      const encoder = await Encoder.create(model, tokenizer, {
        pooler,
        maxLength: options.maxLength ?? saved.maxLength,
        ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize }),
        ...(options.normalize === undefined ? {} : { normalize: options.normalize }),
      });
      return new SimCSE(model, encoder, pooler);
    } catch (error) {
      model.close();
      throw error;
    }
  }

  /** The length of a vector. */
  get dimension(): number {
    return this.encoder.dimension;
  }

  /** The vector of a sentence f32 [dimension], or of several as `Embeddings`. */
  async encode(sentence: string, options?: EncodeOptions): Promise<Float32Array>;
  async encode(sentences: readonly string[], options?: EncodeOptions): Promise<Embeddings>;
  async encode(sentences: string | readonly string[], options: EncodeOptions = {}): Promise<Float32Array | Embeddings> {
    if (typeof sentences === "string") return this.encoder.encode([sentences], options);
    return { length: sentences.length, dimension: this.dimension, data: await this.encoder.encode(sentences, options) };
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

  /** Frees the model's memory on the device, and the device if it was opened for the model alone. */
  close(): void {
    this.encoder.close();
    this.model.close();
    this.#ownDevice?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
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
  return Array.from({ length }, (_, row) => {
    const vector = data.slice(row * dimension, (row + 1) * dimension);
    const norm = Math.max(Math.hypot(...vector), 1e-8);
    return vector.map((value) => value / norm);
  });
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
