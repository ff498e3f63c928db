/** A weights file's description of a tensor, whatever the format, and the size arithmetic that every format shares. */
import { DTYPE_BITS, type Dtype } from "./dtypes.ts";

/** The place of a tensor in its file. */
export interface TensorInfo {
  readonly dtype: Dtype;
  /** The sizes of the dimensions; empty for a scalar. */
  readonly shape: readonly number[];
  /** The offset of the tensor's first byte in the file. */
  readonly start: number;
  /** The offset after its last byte. */
  readonly end: number;
  /** For a view that is not in C order: elements from one index of each dimension to the next. */
  readonly strides?: readonly number[] | undefined;
}

/** A tensor's size in bytes, or undefined if it is not a whole number or too large for a number. */
export function tensorBytes(dtype: Dtype, shape: readonly number[]): number | undefined {
  let bits = DTYPE_BITS[dtype] as number;
  for (const size of shape) {
    bits *= size;
    if (!Number.isSafeInteger(bits)) return undefined;
  }
  return bits % 8 === 0 ? bits / 8 : undefined;
}

/** Whether a value is a shape: non-negative whole numbers. */
export function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
