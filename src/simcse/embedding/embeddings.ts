/** Vectors of several sentences, as an encoder returns them, and memory for them. */
import { CapacityError } from "../../errors.ts";
import type { Precision } from "../../kernels/search/precision.ts";
import type { Encoded } from "./precision.ts";

/** Vectors of several sentences: [length, dimension], row-major; bits are packed, ceil(dimension / 8) bytes per row. */
export interface Embeddings<P extends Precision = "f32"> extends Encoded<P> {
  readonly length: number;
  readonly dimension: number;
}

/** A chunk of a stream: sentences and their vectors, in their order. */
export interface EmbeddedChunk<P extends Precision = "f32"> extends Embeddings<P> {
  readonly sentences: readonly string[];
}

/** A chunk of items that have texts, and the texts' vectors, in their order. */
export interface EmbeddedItems<T, P extends Precision = "f32"> extends Embeddings<P> {
  readonly items: readonly T[];
}

/** Memory for vectors, f32 [sentences, dimension]. Throws `CapacityError` where there is not enough. */
export function memoryOf(sentences: number, dimension: number): Float32Array {
  try {
    return new Float32Array(sentences * dimension);
  } catch {
    throw new CapacityError(
      `There is no room in memory for ${sentences} vectors of ${dimension} numbers.`,
      "Encode fewer sentences at a time, or use stream, which gives a chunk of vectors at a time.",
    );
  }
}
