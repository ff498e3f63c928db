/**
 * The lowering of kernels with one thread per vector of each row that move or combine those vectors: one kernel, with floats bound as
 * vectors.
 */
import { type Bindings, type PointKernelDeclaration, pointKernel, vector, vectorWidth } from "./kernel.ts";
import { type Lowering, rowWidth, type Tensor } from "./operation.ts";

/** A kernel over the vectors of rows. */
export interface VectorLowering extends Omit<PointKernelDeclaration, "reads" | "writes" | "width" | "main"> {
  /** Tensors of floats, read as vectors. */
  readonly reads: Readonly<Record<string, Tensor | undefined>>;
  /** Tensors of floats, written as vectors. */
  readonly writes: Readonly<Record<string, Tensor>>;
  /** Other inputs. */
  readonly tables?: Bindings;
  /** Length of contiguous runs, which the vector width must divide; the length of a row of `over` if absent. */
  readonly run?: number;
  /** WGSL, from the number of vectors per run. `T` is the vector type, and `row`, `column` and `index` are declared. */
  readonly main: (columns: number) => string;
  /** The variant's name in a plan; the width of its vectors if absent. */
  readonly variant?: string;
}

/** One kernel with one thread per vector of `over`. */
export function vectorLowering({ reads, writes, tables = {}, main, variant, declarations = "", ...rest }: VectorLowering): Lowering {
  const { over, run = rowWidth(over.shape), ...kernelRest } = rest;
  const width = vectorWidth(run);
  const bound = (tensors: VectorLowering["reads"]): Bindings =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor && [tensor, vector(width)]]));
  const kernel = pointKernel({
    ...kernelRest,
    over,
    width,
    reads: { ...bound(reads), ...tables },
    writes: bound(writes),
    declarations: `alias T = ${vector(width)};\n${declarations}`,
    main: main(run / width),
  });
  return { variant: variant ?? `point ×${width}`, kernels: [kernel] };
}
