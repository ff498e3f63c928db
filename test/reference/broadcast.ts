/** Broadcasting in float64, one element at a time by its coordinates. */

/** Row-major coordinates of an element. */
function coordinates(index: number, shape: readonly number[]): number[] {
  const found: number[] = [];
  let rest = index;
  for (const size of [...shape].reverse()) {
    found.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return found;
}

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
