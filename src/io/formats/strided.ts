/** Arrays whose elements lie in memory in another order than row by row: with strides, as torch saves a view, or in Fortran order, as NumPy may. */

/**
 * The elements row by row (in C order), the last index fastest. `view` begins with the first element and ends with the last; `strides`
 * count elements from one index of a dimension to the next.
 */
export function inRowOrder(view: Uint8Array, elementBytes: number, shape: readonly number[], strides: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(shape.reduce((count, size) => count * size, elementBytes));
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < bytes.length; to += elementBytes) {
    for (let byte = 0; byte < elementBytes; byte++) bytes[to + byte] = view[from * elementBytes + byte]!;
    for (let dimension = shape.length - 1; dimension >= 0; dimension--) {
      from += strides[dimension]!;
      if (++index[dimension]! < shape[dimension]!) break;
      from -= strides[dimension]! * shape[dimension]!;
      index[dimension] = 0;
    }
  }
  return bytes;
}

/** The strides of an array in Fortran order, whose first index is the fastest. */
export const fortranStrides = (shape: readonly number[]): number[] =>
  shape.map((_, i) => shape.slice(0, i).reduce((count, size) => count * size, 1));
