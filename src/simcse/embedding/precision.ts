/**
 * The precisions of stored embeddings. Smaller ones take less memory and are searched faster:
 *
 *     f32      as the model gives them
 *     f16      half precision: an error of 2⁻¹¹ of a number
 *     int8     round(127 · x / max|x|) of each vector, with its scale max|x| / 127: an error of 1/254 of the largest number
 *     binary   the sign of each number, one bit each, the first in the highest bit of the first byte, like numpy.packbits
 *
 * A row's bytes are these elements in order. https://arxiv.org/abs/2210.17114 and the sentence-transformers documentation ("Embedding
 * Quantization") measure how much they reduce the quality of search.
 */
import { fromHalves, toHalves } from "../../float16.ts";
import { type Precision, precisions } from "../../kernels/search/precision.ts";
import { checkChoice } from "../../options.ts";

/** Throws `OptionError` unless the value is one of the four, or absent. */
export function checkPrecision(precision: Precision | undefined): void {
  if (precision !== undefined) checkChoice("precision", precision, precisions);
}

/** The array for a precision's elements, row-major; binary has ceil(dimension / 8) bytes per row. */
export interface PrecisionArrays {
  f32: Float32Array;
  f16: Uint16Array;
  int8: Int8Array;
  binary: Uint8Array;
}

/** Vectors in one precision, row after row. */
export interface Encoded<P extends Precision = Precision> {
  readonly data: PrecisionArrays[P];
  /** Only for int8, f32 [rows]: the factor of a row's elements. */
  readonly scales?: Float32Array;
}

/** Array elements per row of `dimension` numbers. */
export const rowElements: Readonly<Record<Precision, (dimension: number) => number>> = {
  f32: (dimension) => dimension,
  f16: (dimension) => dimension,
  int8: (dimension) => dimension,
  binary: (dimension) => Math.ceil(dimension / 8),
};

/** Bytes of whole elements as the array of a precision; a view, not a copy. */
export const elementsIn: { readonly [P in Precision]: (bytes: Uint8Array) => PrecisionArrays[P] } = {
  f32: ({ buffer, byteOffset, length }) => new Float32Array(buffer, byteOffset, length / 4),
  f16: ({ buffer, byteOffset, length }) => new Uint16Array(buffer, byteOffset, length / 2),
  int8: ({ buffer, byteOffset, length }) => new Int8Array(buffer, byteOffset, length),
  binary: (bytes) => bytes,
};

/** Converts f32 [rows, dimension] to a precision. */
export function encodeRows<P extends Precision>(precision: P, data: Float32Array, dimension: number): Encoded<P> {
  return encoders[precision](data, dimension) as Encoded<P>;
}

const encoders: Readonly<Record<Precision, (data: Float32Array, dimension: number) => Encoded>> = {
  f32: (data) => ({ data }),
  f16: (data) => ({ data: toHalves(data) }),
  int8: toInt8,
  binary: (data, dimension) => ({ data: toBits(data, dimension) }),
};

function toInt8(data: Float32Array, dimension: number): Encoded<"int8"> {
  const rows = data.length / dimension;
  const bytes = new Int8Array(data.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const start = row * dimension;
    let largest = 0;
    for (let i = start; i < start + dimension; i++) largest = Math.max(largest, Math.abs(data[i]!));
    scales[row] = largest / 127;
    if (largest === 0) continue;
    for (let i = start; i < start + dimension; i++) bytes[i] = Math.round((data[i]! / largest) * 127);
  }
  return { data: bytes, scales };
}

function toBits(data: Float32Array, dimension: number): Uint8Array {
  const rows = data.length / dimension;
  const width = rowElements.binary(dimension);
  const bytes = new Uint8Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < dimension; i++) {
      if (data[row * dimension + i]! > 0) bytes[row * width + (i >> 3)]! |= 0x80 >> (i & 7);
    }
  }
  return bytes;
}

/**
 * Converts back to f32 [rows, dimension]; bits become 1 or −1, scaled to a vector of unit length. Throws `OptionError` for an unknown
 * precision.
 */
export function decodeRows(precision: Precision, { data, scales }: Encoded, dimension: number): Float32Array {
  checkChoice("precision", precision, precisions);
  return decoders[precision](data as never, dimension, scales);
}

type Decoders = { readonly [P in Precision]: (data: PrecisionArrays[P], dimension: number, scales?: Float32Array) => Float32Array };

const decoders: Decoders = {
  f32: (data) => data,
  f16: fromHalves,
  int8: (data, dimension, scales) => Float32Array.from(data, (value, i) => value * scales![Math.floor(i / dimension)]!),
  binary: (data, dimension) => {
    const width = rowElements.binary(dimension);
    const unit = 1 / Math.sqrt(dimension);
    return Float32Array.from({ length: (data.length / width) * dimension }, (_, i) => {
      const row = Math.floor(i / dimension);
      const column = i % dimension;
      return data[row * width + (column >> 3)]! & (0x80 >> (column & 7)) ? unit : -unit;
    });
  },
};
