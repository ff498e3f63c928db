/** The lowering of kernels that have a thread for each vector of each row and move or combine what lies there: one kernel, with floats bound as vectors. */
import { type PointKernelDeclaration, pointKernel, vector, vectorWidth } from "./kernel.ts";
import { type Lowering, rowWidth, type Tensor } from "./operation.ts";

/** A kernel over the vectors of rows. */
export interface VectorLowering extends Omit<PointKernelDeclaration, "reads" | "writes" | "width" | "main"> {
  /** Tensors of floats, read as vectors. */
  readonly reads: Readonly<Record<string, Tensor>>;
  /** Tensors of floats, written as vectors. */
  readonly writes: Readonly<Record<string, Tensor>>;
  /** What else is read: [tensor, WGSL element type]. */
  readonly tables?: Readonly<Record<string, readonly [Tensor, string]>>;
  /** Elements that lie together and that vectors divide; those of a row of `over` if absent. */
  readonly run?: number;
  /** WGSL, given the vectors in a run. `T` is the type of a vector, and `row`, `column` and `index` are declared. */
  readonly main: (columns: number) => string;
  /** The variant's name in a plan; how wide its vectors are, if absent. */
  readonly variant?: string;
}

/** One kernel with a thread for each vector of `over`. */
export function vectorLowering({ reads, writes, tables = {}, main, variant, declarations = "", ...rest }: VectorLowering): Lowering {
  const { over, run = rowWidth(over.shape), ...kernelRest } = rest;
  const width = vectorWidth(run);
  const bound = (tensors: Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, [tensor, vector(width)] as const]));
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
