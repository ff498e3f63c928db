/**
 * The Euclidean norm of several tensors, such as the gradients in all arenas. A fixed number of sums goes over the squares of all tensors,
 * one after another, and one workgroup combines them: a fixed order, no atomics. In training that workgroup also does what follows from the
 * norm (`optimizer-state.ts`).
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { range, wgsl } from "../../gpu/shader.ts";
import { kernel, numbered, vector, vectorWidth } from "../language/kernel.ts";
import { elementCount, f32, type Operand, type Operation, type Recorder, type Value } from "../language/operation.ts";
import { rowKernel, rowVariant } from "../language/row-kernel.ts";

/** Threads of a workgroup and workgroups; and loads that a thread has in flight. */
interface Reading {
  readonly threads: number;
  readonly workgroups: number;
  readonly loads: number;
  /** Whether a workgroup adds up its threads' sums; otherwise each thread stores its own. */
  readonly joins: boolean;
}

/** A GPU reads at the memory's roof with many threads that each have several loads in flight. A CPU has no use for barriers. */
const reading = ({ software }: Capabilities): Reading =>
  software ? { threads: 64, workgroups: 256, loads: 1, joins: false } : { threads: 256, workgroups: 512, loads: 4, joins: true };

/** Sums that are combined at the end. */
const sumsOf = ({ threads, workgroups, joins }: Reading) => (joins ? workgroups : threads * workgroups);

/** The most sums on any device. */
const mostSums = 16_384;

/** The sums over `count` tensors, which are its first inputs, on top of those of the tensors before. */
const squares: Operation<{ readonly count: number }> = {
  name: "sumOfSquares",
  infer: () => [f32(mostSums)],
  lower({ inputs, outputs: [sums], attributes }, capabilities) {
    const own = reading(capabilities);
    const { threads, workgroups } = own;
    const tensors = inputs.slice(0, attributes.count);
    const before = inputs[attributes.count];
    const widths = tensors.map((x) => vectorWidth(elementCount(x.shape)));
    return {
      variant: `strided ×${Math.min(...widths)}`,
      kernels: [
        kernel({
          label: "sumOfSquares",
          workgroupSize: [threads],
          reads: {
            ...numbered("x", tensors, (x, t) => [x, vector(widths[t]!)] as const),
            before: before && [before, "f32"],
          },
          writes: { sums: [sums!, "f32"] },
          declarations: own.joins ? `var<workgroup> partial: array<f32, ${threads}>;` : "",
          main: wgsl`let first = group.x * ${threads}u + thread;
  var sum = 0.0;
  ${tensors.map((x, t) => addSquares(`x${t}`, elementCount(x.shape) / widths[t]!, widths[t]!, own)).join("\n  ")}
  ${own.joins ? joinThreads(threads) : ""}
  let place = ${own.joins ? "group.x" : "first"};
  setSums(place, sum${before ? " + before(place)" : ""});`,
          workgroups: () => [workgroups, 1, 1],
        }),
      ],
    };
  },
};

/** WGSL that adds to a thread's `sum` its squares of the `count` vectors of a tensor. */
function addSquares(name: string, count: number, width: 1 | 4, { threads, workgroups, loads }: Reading): string {
  const all = threads * workgroups;
  const square = (value: string) => (width === 1 ? `${value} * ${value}` : `dot(${value}, ${value})`);
  // Beyond the end the last vector is read again and not added.
  const load = range(loads).map((i) => `let v${i} = ${name}(min(i + ${i * all}u, ${count - 1}u));`);
  const add = range(loads).map((i) => `sum += select(0.0, ${square(`v${i}`)}, i + ${i * all}u < ${count}u);`);
  return `for (var i = first; i < ${count}u; i += ${all * loads}u) { ${load.join(" ")} ${add.join(" ")} }`;
}

/** Tensors that one kernel reads; a device binds at least eight buffers. */
const tensorsPerKernel = 6;

/** WGSL after which the first thread's `sum` is the workgroup's, and the others have returned. */
const joinThreads = (threads: number) => wgsl`partial[thread] = sum;
  workgroupBarrier();
  for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
    if (thread < half) { partial[thread] += partial[thread + half]; }
    workgroupBarrier();
  }
  if (thread > 0u) { return; }
  sum = partial[0];`;

const root: Operation<null> = {
  name: "globalNorm",
  infer: () => [f32(1)],
  lower: ({ inputs: [sums], outputs: [norm] }, capabilities) => ({
    variant: rowVariant(capabilities),
    kernels: [
      rowKernel(capabilities, {
        label: "globalNorm",
        rowCount: 1,
        reads: { sums: [sums!, "f32"] },
        writes: { norm: [norm!, "f32"] },
        main: wgsl`${totalOfSums(capabilities)}
  if (firstColumn == 0u) { setNorm(row, sqrt(all)); }`,
      }),
    ],
  }),
};

/** WGSL of a kernel along rows that declares `all`, the total of `sums`. */
export const totalOfSums = (capabilities: Capabilities) => wgsl`var sum = 0.0;
  for (var i = firstColumn; i < ${sumsOf(reading(capabilities))}u; i += columnStride) { sum += sums(i); }
  let all = total(sum);`;

/** f32 [1]: the Euclidean norm of all `tensors` taken as one vector. */
export function globalNorm(tape: Recorder, tensors: readonly Operand[]): Value {
  return tape.append(root, [sumsOfSquares(tape, tensors)], null)[0]!;
}

/** Sums that together are the sum of all squares of `tensors`; `totalOfSums` adds them up. */
export function sumsOfSquares(tape: Recorder, tensors: readonly Operand[]): Value {
  const groups = range(Math.ceil(tensors.length / tensorsPerKernel)).map((i) =>
    tensors.slice(i * tensorsPerKernel, (i + 1) * tensorsPerKernel),
  );
  const sums = groups.reduce<Value | null>(
    (before, group) => tape.append(squares, before ? [...group, before] : group, { count: group.length })[0]!,
    null,
  );
  return sums!;
}
