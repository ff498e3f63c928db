/** The options of an encoder and of its calls, and what they may be. */
import type { Profiler } from "../../autograd/profiler.ts";
import { OptionError } from "../../errors.ts";
import type { ThreadStarter } from "../../io/tokenizer/thread.ts";
import type { Precision } from "../../kernels/search/precision.ts";
import type { OptionNames } from "../../options.ts";
import type { EncodingPooler } from "../model/poolers.ts";
import type { PromptOptions, TextPreparation } from "./prompts.ts";

/** How an `Encoder` makes vectors. */
export interface EncoderOptions {
  /** How a sentence's vector is made from its tokens'. */
  readonly pooler: EncodingPooler;
  /** Sentences are truncated to this many tokens, special tokens included. */
  readonly maxLength: number;
  /** Sentences per batch; if absent or null, 64, and in calls with many sentences as many as the device computes well at once. */
  readonly batchSize?: number | null | undefined;
  /** Scale vectors to unit length; true if absent. */
  readonly normalize?: boolean | undefined;
  /** How texts are prepared before tokenising: with a prompt; unchanged if absent. */
  readonly texts?: TextPreparation | undefined;
  /** How threads that tokenise are started; texts are tokenised in this thread if absent or null. */
  readonly threads?: ThreadStarter | null | undefined;
}

export const encoderOptions: OptionNames<EncoderOptions> = {
  pooler: true,
  maxLength: true,
  batchSize: true,
  normalize: true,
  texts: true,
  threads: true,
};

/** How a text is tokenised. */
export type TokenizeOptions = PromptOptions & Pick<EncodeOptions, "maxLength">;

/** The options of one call. */
export interface EncodeOptions<P extends Precision = "f32"> extends PromptOptions {
  /** Scale vectors to unit length; the encoder's setting if absent. */
  readonly normalize?: boolean | undefined;
  /**
   * Keep only the first dimensions of each vector, for models trained for it (Matryoshka). Vectors are scaled to unit length after
   * truncation.
   */
  readonly truncateDim?: number | undefined;
  /** f32 if absent; see `precision.ts`. */
  readonly precision?: P | undefined;
  /** Sentences are truncated to this many tokens; the encoder's own length if absent, and at most what the model supports. */
  readonly maxLength?: number | undefined;
  /** Sentences per batch; the encoder's own if absent. */
  readonly batchSize?: number | undefined;
  /** Called after each batch with the number of sentences done. */
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Ends the call between two batches; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Times some of the batches kernel by kernel. */
  readonly profiler?: Profiler | null;
}

/** The options with their defaults. */
export type EncoderSettings = { readonly [Name in keyof EncoderOptions]-?: Exclude<EncoderOptions[Name], undefined> };

export const encodeOptions: OptionNames<EncodeOptions<Precision>> = {
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

/** Throws `OptionError` unless the model supports sentences of `maxLength` tokens. */
export function checkLength(maxLength: number, positions: number): void {
  if (Number.isInteger(maxLength) && maxLength >= 3 && maxLength <= positions) return;
  throw new OptionError(
    `A length of ${maxLength} tokens is not possible: the model takes 3 to ${positions}.`,
    "Choose a length within the model's positions.",
  );
}

/** Throws `OptionError` unless the batch size is a whole number of at least 1. */
export function checkBatchSize(batchSize: number | null | undefined): void {
  if (batchSize === undefined || batchSize === null || (Number.isInteger(batchSize) && batchSize >= 1)) return;
  throw new OptionError(`A batch of ${batchSize} sentences is not possible.`, "Give a whole number of at least 1.");
}
