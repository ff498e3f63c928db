/**
 * Encoders of the same model on other devices, which take a part of every large call. Each device gets every so many sentences in the order
 * of their lengths, so all have the same work. A device that is lost is left out, and its part is encoded here.
 */
import { allEnded } from "../all-ended.ts";
import type { SimCseModel } from "../model/model.ts";
import { longestFirst, type TokenizedText } from "./encoder-program.ts";

/** The options of a call that every device follows. */
interface CallOptions {
  readonly normalize?: boolean | undefined;
  readonly batchSize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** An encoder on another device, as it is used here. */
interface OtherEncoder {
  readonly model: SimCseModel;
  encodePart(sentences: readonly TokenizedText[], options: CallOptions): Promise<Float32Array>;
  close(): void;
}

/** Frees an encoder and its model. */
export function closeWithModel(encoder: OtherEncoder): void {
  encoder.close();
  encoder.model.close();
}

/** Calls with fewer sentences for each device are not worth sharing. */
const fewestSentences = 16;

/** Encodes a device's part of the sentences: f32 [sentences, dimension]. */
type EncodePart = (sentences: readonly TokenizedText[], onProgress: (done: number) => void) => Promise<Float32Array>;

/** A call that is shared: its options, and how this device encodes sentences into `place`, f32 [sentences, dimension], which it returns. */
export interface SharedCall {
  readonly options: CallOptions;
  encode(sentences: readonly TokenizedText[], place: Float32Array, onProgress: (done: number) => void): Promise<Float32Array>;
}

export class OtherDevices {
  #encoders: readonly OtherEncoder[];

  /** Takes over the encoders and their models. */
  constructor(encoders: readonly OtherEncoder[]) {
    this.#encoders = encoders;
  }

  /** Writes the vectors of sentences, in their order, into `place`, f32 [sentences, dimension], and returns it. */
  async share(sentences: readonly TokenizedText[], place: Float32Array, { options, encode }: SharedCall): Promise<Float32Array> {
    const others = sentences.length >= fewestSentences * (this.#encoders.length + 1) ? this.#encoders : [];
    if (others.length === 0) return encode(sentences, place, (count) => options.onProgress?.(count));
    const dimension = place.length / sentences.length;
    const order = longestFirst(sentences);
    const done = Array.from({ length: others.length + 1 }, () => 0);
    const encodeHere: EncodePart = (some, onProgress) => encode(some, new Float32Array(some.length * dimension), onProgress);
    const part = async (rank: number, encodePart: EncodePart) => {
      const own = order.filter((_, i) => i % done.length === rank);
      const rows = await encodePart(
        own.map((index) => sentences[index]!),
        (count) => {
          done[rank] = count;
          options.onProgress?.(done.reduce((sum, one) => sum + one, 0));
        },
      );
      for (const [row, index] of own.entries()) place.set(rows.subarray(row * dimension, (row + 1) * dimension), index * dimension);
    };
    const { normalize, batchSize, signal } = options;
    await allEnded([
      part(0, encodeHere),
      ...others.map((other, i) =>
        part(i + 1, async (some, onProgress) => {
          try {
            return await other.encodePart(some, { normalize, batchSize, signal, onProgress });
          } catch (error) {
            if (!(await other.model.device.isLost())) throw error;
            this.#drop(other);
            return encodeHere(some, onProgress);
          }
        }),
      ),
    ]);
    return place;
  }

  /** Frees the encoders and their models. */
  close(): void {
    for (const encoder of this.#encoders) this.#drop(encoder);
  }

  #drop(encoder: OtherEncoder): void {
    this.#encoders = this.#encoders.filter((other) => other !== encoder);
    closeWithModel(encoder);
  }
}
