/**
 * Consecutive rows of a persistent matrix, from a row that the host gives each step: for writing and reading a chunk of a batch's
 * embeddings.
 */
import { wgsl } from "../gpu/shader.ts";
import { scalar } from "./language/kernel.ts";
import {
  type Dimension,
  expectType,
  f32,
  type Operation,
  type Persistent,
  type Recorder,
  type Scalar,
  type Value,
} from "./language/operation.ts";
import { vectorLowering } from "./language/vectors.ts";

interface Attributes {
  /** The first row, a whole number below 2²⁴. */
  readonly first: Scalar;
}

const width = ({ shape }: { readonly shape: readonly Dimension[] }) => shape[1] as number;

const write: Operation<Attributes & { readonly shape: readonly number[] }> = {
  name: "writeRows",
  infer([x], { shape }) {
    expectType("writeRows", "x", x!, "float", [null, shape[1]!]);
    return [f32(...shape)];
  },
  lower: ({ inputs: [x], outputs: [matrix], attributes: { first } }) =>
    vectorLowering({
      label: "writeRows",
      over: x!,
      reads: { x: x! },
      writes: { matrix: matrix! },
      main: (columns) => wgsl`setMatrix((row + u32(${scalar(first)})) * ${columns}u + column, x(index));`,
    }),
};

const read: Operation<Attributes & { readonly count: Dimension }> = {
  name: "readRows",
  infer([matrix], { count }) {
    expectType("readRows", "matrix", matrix!, "f32", [null, null]);
    return [f32(count, matrix!.shape[1]!)];
  },
  lower: ({ inputs: [matrix], outputs: [y], attributes: { first } }) =>
    vectorLowering({
      label: "readRows",
      over: y!,
      reads: { matrix: matrix! },
      writes: { y: y! },
      main: (columns) => wgsl`setY(index, matrix((row + u32(${scalar(first)})) * ${columns}u + column));`,
    }),
};

/** Writes `x` f32 [rows, width] over the rows of `matrix` f32 [all, width] that begin at `first`. */
export function writeRows(x: Value, matrix: Persistent, first: Scalar): void {
  expectType("writeRows", "matrix", matrix, "f32", [null, width(x)]);
  x.tape.update(write, [x], [matrix], { first, shape: matrix.shape });
}

/** f32 [count, width]: the rows of `matrix` f32 [all, width] that begin at `first`. */
export function readRows(tape: Recorder, matrix: Persistent, first: Scalar, count: Dimension): Value {
  return tape.append(read, [matrix], { first, count })[0]!;
}
