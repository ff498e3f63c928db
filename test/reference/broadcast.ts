/** Broadcasting in float64, one element at a time by its coordinates. */
import { coordinates } from "./shapes.ts";

/** The index in a tensor of shape `from` of the element that goes with element `index` of shape `to`. */
export function sourceIndex(index: number, from: readonly number[], to: readonly number[]): number {
  const own = coordinates(index, to).slice(to.length - from.length);
  return from.reduce((sum, size, k) => sum * size + (size === 1 ? 0 : own[k]!), 0);
}

/** f(a, b) of every element of `shape`, to which both operands broadcast. */
export function broadcast(
  f: (a: number, b: number) => number,
  a: { readonly data: ArrayLike<number>; readonly shape: readonly number[] },
  b: { readonly data: ArrayLike<number>; readonly shape: readonly number[] },
  shape: readonly number[],
): Float64Array {
  return Float64Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, i) =>
    f(a.data[sourceIndex(i, a.shape, shape)]!, b.data[sourceIndex(i, b.shape, shape)]!),
  );
}
