/** What a weights file says of a tensor, whatever its format, and the arithmetic of sizes that every format shares. */
import { DTYPE_BITS, type Dtype } from "./dtypes.ts";

/** Where a tensor lies in its file. */
export interface TensorInfo {
  readonly dtype: Dtype;
  /** The sizes of the dimensions; empty for a scalar. */
  readonly shape: readonly number[];
  /** Where the tensor's first byte stands in the file. */
  readonly start: number;
  /** The place after its last byte. */
  readonly end: number;
  /** For a view that does not lie in C order: elements from one index of each dimension to the next. */
  readonly strides?: readonly number[];
}

/** A tensor's bytes, or undefined where they are no whole number or more than a number can count. */
export function tensorBytes(dtype: Dtype, shape: readonly number[]): number | undefined {
  let bits = DTYPE_BITS[dtype] as number;
  for (const size of shape) {
    bits *= size;
    if (!Number.isSafeInteger(bits)) return undefined;
  }
  return bits % 8 === 0 ? bits / 8 : undefined;
}

/** Whether a value is a shape: whole numbers that are not negative. */
export function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
