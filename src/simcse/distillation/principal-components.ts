/**
 * Vectors in fewer dimensions with their cosines kept as well as possible: in their first principal components, the eigenvectors of XᵀX
 * with the largest eigenvalues (X has a vector of unit length in each row). No mean is subtracted, because cosines are those of the vectors
 * as they are.
 */
import { ShapeError } from "../../errors.ts";
import type { Embeddings } from "../embedding/embeddings.ts";
import { floatEmbeddings } from "../embedding/given-vectors.ts";
import { checkedUnitLength } from "../embedding/unit-length.ts";
import { SecondMoments } from "./second-moments.ts";

/** Vectors that the components are taken from; more of them change little. */
const mostVectors = 20_000;

/** A projection of vectors to fewer dimensions. */
export interface Projection {
  /** f32 [from, to], row-major: a component in each column. The columns are orthonormal. */
  readonly matrix: Float32Array;
  readonly from: number;
  readonly to: number;
  /** The part of the vectors' squared length that the components keep, 0 to 1. */
  readonly kept: number;
}

/**
 * The first `to` principal components of vectors, from at most 20,000 of them, evenly spread. Throws `ShapeError` for more dimensions than
 * the vectors have, `DataError` for a number that is not finite.
 */
export async function principalComponents(vectors: Embeddings, to: number): Promise<Projection> {
  const { length, dimension: from, data } = floatEmbeddings(vectors);
  if (!(Number.isInteger(to) && to >= 1 && to <= from && length > 0)) {
    throw new ShapeError(
      `${length} vectors of ${from} numbers have no ${to} principal components.`,
      `Give a number of dimensions from 1 to ${from}.`,
    );
  }
  const moments = new SecondMoments(from);
  const used = Math.min(length, mostVectors);
  for (let i = 0; i < used; i++) {
    const row = Math.floor((i * length) / used);
    const vector = data.subarray(row * from, (row + 1) * from);
    moments.add(
      checkedUnitLength(vector, from, () => `vector ${row}`),
      1 / used,
    );
  }
  const { directions, kept } = await moments.largest(to);
  const matrix = new Float32Array(from * to);
  for (const [column, direction] of directions.entries()) {
    for (const [row, number] of direction.entries()) matrix[row * to + column] = number;
  }
  return { matrix, from, to, kept };
}

/** The vectors in the projection's dimensions, f32 [length, to]; their lengths are as they come. Throws `ShapeError` for vectors of another length. */
export function project(
  vectors: Embeddings,
  { matrix, from, to }: Pick<Projection, "from" | "to"> & { readonly matrix: ArrayLike<number> },
): Embeddings {
  const { length, dimension, data } = floatEmbeddings(vectors);
  if (dimension !== from) {
    throw new ShapeError(
      `The vectors have ${dimension} numbers; the projection takes ${from}.`,
      "Give vectors of the model it was made for.",
    );
  }
  const projected = new Float32Array(length * to);
  const sums = new Float64Array(to);
  for (let row = 0; row < length; row++) {
    sums.fill(0);
    for (let i = 0; i < from; i++) {
      const value = data[row * from + i]!;
      for (let j = 0; j < to; j++) sums[j]! += value * matrix[i * to + j]!;
    }
    projected.set(sums, row * to);
  }
  return { length, dimension: to, data: projected };
}
