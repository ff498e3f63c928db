/**
 * The element types of the safetensors format, and how those that hold floating-point numbers become f32.
 *
 * Bytes are little-endian, which is both the format's order and that of every machine with WebGPU.
 */

import { fromHalves } from "../../float16.ts";

/**
 * Bits per element, by dtype. The order is that of the official implementation, which orders the tensors of a file by it: later dtypes come
 * first, so that every tensor starts at a multiple of its element's size.
 */
export const DTYPE_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const satisfies Readonly<Record<string, number>>;

/** The element types of tensors in files, by safetensors' names: `F32`, `F16`, `BF16`, `I64`, … */
export type Dtype = keyof typeof DTYPE_BITS;

export const DTYPES = Object.keys(DTYPE_BITS) as readonly Dtype[];

/** The dtypes whose elements can become f32. F64 is rounded and becomes infinite beyond f32's range; the others are exact. */
export const TO_F32: Readonly<Partial<Record<Dtype, (bytes: Uint8Array) => Float32Array>>> = {
  F32: (bytes) => new Float32Array(...elements(bytes, 4)),
  F64: (bytes) => new Float32Array(new Float64Array(...elements(bytes, 8))),
  F16: (bytes) => fromHalves(new Uint16Array(...elements(bytes, 2))),
  BF16: (bytes) => bf16ToF32(new Uint16Array(...elements(bytes, 2))),
};

/** The elements of a typed array: in place if they are aligned, otherwise in a copy. */
function elements(bytes: Uint8Array, size: number): [buffer: ArrayBufferLike, byteOffset: number, length: number] {
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return [aligned.buffer, aligned.byteOffset, aligned.length / size];
}

/** bfloat16 is the upper half of an f32. */
function bf16ToF32(halves: Uint16Array): Float32Array {
  const words = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) words[i] = halves[i]! << 16;
  return new Float32Array(words.buffer);
}
