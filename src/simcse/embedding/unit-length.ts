/** Vectors of unit length on the host. A vector of zeros stays as it is, as in `kernels/normalize.ts`. */
import { DataError } from "../../errors.ts";
import { firstNonFinite } from "../../finite.ts";
import { floatsOf } from "./given-vectors.ts";

/** f32 [rows, dimension]: each row of `data` divided by its Euclidean norm; norms are summed in f64. */
export function toUnitLength(data: Float32Array, dimension: number): Float32Array {
  const unit = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += dimension) {
    let squares = 0;
    for (let i = start; i < start + dimension; i++) squares += data[i]! * data[i]!;
    const norm = Math.sqrt(squares) || 1;
    for (let i = start; i < start + dimension; i++) unit[i] = data[i]! / norm;
  }
  return unit;
}

/**
 * The same for rows from outside, in any form that `floatsOf` takes. Throws `DataError` for a number that is not finite; `nameOf` is its
 * row's name in messages.
 */
export function checkedUnitLength(given: Float32Array, dimension: number, nameOf: (row: number) => string): Float32Array {
  const data = floatsOf(given);
  const bad = firstNonFinite(data);
  if (bad === -1) return toUnitLength(data, dimension);
  throw new DataError(
    `Number ${bad % dimension} of ${nameOf(Math.floor(bad / dimension))} is ${data[bad]}.`,
    "Check the vectors: a model with damaged weights gives such numbers.",
  );
}
