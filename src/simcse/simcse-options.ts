/** The options of the calls of `SimCSE`, and their names, so that unknown ones are refused. */
import type { Tuning } from "../autograd/choices.ts";
import type { Device } from "../gpu/device.ts";
import type { FloatType } from "../kernels/language/operation.ts";
import type { OptionNames } from "../options.ts";
import type { EncodeOptions } from "./embedding/encoder-options.ts";
import type { PromptOptions } from "./embedding/prompts.ts";
import type { PoolerType } from "./model/poolers.ts";

/** Options of `SimCSE.load` and `SimCSE.loadFrom`. */
export interface LoadOptions extends PromptOptions {
  /** How a sentence's vector is made; the one saved with the model if absent. */
  readonly pooler?: PoolerType | undefined;
  /** Sentences are truncated to this many tokens; if absent, to the model's saved length, or 128, but no more than the model supports. */
  readonly maxLength?: number | undefined;
  /**
   * Devices that encode beside the model's own, which may be among them: each takes a part of a large call. Training ends that, because the
   * others do not learn. Only the model's own device if absent.
   */
  readonly devices?: readonly Device[];
  /** Sentences per batch; if absent 64, and in calls with many sentences as many as the device computes well at once. */
  readonly batchSize?: number | undefined;
  /** Scale vectors to unit length; true if absent. */
  readonly normalize?: boolean | undefined;
  /**
   * How matrices and activations are stored on the device; kernels add in f32. f16 takes half the memory and is faster on matrix units; a
   * vector's cosine with that of f32 is above 0.9999. If absent, f16 on devices with matrix units for it, otherwise f32. Saving and
   * training lose nothing: they read the weights from their file again.
   */
  readonly dtype?: FloatType | undefined;
  /** How kernels are chosen, from `openTuning`; if absent, by rule, among the variants with correct results. */
  readonly tuning?: Tuning | undefined;
  /** Stops loading; `load` then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Allocate memory for training too, four times the weights. If false or absent, `train` allocates it. A model without a saved pooler gets
   * `cls` with a fresh MLP, which is what SimCSE trains, and one without weights gets fresh ones.
   */
  readonly training?: boolean;
}

/** The names of `LoadOptions`. */
export const loadOptions: OptionNames<LoadOptions> = {
  pooler: true,
  maxLength: true,
  batchSize: true,
  normalize: true,
  devices: true,
  dtype: true,
  tuning: true,
  prompt: true,
  promptName: true,
  signal: true,
  training: true,
};

/** `onProgress` is called with the number of encoded texts, of both sides together. */
export type SimilarityOptions = Pick<EncodeOptions, "onProgress" | "signal">;

/** The names of `SimilarityOptions`. */
export const similarityOptions: OptionNames<SimilarityOptions> = { onProgress: true, signal: true };
