/**
 * Encodes sentences with a model in memory. They are tokenised, sorted by length, packed into batches without padding, and returned in
 * their original order. Tokenising, computing and reading run at the same time, on different chunks of the sentences. Vectors can be of
 * unit length, shortened or in a smaller precision, and be returned all at once or as a stream in constant memory.
 */
import "../../disposal.ts";
import type { Plan } from "../../autograd/plan.ts";
import { NonFiniteError, OptionError } from "../../errors.ts";
import { firstNonFinite } from "../../finite.ts";
import type { Device } from "../../gpu/device.ts";
import { Turns } from "../../gpu/turns.ts";
import type { ThreadStarter } from "../../io/tokenizer/thread.ts";
import { TokenizerThreads, type TokenizingOptions } from "../../io/tokenizer/threads.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import type { FloatType } from "../../kernels/language/operation.ts";
import type { Precision } from "../../kernels/search/precision.ts";
import { longestSentence } from "../../nn/architectures/architectures.ts";
import { checkOptions, checkSeveral } from "../../options.ts";
import { allOrNone } from "../all-ended.ts";
import type { SimCseModel } from "../model/model.ts";
import type { EncodingPooler } from "../model/poolers.ts";
import { ahead, chunks, collected, each } from "./chunks.ts";
import { type EmbeddedChunk, type EmbeddedItems, type Embeddings, memoryOf } from "./embeddings.ts";
import {
  checkBatchSize,
  checkLength,
  type EncodeOptions,
  type EncoderOptions,
  type EncoderSettings,
  encodeOptions,
  encoderOptions,
  type TokenizeOptions,
} from "./encoder-options.ts";
import { type EncoderProgram, longestFirst, type TokenizedText } from "./encoder-program.ts";
import { EncoderPrograms } from "./encoder-programs.ts";
import { closeWithModel, OtherDevices } from "./other-devices.ts";
import { checkPrecision, type Encoded, encodeRows } from "./precision.ts";
import { type PromptOptions, promptOf, type TextPreparation, unprepared } from "./prompts.ts";
import { checkIterable, checkText } from "./texts.ts";
import { toUnitLength } from "./unit-length.ts";

/** Texts to vectors: tokenises, packs batches, and runs a program for each. `SimCSE` has one. */
export class Encoder {
  readonly #options: EncoderSettings;
  readonly #tokenizing: TokenizerThreads;
  readonly #programs: EncoderPrograms;
  readonly #turns = new Turns();
  #others: OtherDevices | null = null;

  private constructor(
    readonly model: SimCseModel,
    readonly tokenizer: Tokenizer,
    options: EncoderSettings,
    programs: EncoderPrograms,
  ) {
    this.#options = options;
    this.#tokenizing = new TokenizerThreads(tokenizer, options.threads);
    this.#programs = programs;
  }

  /**
   * Compiles the program for sentences and batches of the given size; a call that needs a larger one compiles it later. Throws
   * `OptionError` for a length that the model does not support or a batch size below 1, `CapacityError` when the device is too small.
   */
  static async create(model: SimCseModel, tokenizer: Tokenizer, given: EncoderOptions): Promise<Encoder> {
    checkOptions("Encoder.create", given, encoderOptions);
    const { pooler, maxLength, batchSize = null, normalize = true, texts = unprepared, threads = null } = given;
    checkLength(maxLength, longestSentence(model.config));
    checkBatchSize(batchSize);
    const options = { pooler, maxLength, batchSize, normalize, texts, threads };
    return new Encoder(model, tokenizer, options, await EncoderPrograms.create(model, options));
  }

  /** The length of a vector. */
  get dimension(): number {
    return this.model.dimension;
  }

  /** The default number of tokens that sentences are truncated to, special tokens included. */
  get maxLength(): number {
    return this.#options.maxLength;
  }

  /** The most sentences per batch; null if the encoder chooses it. */
  get batchSize(): number | null {
    return this.#options.batchSize;
  }

  /** The most sentences that the device computes at once in calls with many. */
  get largestBatch(): number {
    return this.#programs.mostSentences;
  }

  /** How threads that tokenise are started; null for none. */
  get threads(): ThreadStarter | null {
    return this.#options.threads;
  }

  /** Whether vectors are scaled to unit length by default. */
  get normalize(): boolean {
    return this.#options.normalize;
  }

  /** The memory and kernels of a usual batch; `formatPlan` prints it. */
  get plan(): Plan {
    return this.#programs.plan;
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
    const all = await collected(sentences);
    // Chunks write their vectors where they are returned: to join them afterwards would take time in which the device does nothing.
    const vectors = memoryOf(all.length, this.dimension);
    for await (const _ of this.#pipeline(all, same, options, vectors));
    return this.#finished(vectors, all.length, options);
  }

  /**
   * The same for a stream, one chunk at a time. The stream is read a few chunks ahead of those that are consumed, so that texts are read,
   * tokenised and computed at the same time.
   */
  async *stream<P extends Precision = "f32">(
    sentences: AsyncIterable<string>,
    options: EncodeOptions<P> = {},
  ): AsyncGenerator<EmbeddedChunk<P>> {
    for await (const { items, ...embeddings } of this.streamItems(sentences, same, options)) yield { sentences: items, ...embeddings };
  }

  /** The same for items that have texts, such as records of a file; `textOf` gives an item's text, from its position too. */
  async *streamItems<T, P extends Precision = "f32">(
    items: Iterable<T> | AsyncIterable<T>,
    textOf: (item: T, position: number) => string,
    options: EncodeOptions<P> = {},
  ): AsyncGenerator<EmbeddedItems<T, P>> {
    this.#check(options);
    checkIterable("sentences", items);
    for await (const { items: some, vectors } of this.#pipeline(items, textOf, options)) {
      yield { items: some, ...this.#finished(vectors, some.length, options) };
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
    checkSeveral("The sentences", sentences);
    const isTokenized = (sentence: unknown) => typeof sentence === "object" && sentence !== null && "ids" in sentence;
    const tokenized = sentences.map((sentence) =>
      isTokenized(sentence) ? (sentence as TokenizedText) : { ids: sentence as readonly number[], promptTokens: 0 },
    );
    tokenized.forEach(({ ids }, position) => {
      checkTokens(ids, position, this.model.config.vocab_size, longestSentence(this.model.config));
    });
    const { vectors } = await this.#submit(tokenized, options, 0);
    return this.#finished(await vectors, sentences.length, options);
  }

  /** The vectors of a part of another device's call, f32 [sentences, dimension], for `OtherDevices`. They may not be finite. */
  async encodePart(
    sentences: readonly TokenizedText[],
    options: Pick<EncodeOptions, "normalize" | "batchSize" | "signal" | "onProgress">,
  ): Promise<Float32Array> {
    return (await this.#submitOwn(sentences, options, memoryOf(sentences.length, this.dimension))).vectors;
  }

  /** The tokens of a text that `encode` uses: with its prompt and special tokens, at most `maxLength`. */
  tokenize(text: string, { maxLength = this.maxLength, ...prompt }: TokenizeOptions = {}): TokenizedText {
    const { prepare, promptTokens } = this.#preparation({ maxLength, ...prompt });
    return { ids: this.tokenizer.encode(prepare(text, 0), maxLength), promptTokens };
  }

  /** The same for many texts, in threads where there are some. */
  async tokenizeAll(
    texts: readonly string[],
    { maxLength = this.maxLength, pause, signal, ...prompt }: TokenizeOptions & TokenizingOptions = {},
  ): Promise<TokenizedText[]> {
    checkSeveral("The texts", texts);
    const { prepare, promptTokens } = this.#preparation({ maxLength, ...prompt });
    const all = await this.#tokenizing.encode(texts.map(prepare), maxLength, { pause, signal });
    return all.map((ids) => ({ ids, promptTokens }));
  }

  /**
   * Frees the programs' memory and ends the threads. Later calls throw `ClosedError`; calls in progress throw it at their next batch.
   */
  close(): void {
    this.encodeAlone();
    this.#tokenizing.close();
    this.#programs.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Copies the model to other devices, which from now on take a part of every large call; vectors and their order stay the same. A device
   * that is lost is left out. Throws `CapacityError` when one has no room.
   */
  async shareWith(devices: readonly Device[]): Promise<void> {
    const making = devices.map(async (device) => {
      const copy = await this.model.copyTo(device);
      return Encoder.create(copy, this.tokenizer, this.#options).catch((error: unknown) => {
        copy.close();
        throw error;
      });
    });
    const others = new OtherDevices(await allOrNone(making, closeWithModel));
    this.encodeAlone();
    this.#others = others;
  }

  /** Ends `shareWith`: the copies on other devices do not learn what the model learns in training. */
  encodeAlone(): void {
    this.#others?.close();
    this.#others = null;
  }

  #check(options: EncodeOptions<Precision>): void {
    this.#programs.checkOpen();
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

  /** How texts are checked and prepared for tokenising, and how many leading tokens are of the prompt. */
  #preparation({ maxLength = this.maxLength, ...given }: TokenizeOptions) {
    const prompt = promptOf(this.texts, given);
    const prepare = (text: unknown, position: number): string => {
      checkText("sentences", text, position);
      return prompt + text;
    };
    // Without the [SEP] after it.
    const promptTokens = prompt === "" ? 0 : this.tokenizer.encode(prepare("", 0), maxLength).length - 1;
    return { prepare, promptTokens };
  }

  /**
   * Chunks of items with their vectors, in order. While one is read, the next is computed, and the one after it tokenised. The vectors are in
   * `memory`, if it is given: that of all items.
   */
  async *#pipeline<T>(
    items: Iterable<T> | AsyncIterable<T>,
    textOf: (item: T, position: number) => unknown,
    options: EncodeOptions<Precision>,
    memory?: Float32Array,
  ): AsyncGenerator<{ readonly items: T[]; readonly vectors: Float32Array }> {
    const { maxLength = this.maxLength, signal } = options;
    const { prepare, promptTokens } = this.#preparation(options);
    const progress = options.onProgress && summed(options.onProgress);
    let read = 0;
    const tokenized = each(chunks(items), async (chunk) => {
      const before = read;
      read += chunk.length;
      const texts = chunk.map((item, i) => prepare(textOf(item, before + i), before + i));
      const distinct = [...new Set(texts)];
      const all = await this.#tokenizing.encode(distinct, maxLength, { signal });
      const tokensOf = new Map(distinct.map((text, i) => [text, { ids: all[i]!, promptTokens }]));
      return { items: chunk, before, sentences: texts.map((text) => tokensOf.get(text)!) };
    });
    const submitted = each(ahead(tokenized), async ({ items: some, before, sentences }) => {
      const place = memory?.subarray(before * this.dimension, (before + some.length) * this.dimension);
      return {
        items: some,
        ...(await this.#submit(sentences, { ...options, onProgress: progress?.() }, before, place)),
      };
    });
    for await (const { items: some, vectors } of ahead(submitted)) yield { items: some, vectors: await vectors };
  }

  /**
   * Submits the batches of sentences, or shares them with other devices. Resolves when the last one is submitted; `vectors` are f32
   * [sentences, dimension] in `place`, of unit length if the options say so. `before` sentences of the call come before these.
   */
  async #submit(
    sentences: readonly TokenizedText[],
    options: EncodeOptions<Precision>,
    before: number,
    place = memoryOf(sentences.length, this.dimension),
  ): Promise<{ readonly vectors: Promise<Float32Array> }> {
    const vectors =
      this.#others === null
        ? (await this.#submitOwn(sentences, options, place)).vectors
        : this.#others.share(sentences, place, {
            options: { ...options, normalize: options.normalize ?? this.normalize },
            encode: async (part, own, onProgress) => (await this.#submitOwn(part, { ...options, onProgress }, own)).vectors,
          });
    const checked = vectors.then((all) => {
      checkFinite(all, this.dimension, before, this.model.dtype);
      return all;
    });
    // Its error is thrown where it is awaited, unless the caller has enough before.
    checked.catch(() => {});
    return { vectors: checked };
  }

  #submitOwn(
    sentences: readonly TokenizedText[],
    options: EncodeOptions<Precision>,
    place: Float32Array,
  ): Promise<{ readonly vectors: Promise<Float32Array> }> {
    return this.#turns.take(async () => {
      options.signal?.throwIfAborted();
      this.#programs.checkOpen();
      const { normalize = this.normalize, batchSize = this.batchSize } = options;
      const program = await this.#programs.programFor(sentences, { normalize, batchSize });
      return this.#submitBatches(program, sentences, options, place);
    });
  }

  /** Submits the batches. A sentence that occurs several times, as the same object, is computed once. */
  async #submitBatches(
    program: EncoderProgram,
    sentences: readonly TokenizedText[],
    { onProgress, signal, profiler, batchSize }: EncodeOptions<Precision>,
    vectors: Float32Array,
  ): Promise<{ readonly vectors: Promise<Float32Array> }> {
    const reads: Promise<void>[] = [];
    const most = batchSize ?? this.batchSize ?? Number.POSITIVE_INFINITY;
    const rowsOf = new Map<TokenizedText, number[]>();
    for (const [row, sentence] of sentences.entries()) {
      const rows = rowsOf.get(sentence);
      if (rows === undefined) rowsOf.set(sentence, [row]);
      else rows.push(row);
    }
    const distinct = [...rowsOf.keys()];
    // Longest first: the largest batch fails first, and the sentences of a batch have similar lengths.
    const order = longestFirst(distinct);
    let done = 0;
    for (let next = 0; next < order.length; ) {
      await program.room();
      signal?.throwIfAborted();
      this.#programs.checkOpen();
      const batch: TokenizedText[] = [];
      for (let tokens = 0; next < order.length && batch.length < most; next++) {
        const sentence = distinct[order[next]!]!;
        const { length } = sentence.ids;
        if (!program.hasRoom(batch.length, tokens, length)) break;
        tokens += length;
        done += rowsOf.get(sentence)!.length;
        batch.push(sentence);
      }
      const read = await program.submit(batch, profiler);
      const upToHere = done;
      const taken = read().then((computed) => {
        for (const [i, sentence] of batch.entries()) {
          const vector = computed.subarray(i * this.dimension, (i + 1) * this.dimension);
          for (const row of rowsOf.get(sentence)!) vectors.set(vector, row * this.dimension);
        }
        signal?.throwIfAborted();
        onProgress?.(upToHere);
      });
      taken.catch(() => {});
      reads.push(taken);
    }
    return { vectors: Promise.all(reads).then(() => vectors) };
  }

  #finished<P extends Precision>(vectors: Float32Array, length: number, options: EncodeOptions<P>): Embeddings<P> {
    const { normalize = this.normalize, truncateDim: dimension = this.dimension, precision = "f32" } = options;
    const isCut = dimension < this.dimension;
    const cut = isCut ? shortened(vectors, this.dimension, dimension) : vectors;
    const wanted = normalize && isCut ? toUnitLength(cut, dimension) : cut;
    return { length, dimension, ...(encodeRows(precision, wanted, dimension) as Encoded<P>) };
  }
}

/** Callbacks for parts of a call that run at the same time; `onProgress` gets what all have done. */
function summed(onProgress: (done: number) => void): () => (done: number) => void {
  let all = 0;
  return () => {
    let own = 0;
    return (done) => {
      all += done - own;
      own = done;
      onProgress(all);
    };
  };
}

const same = (text: string): string => text;

/** Throws `NonFiniteError` for a number that is not finite; `before` sentences of the call come before these. */
function checkFinite(vectors: Float32Array, dimension: number, before: number, dtype: FloatType): void {
  const bad = firstNonFinite(vectors);
  if (bad === -1) return;
  throw new NonFiniteError(
    `The model's vector of sentence ${before + Math.floor(bad / dimension)} is not finite: number ${bad % dimension} is ${vectors[bad]}.`,
    dtype === "f16"
      ? "Numbers of this model may be beyond the range of f16: load it with the dtype f32 (--dtype f32)."
      : "The model's weights are damaged or not finite: get its files again, or go back to an earlier checkpoint.",
  );
}

function checkTokens(ids: unknown, sentence: number, vocabulary: number, longest: number): void {
  const isList = Array.isArray(ids) || ids instanceof Uint32Array;
  if (!isList || ids.length === 0 || ids.length > longest) {
    throw new OptionError(
      `Sentence ${sentence} must be 1 to ${longest} token ids, but is ${isList ? `${ids.length} of them` : typeof ids}.`,
      "Give the ids of the model's tokenizer, special tokens included.",
    );
  }
  let bad = 0;
  while (bad < ids.length && Number.isInteger(ids[bad]) && ids[bad] >= 0 && ids[bad] < vocabulary) bad++;
  if (bad === ids.length) return;
  throw new OptionError(
    `Token ${bad} of sentence ${sentence} is ${String(ids[bad])}; the model's tokens are 0 to ${vocabulary - 1}.`,
    "Give the ids of the model's own tokenizer.",
  );
}

/** The first `to` numbers of each row of `from`, f32 [rows, to]. */
function shortened(vectors: Float32Array, from: number, to: number): Float32Array {
  const rows = vectors.length / from;
  const short = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++) short.set(vectors.subarray(row * from, row * from + to), row * to);
  return short;
}
