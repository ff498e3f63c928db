/** The size at which the kernel suite checks operations, and random data of that size. */
import type { Tape } from "../../src/autograd/tape.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { normals } from "../../test/kernels/data.ts";

/** Live rows, and the rows of the capacity; neither fills a workgroup. */
export const rows = 57;
export const rowCapacity = 67;
export const width = 64;

/** A live matrix input; all have the same number of rows. */
export const matrix = (tape: Tape, name: string, columns = width) => tape.input(name, f32(tape.extent("rows", rowCapacity), columns));

/** The step of matrices. */
export const ofRows = { live: { rows } };

/** Data of a matrix. */
export const random = (seed: number, columns = width, shape?: { mean?: number; deviation?: number }) =>
  normals(rows * columns, seed, shape);

/** A pointwise function, in float64. */
export const map = (x: ArrayLike<number>, f: (v: number, i: number) => number) => Float64Array.from(x, f);

/** LayerNorm's data, with and without a residual. */
export const epsilon = 1e-5;
export const layerNormInputs = {
  x: random(20, width, { mean: 0.5 }),
  weight: normals(width, 21, { mean: 1, deviation: 0.2 }),
  bias: normals(width, 22),
};
