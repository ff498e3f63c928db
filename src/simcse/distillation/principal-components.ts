/**
 * Vectors in fewer dimensions with their cosines kept as well as possible: in their first principal components, the eigenvectors of XᵀX
 * with the largest eigenvalues (X has a vector of unit length in each row). No mean is subtracted, because cosines are those of the vectors
 * as they are; by Eckart and Young no other projection to as many dimensions has a smaller error in the vectors' dot products.
 */
import { ShapeError } from "../../errors.ts";
import type { Embeddings } from "../embedding/encoder.ts";
import { toUnitLength } from "../embedding/unit-length.ts";

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
 * The first `to` principal components of vectors, from at most 20,000 of them, evenly spread. A component's largest number is positive, so
 * that the same vectors give the same components. Throws `ShapeError` for more dimensions than the vectors have.
 */
export async function principalComponents({ length, dimension: from, data }: Embeddings, to: number): Promise<Projection> {
  if (!(Number.isInteger(to) && to >= 1 && to <= from && length > 0)) {
    throw new ShapeError(
      `${length} vectors of ${from} numbers have no ${to} principal components.`,
      `Give a number of dimensions from 1 to ${from}.`,
    );
  }
  const { EigenvalueDecomposition, Matrix } = await import("ml-matrix");
  const products = productsOf({ length, dimension: from, data });
  const decomposed = new EigenvalueDecomposition(new Matrix(products), { assumeSymmetric: true });
  const values = decomposed.realEigenvalues;
  const order = [...values.keys()].sort((a, b) => values[b]! - values[a]!).slice(0, to);
  const matrix = new Float32Array(from * to);
  for (const [column, component] of order.entries()) {
    const numbers = decomposed.eigenvectorMatrix.getColumn(component);
    const largest = numbers.reduce((most, number) => (Math.abs(number) > Math.abs(most) ? number : most), 0);
    for (const [row, number] of numbers.entries()) matrix[row * to + column] = number * Math.sign(largest);
  }
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  return { matrix, from, to, kept: sum(order.map((component) => values[component]!)) / sum(values) };
}

/** XᵀX, the mean over the vectors that are used, [dimension][dimension]. */
function productsOf({ length, dimension, data }: Embeddings): Float64Array[] {
  const products = Array.from({ length: dimension }, () => new Float64Array(dimension));
  const used = Math.min(length, mostVectors);
  for (let i = 0; i < used; i++) {
    const row = Math.floor((i * length) / used);
    const vector = Float64Array.from(toUnitLength(data.subarray(row * dimension, (row + 1) * dimension), dimension));
    for (let a = 0; a < dimension; a++) {
      const factor = vector[a]! / used;
      const sums = products[a]!;
      for (let b = 0; b <= a; b++) sums[b]! += factor * vector[b]!;
    }
  }
  for (let a = 0; a < dimension; a++) for (let b = 0; b < a; b++) products[b]![a] = products[a]![b]!;
  return products;
}

/** The vectors in the projection's dimensions, f32 [length, to]; their lengths are as they come. Throws `ShapeError` for vectors of another length. */
export function project({ length, dimension, data }: Embeddings, { matrix, from, to }: Projection): Embeddings {
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
