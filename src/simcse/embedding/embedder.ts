/**
 * Texts to embeddings in the form a caller wants them: of unit length or not, shortened, in a smaller precision, all at once or as a stream in
 * constant memory. The work is the encoder's; an encoder of another capacity is compiled when a call first needs it.
 */
import { OptionError } from "../../errors.ts";
import { longestSentence } from "../../nn/architectures/bert-config.ts";
import type { SimCseModel } from "../model/model.ts";
import { checkBatchSize, checkLength, type EncodeOptions, Encoder, type EncoderOptions } from "./encoder.ts";
import { checkPrecision, type Encoded, encodeRows, type Precision, type PrecisionArrays } from "./precision.ts";
import { toUnitLength } from "./unit-length.ts";
import { windows } from "./windows.ts";

export interface EmbeddingOptions<P extends Precision = "f32"> extends EncodeOptions {
  /** Scale vectors to unit length; what the model was loaded with if absent. */
  readonly normalize?: boolean;
  /** Keep the first numbers of each vector alone, as models trained for it (Matryoshka) allow; before scaling to unit length. */
  readonly truncateDim?: number;
  /** f32 if absent; see `precision.ts`. */
  readonly precision?: P;
}

/** Vectors of several sentences: [length, dimension], row-major; bits are packed, ceil(dimension / 8) bytes a row. */
export interface Embeddings<P extends Precision = "f32"> {
  readonly length: number;
  readonly dimension: number;
  readonly data: PrecisionArrays[P];
  /** int8 alone, f32 [length]: what a row is multiplied with. */
  readonly scales?: Float32Array;
}

/** A part of a stream: sentences and their vectors, in their order. */
export interface EmbeddedWindow<P extends Precision = "f32"> extends Embeddings<P> {
  readonly sentences: readonly string[];
}

interface Held {
  readonly normalizes: boolean;
  readonly sentences: number;
  readonly tokens: number;
  readonly encoder: Promise<Encoder>;
}

export class Embedder {
  readonly #held: Held[];
  readonly #options: Required<EncoderOptions>;

  /** `encoder` is the one that `options` describe. */
  constructor(
    readonly model: SimCseModel,
    readonly encoder: Encoder,
    options: { readonly pooler: EncoderOptions["pooler"]; readonly normalize: boolean },
  ) {
    const { sentences } = encoder.capacity;
    const tokens = encoder.maxLength;
    this.#options = { ...options, maxLength: encoder.maxLength, batchSize: sentences };
    this.#held = [{ normalizes: options.normalize, sentences, tokens, encoder: Promise.resolve(encoder) }];
  }

  async encode<P extends Precision = "f32">(sentences: readonly string[], options: EmbeddingOptions<P> = {}): Promise<Embeddings<P>> {
    const { maxLength = this.encoder.maxLength } = options;
    checkLength(maxLength, longestSentence(this.model.config));
    const { onProgress } = options;
    const parts: Float32Array[] = [];
    let done = 0;
    for await (const window of windows(sentences)) {
      options.signal?.throwIfAborted();
      const tokens = window.map((text) => this.encoder.tokenizer.encode(text, maxLength));
      const before = done;
      parts.push(
        await this.#encode(tokens, { ...options, ...(onProgress && { onProgress: (count: number) => onProgress(before + count) }) }),
      );
      done += window.length;
    }
    return this.#finished(joined(parts), sentences.length, options);
  }

  /** The same for token ids of the model's tokenizer, special tokens included. Throws `OptionError` for more of them than the model has positions. */
  async encodeTokens<P extends Precision = "f32">(
    tokens: readonly (readonly number[])[],
    options: EmbeddingOptions<P> = {},
  ): Promise<Embeddings<P>> {
    return this.#finished(await this.#encode(tokens, options), tokens.length, options);
  }

  /** Windows of a stream, which is read only as fast as its windows are taken. */
  async *stream<P extends Precision = "f32">(
    sentences: AsyncIterable<string>,
    options: EmbeddingOptions<P> = {},
  ): AsyncGenerator<EmbeddedWindow<P>> {
    const { onProgress } = options;
    let done = 0;
    for await (const window of windows(sentences)) {
      const before = done;
      const progress = onProgress && { onProgress: (count: number) => onProgress(before + count) };
      yield { sentences: window, ...(await this.encode(window, { ...options, ...progress })) };
      done += window.length;
    }
  }

  /** Frees every encoder's memory. */
  close(): void {
    this.encoder.close();
    for (const { encoder } of this.#held.slice(1)) encoder.then((it) => it.close()).catch(() => {});
  }

  /** f32 [tokens, dimension], scaled or not as `normalize` says. */
  async #encode(tokens: readonly (readonly number[])[], options: EmbeddingOptions<Precision>): Promise<Float32Array> {
    const { normalize = this.#options.normalize, batchSize, precision } = options;
    checkBatchSize(batchSize);
    checkPrecision(precision);
    const longest = tokens.reduce((most, { length }) => Math.max(most, length), 0);
    checkLength(Math.max(3, longest), longestSentence(this.model.config));
    const { encoder, normalizes } = await this.#encoderFor(normalize, longest, batchSize);
    const vectors = await encoder.encodeTokens(tokens, options);
    return normalize && !normalizes ? toUnitLength(vectors, this.encoder.dimension) : vectors;
  }

  /** An encoder that takes `tokens` in a sentence and `sentences` in a batch, and leaves vectors as they are unless `normalize`. */
  async #encoderFor(normalize: boolean, tokens: number, sentences = 1): Promise<{ encoder: Encoder; normalizes: boolean }> {
    let held = this.#held.find((one) => (normalize || !one.normalizes) && one.tokens >= tokens && one.sentences >= sentences);
    if (held === undefined) {
      const batchSize = Math.max(sentences, this.#options.batchSize);
      const maxLength = Math.max(tokens, this.#options.maxLength);
      const encoder = Encoder.create(this.model, this.encoder.tokenizer, { ...this.#options, normalize, maxLength, batchSize });
      held = { normalizes: normalize, sentences: batchSize, tokens: maxLength, encoder };
      this.#held.push(held);
      encoder.catch(() => this.#held.splice(this.#held.indexOf(held!), 1));
    }
    return { encoder: await held.encoder, normalizes: held.normalizes };
  }

  #finished<P extends Precision>(vectors: Float32Array, length: number, options: EmbeddingOptions<P>): Embeddings<P> {
    const { normalize = this.#options.normalize, truncateDim, precision = "f32" } = options;
    const whole = this.encoder.dimension;
    const dimension = truncateDim ?? whole;
    if (!Number.isInteger(dimension) || dimension < 1 || dimension > whole) {
      throw new OptionError(
        `Vectors cannot be cut to ${dimension} numbers: this model's have ${whole}.`,
        `Give a whole number from 1 to ${whole}.`,
      );
    }
    const cut = dimension === whole ? vectors : shortened(vectors, whole, dimension);
    const wanted = normalize && dimension < whole ? toUnitLength(cut, dimension) : cut;
    return { length, dimension, ...(encodeRows(precision, wanted, dimension) as Encoded<P>) };
  }
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
