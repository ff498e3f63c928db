/**
 * Kernels that reduce along rows (norms, softmax), written once for two kinds of machine: one thread per row without barriers, which wins
 * on software adapters, and one workgroup per row with a tree reduction, which wins on GPUs. Every reduction has a fixed order, so a rerun
 * is bit-identical.
 *
 * The body can use `row`, walks its columns with `for (var c = firstColumn; c < …; c += columnStride)`, and combines the threads' results
 * with `total(f32)` or `largest(f32)`, which return the result to every thread. A thread may read its own writes to an output.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { wgsl } from "../../gpu/shader.ts";
import { blockIndex, fold, type KernelDeclaration, kernel, liveRows, rows, sizeOf, sizeParam, threadsPerWorkgroup } from "./kernel.ts";
import type { Dimension, Kernel, Shape } from "./operation.ts";

/** The declaration of a kernel along rows. */
export interface RowKernelDeclaration extends Omit<KernelDeclaration, "workgroupSize" | "workgroups"> {
  /** The rows: one dimension, or all dimensions before the last one. */
  readonly rowCount: Dimension | Shape;
}

/** Rows per workgroup when each thread has one: few, so that a batch of some tens of rows still reaches every core. */
const rowsPerWorkgroup = 16;

const threadReduction = wgsl`
fn total(x: f32) -> f32 { return x; }
fn largest(x: f32) -> f32 { return x; }
`;

const reduction = (name: string, combine: string) => wgsl`
fn ${name}(x: f32) -> f32 {
  partial[reducingThread] = x;
  workgroupBarrier();
  for (var half = ${threadsPerWorkgroup / 2}u; half > 0u; half /= 2u) {
    if (reducingThread < half) {
      let a = partial[reducingThread];
      let b = partial[reducingThread + half];
      partial[reducingThread] = ${combine};
    }
    workgroupBarrier();
  }
  let result = partial[0];
  workgroupBarrier();
  return result;
}
`;

const workgroupReduction = wgsl`
var<workgroup> partial: array<f32, ${threadsPerWorkgroup}>;
var<private> reducingThread: u32;
${reduction("total", "a + b")}${reduction("largest", "max(a, b)")}`;

/** A kernel that reduces along rows, in the form that suits the device. */
export function rowKernel({ software }: Capabilities, { rowCount, main, declarations = "", ...own }: RowKernelDeclaration): Kernel {
  const count = countOf(rowCount);
  const rest = { ...own, params: { ...own.params, ...count.params } };
  if (software) {
    return kernel({
      ...rest,
      workgroupSize: [rowsPerWorkgroup],
      declarations: threadReduction + declarations,
      main: wgsl`${blockIndex}
  let row = block * ${rowsPerWorkgroup}u + thread;
  if (row >= ${count.text}) { return; }
  const firstColumn = 0u;
  // Always 1, which the compiler cannot know: it would unroll loops of up to 32 columns, and take a minute for a row of 128.
  let columnStride = groups.z;
  ${main}`,
      workgroups: (live) => fold(Math.ceil(liveRows(rowCount, live) / rowsPerWorkgroup)),
    });
  }
  return kernel({
    ...rest,
    workgroupSize: [threadsPerWorkgroup],
    declarations: workgroupReduction + declarations,
    main: wgsl`let row = group.y * groups.x + group.x;
  if (row >= ${count.text}) { return; }
  reducingThread = thread;
  let firstColumn = thread;
  const columnStride = ${threadsPerWorkgroup}u;
  ${main}`,
    workgroups: (live) => fold(liveRows(rowCount, live)),
  });
}

/** WGSL for the number of rows. One dimension is a parameter, so that tokens and sentences share a pipeline. */
function countOf(rowCount: Dimension | Shape) {
  if (typeof rowCount === "object" && !("word" in rowCount)) return { text: rows(rowCount), params: {} };
  return { text: sizeOf("rowCount", rowCount), params: { rowCount: sizeParam(rowCount) } };
}

/** The variant's name in a plan. */
export function rowVariant({ software }: Capabilities): string {
  return software ? "thread a row" : "workgroup a row";
}
