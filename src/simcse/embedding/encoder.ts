/**
 * Encodes sentences with a model in memory. They are tokenised, sorted by length, packed into batches without padding, and returned in
 * their original order. Vectors can be of unit length, shortened or in a smaller precision, and be returned all at once or as a stream in
 * constant memory.
 */
import type { Plan } from "../../autograd/plan.ts";
import type { Profiler } from "../../autograd/profiler.ts";
import { ClosedError, NonFiniteError, OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import { Turns } from "../../gpu/turns.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import type { FloatType } from "../../kernels/language/operation.ts";
import type { Precision } from "../../kernels/search/precision.ts";
import { longestSentence } from "../../nn/architectures/architectures.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import type { SimCseModel } from "../model/model.ts";
import type { EncodingPooler } from "../model/poolers.ts";
import { chunks } from "./chunks.ts";
import { EncoderProgram, type EncoderProgramSize, type TokenizedText } from "./encoder-program.ts";
import { OtherDevices } from "./other-devices.ts";
import { checkPrecision, type Encoded, encodeRows, type PrecisionArrays } from "./precision.ts";
import { type PromptOptions, prepared, promptOf, type TextPreparation, unprepared } from "./prompts.ts";
import { checkIterable, checkText } from "./texts.ts";
import { toUnitLength } from "./unit-length.ts";

/** How an `Encoder` makes vectors. */
export interface EncoderOptions {
  /** How a sentence's vector is made from its tokens'. */
  readonly pooler: EncodingPooler;
  /** Sentences are truncated to this many tokens, special tokens included. */
  readonly maxLength: number;
  /** Sentences per batch; 64 if absent. */
  readonly batchSize?: number;
  /** Scale vectors to unit length; true if absent. */
  readonly normalize?: boolean;
  /** How texts are prepared before tokenising: prompts, and whether surrounding white space is removed; unchanged if absent. */
  readonly texts?: TextPreparation;
}

const encoderOptions: OptionNames<EncoderOptions> = { pooler: true, maxLength: true, batchSize: true, normalize: true, texts: true };

/** The options of one call. */
export interface EncodeOptions<P extends Precision = "f32"> extends PromptOptions {
  /** Scale vectors to unit length; the encoder's setting if absent. */
  readonly normalize?: boolean;
  /**
   * Keep only the first dimensions of each vector, for models trained for it (Matryoshka). Vectors are scaled to unit length after
   * truncation.
   */
  readonly truncateDim?: number;
  /** f32 if absent; see `precision.ts`. */
  readonly precision?: P;
  /** Sentences are truncated to this many tokens; the encoder's own length if absent, and at most what the model supports. */
  readonly maxLength?: number;
  /** Sentences per batch; the encoder's own if absent. */
  readonly batchSize?: number;
  /** Called after each batch with the number of sentences done. */
  readonly onProgress?: (done: number) => void;
  /** Ends the call between two batches; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Times some of the batches kernel by kernel. */
  readonly profiler?: Profiler | null;
}

const encodeOptions: OptionNames<EncodeOptions<Precision>> = {
  normalize: true,
  truncateDim: true,
  precision: true,
  maxLength: true,
  batchSize: true,
  onProgress: true,
  signal: true,
  profiler: true,
  prompt: true,
  promptName: true,
};

/** Vectors of several sentences: [length, dimension], row-major; bits are packed, ceil(dimension / 8) bytes per row. */
export interface Embeddings<P extends Precision = "f32"> {
  readonly length: number;
  readonly dimension: number;
  readonly data: PrecisionArrays[P];
  /** Only for int8, f32 [length]: the factor of each row. */
  readonly scales?: Float32Array;
}

/** A chunk of a stream: sentences and their vectors, in their order. */
export interface EmbeddedChunk<P extends Precision = "f32"> extends Embeddings<P> {
  readonly sentences: readonly string[];
}

/** Programs kept at once. Each holds the memory of a batch, so the least recently used one is dropped. */
const mostPrograms = 4;

/** Texts to vectors: tokenises, packs batches, and runs a program for each. `SimCSE` has one. */
export class Encoder {
  readonly #options: Required<EncoderOptions>;
  readonly #plan: Plan;
  /** The most recently used one is last. */
  #programs: EncoderProgram[];
  readonly #turns = new Turns();
  #others: OtherDevices | null = null;
  #closed = false;

  private constructor(
    readonly model: SimCseModel,
    readonly tokenizer: Tokenizer,
    options: Required<EncoderOptions>,
    program: EncoderProgram,
  ) {
    this.#options = options;
    this.#programs = [program];
    this.#plan = program.program.plan;
  }

  /**
   * Compiles the program for sentences and batches of the given size; a call that needs a larger one compiles it later. Throws
   * `OptionError` for a length that the model does not support or a batch size below 1, `CapacityError` when the device is too small.
   */
  static async create(model: SimCseModel, tokenizer: Tokenizer, given: EncoderOptions): Promise<Encoder> {
    checkOptions("Encoder.create", given, encoderOptions);
    const { pooler, maxLength, batchSize = 64, normalize = true, texts = unprepared } = given;
    checkLength(maxLength, longestSentence(model.config));
    checkBatchSize(batchSize);
    const program = await EncoderProgram.compile(model, pooler, { normalize, sentences: batchSize, longest: maxLength });
    return new Encoder(model, tokenizer, { pooler, maxLength, batchSize, normalize, texts }, program);
  }

  /** The length of a vector. */
  get dimension(): number {
    return this.model.dimension;
  }

  /** The default number of tokens that sentences are truncated to, special tokens included. */
  get maxLength(): number {
    return this.#options.maxLength;
  }

  /** The default number of sentences per batch. */
  get batchSize(): number {
    return this.#options.batchSize;
  }

  /** Whether vectors are scaled to unit length by default. */
  get normalize(): boolean {
    return this.#options.normalize;
  }

  /** The memory and kernels of a usual batch; `formatPlan` prints it. */
  get plan(): Plan {
    return this.#plan;
  }

  /** How texts are prepared before tokenising. */
  get texts(): TextPreparation {
    return this.#options.texts;
  }

  /** How a sentence's vector is made from its tokens'. */
  get pooler(): EncodingPooler {
    return this.#options.pooler;
  }

  /**
   * The vectors of sentences, in their order. Calls at the same time take turns. Throws `OptionError` for a value that is not a text,
   * naming its position, and for options that are unknown or impossible; `NonFiniteError` when the model's weights give a vector that is
   * not finite.
   */
  async encode<P extends Precision = "f32">(sentences: Iterable<string>, options: EncodeOptions<P> = {}): Promise<Embeddings<P>> {
    this.#check(options);
    checkIterable("sentences", sentences);
    const parts: Float32Array[] = [];
    let done = 0;
    for await (const chunk of chunks(sentences)) {
      parts.push(await this.#vectors(this.#tokenised(chunk, done, options), options, done));
      done += chunk.length;
    }
    return this.#finished(joined(parts), done, options);
  }

  /** The same for a stream, one chunk at a time. The stream is read only as fast as chunks are consumed. */
  async *stream<P extends Precision = "f32">(
    sentences: AsyncIterable<string>,
    options: EncodeOptions<P> = {},
  ): AsyncGenerator<EmbeddedChunk<P>> {
    this.#check(options);
    checkIterable("sentences", sentences);
    let done = 0;
    for await (const chunk of chunks(sentences)) {
      const vectors = await this.#vectors(this.#tokenised(chunk, done, options), options, done);
      yield { sentences: chunk, ...this.#finished(vectors, chunk.length, options) };
      done += chunk.length;
    }
  }

  /**
   * The same for the result of `tokenize`, or for token ids of the model's tokenizer, with special tokens and without a prompt. Throws
   * `OptionError` for ids that are not in the vocabulary, and for sentences that are empty or longer than the model supports.
   */
  async encodeTokens<P extends Precision = "f32">(
    sentences: readonly (TokenizedText | readonly number[])[],
    options: Omit<EncodeOptions<P>, "maxLength" | keyof PromptOptions> = {},
  ): Promise<Embeddings<P>> {
    this.#check(options);
    const tokenized = sentences.map((sentence) => ("ids" in sentence ? sentence : { ids: sentence, promptTokens: 0 }));
    tokenized.forEach(({ ids }, position) => {
      checkTokens(ids, position, this.model.config.vocab_size, longestSentence(this.model.config));
    });
    return this.#finished(await this.#vectors(tokenized, options, 0), sentences.length, options);
  }

  /** The tokens of a text that `encode` uses: with its prompt and special tokens, at most `maxLength`. */
  tokenize(text: string, options: PromptOptions & Pick<EncodeOptions, "maxLength"> = {}): TokenizedText {
    return this.#tokenised([text], 0, options)[0]!;
  }

  /** Frees the programs' memory. Later calls throw `ClosedError`; calls in progress throw it at their next batch. */
  close(): void {
    this.#closed = true;
    this.encodeAlone();
    for (const program of this.#programs.splice(0)) program.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Copies the model to other devices, which from now on take a part of every large call; vectors and their order stay the same. A device
   * that is lost is left out. Throws `CapacityError` when one has no room.
   */
  async shareWith(devices: readonly Device[]): Promise<void> {
    const made = await Promise.allSettled(
      devices.map(async (device) => {
        const copy = await this.model.copyTo(device);
        return Encoder.create(copy, this.tokenizer, this.#options).catch((error: unknown) => {
          copy.close();
          throw error;
        });
      }),
    );
    const others = new OtherDevices(made.flatMap((result) => (result.status === "fulfilled" ? [result.value] : [])));
    const failed = made.find((result) => result.status === "rejected");
    if (failed !== undefined) {
      others.close();
      throw failed.reason;
    }
    this.encodeAlone();
    this.#others = others;
  }

  /** Ends `shareWith`: the copies on other devices do not learn what the model learns in training. */
  encodeAlone(): void {
    this.#others?.close();
    this.#others = null;
  }

  #check(options: EncodeOptions<Precision>): void {
    this.#checkOpen();
    checkOptions("encode", options, encodeOptions);
    const { maxLength = this.maxLength, batchSize, precision, truncateDim = this.dimension } = options;
    checkLength(maxLength, longestSentence(this.model.config));
    checkBatchSize(batchSize);
    checkPrecision(precision);
    promptOf(this.texts, options);
    if (Number.isInteger(truncateDim) && truncateDim >= 1 && truncateDim <= this.dimension) return;
    throw new OptionError(
      `Vectors cannot be cut to ${truncateDim} numbers: this model's have ${this.dimension}.`,
      `Give a whole number from 1 to ${this.dimension}.`,
    );
  }

  #checkOpen(): void {
    if (this.#closed) throw new ClosedError("The model is closed.", "Encode before close(), or load the model again.");
  }

  #tokenised(texts: readonly unknown[], first: number, options: PromptOptions & Pick<EncodeOptions, "maxLength">): TokenizedText[] {
    const { maxLength = this.maxLength } = options;
    const prompt = promptOf(this.texts, options);
    const tokens = (text: string) => this.tokenizer.encode(prepared(text, prompt, this.texts), maxLength);
    // Without the [SEP] after it.
    const promptTokens = prompt === "" ? 0 : tokens("").length - 1;
    return texts.map((text, i) => {
      checkText("sentences", text, first + i);
      return { ids: tokens(text), promptTokens };
    });
  }

  /** f32 [sentences, dimension], of unit length if the options say so; `before` sentences of the call are done already. */
  #vectors(sentences: readonly TokenizedText[], options: EncodeOptions<Precision>, before: number): Promise<Float32Array> {
    if (this.#others === null) return this.#ownVectors(sentences, options, before);
    return this.#others.share(sentences, this.dimension, {
      options: { ...options, normalize: options.normalize ?? this.normalize },
      before,
      encode: (part, onProgress) => this.#ownVectors(part, { ...options, onProgress }, 0),
    });
  }

  #ownVectors(sentences: readonly TokenizedText[], options: EncodeOptions<Precision>, before: number): Promise<Float32Array> {
    return this.#turns.take(async () => {
      options.signal?.throwIfAborted();
      this.#checkOpen();
      const { normalize = this.#options.normalize, batchSize = this.batchSize } = options;
      const longest = sentences.reduce((most, { ids }) => Math.max(most, ids.length), 0);
      const program = await this.#programFor({ normalize, longest, sentences: batchSize });
      return this.#runBatches(program, sentences, options, before);
    });
  }

  async #runBatches(
    program: EncoderProgram,
    sentences: readonly TokenizedText[],
    { batchSize = this.batchSize, onProgress, signal, profiler }: EncodeOptions<Precision>,
    before: number,
  ): Promise<Float32Array> {
    const vectors = new Float32Array(sentences.length * this.dimension);
    // Longest first: the largest batch fails first, and the sentences of a batch have similar lengths.
    const order = [...sentences.keys()].sort((a, b) => sentences[b]!.ids.length - sentences[a]!.ids.length || a - b);
    for (let next = 0; next < order.length; ) {
      signal?.throwIfAborted();
      this.#checkOpen();
      const batch: number[] = [];
      for (let tokens = 0; next < order.length && batch.length < batchSize; next++) {
        const { length } = sentences[order[next]!]!.ids;
        if (!program.hasRoom(batch.length, tokens, length)) break;
        tokens += length;
        batch.push(order[next]!);
      }
      const rows = await program.run(
        batch.map((index) => sentences[index]!),
        profiler,
      );
      batch.forEach((index, row) => {
        const vector = rows.subarray(row * this.dimension, (row + 1) * this.dimension);
        checkFinite(vector, before + index, this.model.dtype);
        vectors.set(vector, index * this.dimension);
      });
      onProgress?.(before + next);
    }
    return vectors;
  }

  /**
   * The program for sentences and batches of the given size. Sizes beyond the encoder's own are rounded up to powers of two, so that many
   * different sizes need few programs. A size always has the same program, so a text's vector does not depend on earlier calls. Must be
   * called within a turn, so that a dropped program is not running.
   */
  async #programFor({ normalize, ...needed }: EncoderProgramSize): Promise<EncoderProgram> {
    const longest = Math.min(powerOfTwo(needed.longest, this.maxLength), longestSentence(this.model.config));
    const sentences = powerOfTwo(needed.sentences, this.batchSize);
    const known = this.#programs.find(
      ({ size }) => size.normalize === normalize && size.longest === longest && size.sentences === sentences,
    );
    if (known === undefined && this.#programs.length >= mostPrograms) this.#programs.shift()!.close();
    const program = known ?? (await EncoderProgram.compile(this.model, this.pooler, { normalize, longest, sentences }));
    if (this.#closed) program.close();
    this.#checkOpen();
    this.#programs = [...this.#programs.filter((one) => one !== program), program];
    return program;
  }

  #finished<P extends Precision>(vectors: Float32Array, length: number, options: EncodeOptions<P>): Embeddings<P> {
    const { normalize = this.#options.normalize, truncateDim: dimension = this.dimension, precision = "f32" } = options;
    const isCut = dimension < this.dimension;
    const cut = isCut ? shortened(vectors, this.dimension, dimension) : vectors;
    const wanted = normalize && isCut ? toUnitLength(cut, dimension) : cut;
    return { length, dimension, ...(encodeRows(precision, wanted, dimension) as Encoded<P>) };
  }
}

/** `count` if it is at most `usual`, else the next power of two. */
function powerOfTwo(count: number, usual: number): number {
  return count <= usual ? usual : 2 ** Math.ceil(Math.log2(count));
}

function checkFinite(vector: Float32Array, sentence: number, dtype: FloatType): void {
  const bad = vector.findIndex((value) => !Number.isFinite(value));
  if (bad === -1) return;
  throw new NonFiniteError(
    `The model's vector of sentence ${sentence} is not finite: number ${bad} is ${vector[bad]}.`,
    dtype === "f16"
      ? "Numbers of this model may be beyond the range of f16: load it with the dtype f32 (--dtype f32)."
      : "The model's weights are damaged or not finite: get its files again, or go back to an earlier checkpoint.",
  );
}

function checkTokens(ids: unknown, sentence: number, vocabulary: number, longest: number): void {
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > longest) {
    throw new OptionError(
      `Sentence ${sentence} must be 1 to ${longest} token ids, but is ${Array.isArray(ids) ? `${ids.length} of them` : typeof ids}.`,
      "Give the ids of the model's tokenizer, special tokens included.",
    );
  }
  const bad = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabulary);
  if (bad === -1) return;
  throw new OptionError(
    `Token ${bad} of sentence ${sentence} is ${String(ids[bad])}; the model's tokens are 0 to ${vocabulary - 1}.`,
    "Give the ids of the model's own tokenizer.",
  );
}

function shortened(vectors: Float32Array, from: number, to: number): Float32Array {
  const rows = vectors.length / from;
  const short = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++) short.set(vectors.subarray(row * from, row * from + to), row * to);
  return short;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Throws `OptionError` unless the model supports sentences of `maxLength` tokens. */
export function checkLength(maxLength: number, positions: number): void {
  if (Number.isInteger(maxLength) && maxLength >= 3 && maxLength <= positions) return;
  throw new OptionError(
    `A length of ${maxLength} tokens is not possible: the model takes 3 to ${positions}.`,
    "Choose a length within the model's positions.",
  );
}

/** Throws `OptionError` unless the batch size is a whole number of at least 1. */
function checkBatchSize(batchSize: number | undefined): void {
  if (batchSize === undefined || (Number.isInteger(batchSize) && batchSize >= 1)) return;
  throw new OptionError(`A batch of ${batchSize} sentences is not possible.`, "Give a whole number of at least 1.");
}
