/** Rows of a persistent matrix from a row on that the host gives each step: a chunk of a batch's embeddings, written and read. */
import { wgsl } from "../gpu/shader.ts";
import { pointKernel, scalar, vector, vectorWidth } from "./language/kernel.ts";
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
  lower({ inputs: [x], outputs: [matrix], attributes: { first } }) {
    const step = vectorWidth(width(x!));
    const element = vector(step);
    return {
      variant: `point ×${step}`,
      kernels: [
        pointKernel({
          label: "writeRows",
          over: x!,
          width: step,
          reads: { x: [x!, element] },
          writes: { matrix: [matrix!, element] },
          main: wgsl`setMatrix((row + u32(${scalar(first)})) * ${width(x!) / step}u + column, x(index));`,
        }),
      ],
    };
  },
};

const read: Operation<Attributes & { readonly count: Dimension }> = {
  name: "readRows",
  infer([matrix], { count }) {
    expectType("readRows", "matrix", matrix!, "f32", [null, null]);
    return [f32(count, matrix!.shape[1]!)];
  },
  lower({ inputs: [matrix], outputs: [y], attributes: { first } }) {
    const step = vectorWidth(width(y!));
    const element = vector(step);
    return {
      variant: `point ×${step}`,
      kernels: [
        pointKernel({
          label: "readRows",
          over: y!,
          width: step,
          reads: { matrix: [matrix!, element] },
          writes: { y: [y!, element] },
          main: wgsl`setY(index, matrix((row + u32(${scalar(first)})) * ${width(y!) / step}u + column));`,
        }),
      ],
    };
  },
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
