/**
 * Static int8, as sentence-transformers' `quantize_embeddings` makes it: every number of a vector has a range of its own, which is measured
 * once on calibration vectors and divided into 256 steps. Unlike the precision `int8`, whose rows have scales, rows have no numbers beside
 * them, so that vector databases compare the bytes directly.
 */
import { OptionError, ShapeError } from "../../errors.ts";
import type { Embeddings } from "./embeddings.ts";
import { floatEmbeddings } from "./given-vectors.ts";

/** The range of each number of a vector. */
export interface Int8Ranges {
  /** f32 [dimension] */
  readonly least: Float32Array;
  /** f32 [dimension] */
  readonly most: Float32Array;
}

/** Steps of a range; a byte's smallest value stands for the first. */
const [steps, firstByte] = [255, -128];

/**
 * The ranges of the numbers of calibration vectors, f32 [rows, dimension]. They should be some thousand vectors like those to be stored.
 * Throws `OptionError` for fewer than two, `ShapeError` for incomplete ones.
 */
export function int8Ranges(vectors: Embeddings): Int8Ranges {
  const { length, dimension, data } = floatEmbeddings(vectors);
  if (length < 2)
    throw new OptionError(`${length} vectors have no range to calibrate int8 with.`, "Give many vectors like those that are to be stored.");
  const least = data.slice(0, dimension);
  const most = data.slice(0, dimension);
  for (let i = dimension; i < length * dimension; i++) {
    const column = i % dimension;
    least[column] = Math.min(least[column]!, data[i]!);
    most[column] = Math.max(most[column]!, data[i]!);
  }
  return { least, most };
}

/** One step of each range, f32; 1 where a number never changes. */
function stepsOf({ least, most }: Int8Ranges): Float32Array {
  return least.map((start, i) => Math.fround(Math.fround(most[i]! - start) / steps) || 1);
}

/** f32 [rows, dimension] as bytes −128 to 127, [rows, dimension]; numbers outside their range get its end. Throws `ShapeError`. */
export function quantizeInt8(vectors: Embeddings, ranges: Int8Ranges): Int8Array {
  const { dimension, data } = floatEmbeddings(vectors);
  checkRanges(dimension, ranges);
  const step = stepsOf(ranges);
  return Int8Array.from(data, (value, i) => {
    const column = i % dimension;
    const place = Math.floor(Math.fround(Math.fround(value - ranges.least[column]!) / step[column]!));
    return Math.min(steps, Math.max(0, place)) + firstByte;
  });
}

/** The middle of each byte's step, f32 [rows, dimension]. Throws `ShapeError`. */
export function dequantizeInt8(bytes: ArrayLike<number>, ranges: Int8Ranges): Float32Array {
  const dimension = ranges.least.length;
  checkRanges(bytes.length % dimension === 0 ? dimension : bytes.length, ranges);
  const step = stepsOf(ranges);
  return Float32Array.from(bytes, (byte, i) => {
    const column = i % dimension;
    return ranges.least[column]! + (byte - firstByte + 0.5) * step[column]!;
  });
}

/** Throws `ShapeError` unless the ranges are those of vectors of this many numbers. */
export function checkRanges(dimension: number, { least }: Int8Ranges): void {
  if (dimension === least.length) return;
  throw new ShapeError(
    `The ranges are those of vectors of ${least.length} numbers; these have ${dimension}.`,
    "Calibrate with vectors of the same model and the same truncation.",
  );
}
