/**
 * Sentences to vectors with a model in memory: tokenised, sorted by length, packed into batches without padding, and returned in their own order;
 * of unit length or not, shortened, in a smaller precision, all at once or as a stream in constant memory.
 */
import type { Profiler } from "../../autograd/profiler.ts";
import { ClosedError, NonFiniteError, OptionError } from "../../errors.ts";
import { Turns } from "../../gpu/turns.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import type { Precision } from "../../kernels/search/precision.ts";
import { longestSentence } from "../../nn/architectures/bert-config.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import type { SimCseModel } from "../model/model.ts";
import type { EncodingPooler } from "../model/poolers.ts";
import { chunks } from "./chunks.ts";
import { EncoderProgram, type EncoderProgramSize, type TokenizedText } from "./encoder-program.ts";
import { checkPrecision, type Encoded, encodeRows, type PrecisionArrays } from "./precision.ts";
import { type PromptOptions, prepared, promptOf, type TextPreparation, unprepared } from "./prompts.ts";
import { checkIterable, checkText } from "./texts.ts";
import { toUnitLength } from "./unit-length.ts";

/** How an `Encoder` makes vectors. */
export interface EncoderOptions {
  /** How a sentence's vector is made from its tokens'. */
  readonly pooler: EncodingPooler;
  /** Tokens a sentence is truncated to, special tokens included. */
  readonly maxLength: number;
  /** Sentences a batch; 64 if absent. */
  readonly batchSize?: number;
  /** Scale vectors to unit length; true if absent. */
  readonly normalize?: boolean;
  /** What is done with texts before they are tokenised: prompts, and whether white space around them is removed; nothing if absent. */
  readonly texts?: TextPreparation;
}

const encoderOptions: OptionNames<EncoderOptions> = { pooler: true, maxLength: true, batchSize: true, normalize: true, texts: true };

/** The options of one call. */
export interface EncodeOptions<P extends Precision = "f32"> extends PromptOptions {
  /** Scale vectors to unit length; as the encoder was created if absent. */
  readonly normalize?: boolean;
  /** Keep only the first numbers of each vector, as models trained for it (Matryoshka) allow. Vectors are scaled to unit length after the cut. */
  readonly truncateDim?: number;
  /** f32 if absent; see `precision.ts`. */
  readonly precision?: P;
  /** Tokens a sentence is truncated to; the encoder's own length if absent, and at most what the model takes. */
  readonly maxLength?: number;
  /** Sentences a batch; the encoder's own if absent. */
  readonly batchSize?: number;
  /** Called after each batch with the number of sentences done. */
  readonly onProgress?: (done: number) => void;
  /** Ends the call between two batches, which then rejects with the signal's reason. */
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

/** Vectors of several sentences: [length, dimension], row-major; bits are packed, ceil(dimension / 8) bytes a row. */
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

/** Programs kept at once. Each holds the memory of a batch, so the one that was not used for longest makes room. */
const mostPrograms = 4;

/** Texts to vectors: tokenises, packs batches, and runs a program for each. `SimCSE` has one. */
export class Encoder {
  readonly #options: Required<EncoderOptions>;
  /** The one used last stands at the end. */
  #programs: EncoderProgram[];
  readonly #turns = new Turns();
  #closed = false;

  private constructor(
    readonly model: SimCseModel,
    readonly tokenizer: Tokenizer,
    options: Required<EncoderOptions>,
    program: EncoderProgram,
  ) {
    this.#options = options;
    this.#programs = [program];
  }

  /**
   * Compiles the program for sentences and batches of the given size; a call that needs a larger one compiles it then. Throws `OptionError` for a
   * length that the model does not take or a batch size below 1, `CapacityError` when the device is too small.
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

  /** Tokens a sentence is truncated to where a call does not say otherwise, special tokens included. */
  get maxLength(): number {
    return this.#options.maxLength;
  }

  /** Sentences of a batch where a call does not say otherwise. */
  get batchSize(): number {
    return this.#options.batchSize;
  }

  /** Whether vectors are scaled to unit length where a call does not say otherwise. */
  get normalize(): boolean {
    return this.#options.normalize;
  }

  /** What is done with texts before they are tokenised. */
  get texts(): TextPreparation {
    return this.#options.texts;
  }

  /** How a sentence's vector is made from its tokens'. */
  get pooler(): EncodingPooler {
    return this.#options.pooler;
  }

  /**
   * The vectors of sentences, in their order. Calls at the same time take turns. Throws `OptionError` for what is not a text, naming its position, and for
   * options that are unknown or impossible; `NonFiniteError` when the model's weights give no finite vector.
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

  /** The same for a stream, a chunk at a time. The stream is read only as fast as chunks are taken. */
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
   * The same for what `tokenize` gives, or for token ids of the model's tokenizer, special tokens included and without a prompt. Throws `OptionError` for
   * ids that are not in the vocabulary, and for sentences that are empty or longer than the model takes.
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

  /** The tokens of a text as `encode` makes them: with its prompt, special tokens, and no more than `maxLength` of them. */
  tokenize(text: string, options: PromptOptions & Pick<EncodeOptions, "maxLength"> = {}): TokenizedText {
    return this.#tokenised([text], 0, options)[0]!;
  }

  /** Frees the programs' memory. Calls from now on throw `ClosedError`, and those in progress do at their next batch. */
  close(): void {
    this.#closed = true;
    for (const program of this.#programs.splice(0)) program.close();
  }

  [Symbol.dispose](): void {
    this.close();
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
    // Without the [SEP] behind it.
    const promptTokens = prompt === "" ? 0 : tokens("").length - 1;
    return texts.map((text, i) => {
      checkText("sentences", text, first + i);
      return { ids: tokens(text), promptTokens };
    });
  }

  /** f32 [sentences, dimension], of unit length or not as the options say; `before` sentences of the call are done. */
  #vectors(sentences: readonly TokenizedText[], options: EncodeOptions<Precision>, before: number): Promise<Float32Array> {
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
    // Longest first: the largest batch is the first to fail, and those of a batch are alike.
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
        checkFinite(vector, before + index);
        vectors.set(vector, index * this.dimension);
      });
      onProgress?.(before + next);
    }
    return vectors;
  }

  /**
   * The program for sentences and batches of the given size. Sizes beyond the encoder's own are rounded up to powers of two, so that many different
   * ones need few programs; a size always has the same program, so that a text's vector does not depend on earlier calls. Called only in a turn: a
   * program that makes room is not running.
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

/** `count`, or the power of two above it where it is beyond `usual`. */
function powerOfTwo(count: number, usual: number): number {
  return count <= usual ? usual : 2 ** Math.ceil(Math.log2(count));
}

function checkFinite(vector: Float32Array, sentence: number): void {
  const bad = vector.findIndex((value) => !Number.isFinite(value));
  if (bad === -1) return;
  throw new NonFiniteError(
    `The model's vector of sentence ${sentence} is not finite: number ${bad} is ${vector[bad]}.`,
    "The model's weights are damaged or not finite: get its files again, or go back to an earlier checkpoint.",
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

/** Throws `OptionError` unless sentences of `maxLength` tokens fit the model. */
export function checkLength(maxLength: number, positions: number): void {
  if (Number.isInteger(maxLength) && maxLength >= 3 && maxLength <= positions) return;
  throw new OptionError(
    `A length of ${maxLength} tokens is not possible: the model takes 3 to ${positions}.`,
    "Choose a length within the model's positions.",
  );
}

/** Throws `OptionError` for a batch of fewer than one sentence, or of a part of one. */
function checkBatchSize(batchSize: number | undefined): void {
  if (batchSize === undefined || (Number.isInteger(batchSize) && batchSize >= 1)) return;
  throw new OptionError(`A batch of ${batchSize} sentences is not possible.`, "Give a whole number of at least 1.");
}
