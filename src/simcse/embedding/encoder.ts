/**
 * Sentences to vectors with a model in memory: tokenised, sorted by length, packed into batches without padding, and given back in their own
 * order.
 */
import type { Profiler } from "../../autograd/profiler.ts";
import { compile, type Program } from "../../autograd/program.ts";
import type { Tape } from "../../autograd/tape.ts";
import { OptionError } from "../../errors.ts";
import { Turns } from "../../gpu/turns.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { normalize } from "../../kernels/normalize.ts";
import { longestSentence } from "../../nn/architectures/bert-config.ts";
import { type BatchCapacity, BatchPacker, declareBatch, tableSizes } from "../model/batch.ts";
import type { SimCseModel } from "../model/model.ts";
import { type PoolerType, poolSentences } from "../model/poolers.ts";

export interface EncoderOptions {
  readonly pooler: PoolerType;
  /** Tokens a sentence is truncated to, special tokens included. */
  readonly maxLength: number;
  /** Sentences a batch; 64 if absent. */
  readonly batchSize?: number;
  /** Scale vectors to unit length; true if absent. */
  readonly normalize?: boolean;
}

export interface EncodeOptions {
  /** Tokens a sentence is truncated to; the encoder's own length if absent, and at most that. */
  readonly maxLength?: number;
  /** Sentences a batch; as many as the encoder's capacity holds if absent or beyond it. */
  readonly batchSize?: number;
  /** Called after each batch with the number of sentences done. */
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal;
  /** Times some of the batches kernel by kernel. */
  readonly profiler?: Profiler | null;
}

/** Tokens a batch holds at most: a batch of long sentences has fewer of them. */
const tokensPerBatch = 4096;

export class Encoder {
  readonly dimension: number;
  readonly #packer: BatchPacker;
  readonly #turns = new Turns();

  private constructor(
    readonly program: Program<{ embeddings: Value }>,
    readonly tokenizer: Tokenizer,
    readonly capacity: BatchCapacity,
    readonly maxLength: number,
    dimension: number,
  ) {
    this.dimension = dimension;
    this.#packer = new BatchPacker(capacity);
  }

  /**
   * Builds the program. Throws `OptionError` for a length beyond the model's positions or a batch that is none, `CapacityError` when the device is too
   * small.
   */
  static async create(model: SimCseModel, tokenizer: Tokenizer, options: EncoderOptions): Promise<Encoder> {
    const { pooler, maxLength, batchSize = 64, normalize: toUnitLength = true } = options;
    const { config, modules, mlp, device, tuning } = model;
    checkLength(maxLength, longestSentence(config));
    checkBatchSize(batchSize);
    const capacity: BatchCapacity = {
      sentences: batchSize,
      tokens: Math.max(maxLength, Math.min(batchSize * maxLength, tokensPerBatch)),
      longest: maxLength,
      ...tableSizes(config),
    };
    const record = (tape: Tape) => {
      const batch = declareBatch(tape, capacity, { training: false });
      const pooled = poolSentences(pooler, modules.bert.forward(batch, { training: false }), batch, mlp);
      return { embeddings: toUnitLength ? normalize(pooled) : pooled };
    };
    const program = await compile(device, record, { tuning });
    return new Encoder(program, tokenizer, capacity, maxLength, config.hidden_size);
  }

  /** f32 [sentences, dimension], row-major, in the order of `sentences`. Calls at the same time wait for each other. */
  async encode(sentences: readonly string[], options: EncodeOptions = {}): Promise<Float32Array> {
    const { maxLength = this.maxLength } = options;
    checkLength(maxLength, this.maxLength);
    return this.encodeTokens(
      sentences.map((text) => this.tokenizer.encode(text, maxLength)),
      options,
    );
  }

  /** The same for sentences that are token ids, special tokens included. */
  encodeTokens(sentences: readonly (readonly number[])[], options: Omit<EncodeOptions, "maxLength"> = {}): Promise<Float32Array> {
    return this.#turns.take(() => this.#encode(sentences, options));
  }

  async #encode(sentences: readonly (readonly number[])[], options: EncodeOptions): Promise<Float32Array> {
    const { onProgress, signal, profiler, batchSize = this.capacity.sentences } = options;
    const mostSentences = Math.min(batchSize, this.capacity.sentences);
    const tokenised = sentences.map((ids, index) => ({ index, ids }));
    tokenised.sort((a, b) => b.ids.length - a.ids.length || a.index - b.index);
    const vectors = new Float32Array(sentences.length * this.dimension);
    let next = 0;
    while (next < tokenised.length) {
      signal?.throwIfAborted();
      const start = next;
      let tokens = 0;
      while (next < tokenised.length && next - start < mostSentences && tokens + tokenised[next]!.ids.length <= this.capacity.tokens) {
        tokens += tokenised[next++]!.ids.length;
      }
      const batch = tokenised.slice(start, next);
      const packed = this.#packer.pack(
        batch.map(({ ids }) => ({ ids, key: 0 })),
        { training: false },
      );
      if (profiler) await profiler.run(this.program, packed);
      else this.program.run(packed);
      const rows = await this.program.read("embeddings");
      batch.forEach(({ index }, row) => {
        vectors.set(rows.subarray(row * this.dimension, (row + 1) * this.dimension), index * this.dimension);
      });
      onProgress?.(next);
    }
    return vectors;
  }

  close(): void {
    this.program.close();
  }
}

/** Throws `OptionError` unless sentences of `maxLength` tokens fit the model. */
export function checkLength(maxLength: number, positions: number): void {
  if (Number.isInteger(maxLength) && maxLength >= 3 && maxLength <= positions) return;
  throw new OptionError(
    `A length of ${maxLength} tokens is not possible: the model takes 3 to ${positions}.`,
    "Choose a length within the model's positions.",
  );
}

/** Throws `OptionError` for a number of sentences that is no batch. */
export function checkBatchSize(batchSize: number | undefined): void {
  if (batchSize === undefined || (Number.isInteger(batchSize) && batchSize >= 1)) return;
  throw new OptionError(`A batch of ${batchSize} sentences is not possible.`, "Give a whole number of at least 1.");
}
