/**
 * Vectors from outside as f32. They come as this package encodes them, in any precision but bits, or as programs read them from JSON and
 * from other libraries. Halves are the reason for one place: their array is one of whole numbers, so they would be taken for other vectors.
 */
import { ShapeError } from "../../errors.ts";
import { fromHalves } from "../../float16.ts";
import type { Embeddings } from "./embeddings.ts";
import { className, describe } from "./texts.ts";

const exactly = (data: ArrayLike<number>) => Float32Array.from(data);

/** f32 by the class of an array. */
const toFloats: Readonly<Record<string, (data: never) => Float32Array>> = {
  Float32Array: (data: Float32Array) => data,
  Float64Array: exactly,
  Float16Array: exactly,
  Uint16Array: fromHalves,
  Int8Array: exactly,
  Array: exactly,
};

/** Numbers of vectors as f32; those of int8 without the scales of their rows. Throws `ShapeError` for anything else. */
export function floatsOf(data: unknown): Float32Array {
  const name = className(data);
  const isOther = Array.isArray(data) && data.some((value) => typeof value !== "number");
  if (Object.hasOwn(toFloats, name) && !isOther) return toFloats[name]!(data as never);
  throw new ShapeError(
    `The numbers of vectors are ${isOther ? "an array with other values than numbers" : describe(data)}.`,
    "Give vectors as `encode` returns them, { length, dimension, data }, in f32, f16 or int8.",
  );
}

/** Vectors as f32, those of int8 with the scales of their rows. Throws `ShapeError` for anything else, and for incomplete rows. */
export function floatEmbeddings(given: Embeddings): Embeddings {
  const { length, dimension, data, scales } = typeof given === "object" && given !== null ? given : ({} as Partial<Embeddings>);
  const floats = floatsOf(data);
  if (!(Number.isInteger(length) && Number.isInteger(dimension) && floats.length === length! * dimension!))
    throw new ShapeError(
      `${floats.length} numbers are no ${length} vectors of ${dimension}.`,
      "Give vectors as `encode` returns them, { length, dimension, data }, in f32, f16 or int8.",
    );
  const scaled = scales === undefined ? floats : floats.map((value, i) => value * scales[Math.floor(i / dimension!)]!);
  return { length: length!, dimension: dimension!, data: scaled };
}
