/**
 * The Euclidean norm of gradients in several arenas, for clipping. A fixed number of threads sums each arena's squares, each adding to its
 * sum of the previous arena, and one workgroup combines them: a fixed order, no atomics.
 */
import { wgsl } from "../../gpu/shader.ts";
import { kernel, threadsPerWorkgroup, vector, vectorWidth } from "../language/kernel.ts";
import { elementCount, f32, type Operand, type Operation, type Recorder, type Value } from "../language/operation.ts";
import { rowKernel, rowVariant } from "../language/row-kernel.ts";
import { optimizerField } from "./optimizer-state.ts";

/** Partial sums; enough threads to fill a GPU with reading. */
const partials = 16_384;

const squares: Operation<null> = {
  name: "sumOfSquares",
  infer: () => [f32(partials)],
  lower({ inputs: [x, before], outputs: [sums] }) {
    const step = vectorWidth(elementCount(x!.shape));
    const count = elementCount(x!.shape) / step;
    return {
      variant: `strided ×${step}`,
      kernels: [
        kernel({
          label: "sumOfSquares",
          workgroupSize: [threadsPerWorkgroup],
          reads: { x: [x!, vector(step)], ...(before ? { before: [before, "f32"] as const } : {}) },
          writes: { sums: [sums!, "f32"] },
          main: wgsl`let first = group.x * ${threadsPerWorkgroup}u + thread;
  var sum = ${before ? "before(first)" : "0.0"};
  for (var i = first; i < ${count}u; i += ${partials}u) { let v = x(i); sum += ${step === 1 ? "v * v" : "dot(v, v)"}; }
  setSums(first, sum);`,
          workgroups: () => [partials / threadsPerWorkgroup, 1, 1],
        }),
      ],
    };
  },
};

const root: Operation<null> = {
  name: "globalNorm",
  infer: () => [f32(1)],
  lower: ({ inputs: [sums, state], outputs: [norm] }, capabilities) => ({
    variant: rowVariant(capabilities),
    kernels: [
      rowKernel(capabilities, {
        label: "globalNorm",
        rowCount: 1,
        reads: { sums: [sums!, "f32"], ...(state ? { state: [state, "f32"] as const } : {}) },
        writes: { norm: [norm!, "f32"] },
        main: wgsl`var sum = 0.0;
  for (var i = firstColumn; i < ${partials}u; i += columnStride) { sum += sums(i); }
  let all = total(sum);
  if (firstColumn == 0u) { setNorm(row, sqrt(all)${state ? ` / state(${optimizerField.lossScale}u)` : ""}); }`,
      }),
    ],
  }),
};

/** f32 [1]: the Euclidean norm of all `tensors` taken as one vector; divided by the loss scale of `state` if they are scaled gradients. */
export function globalNorm(tape: Recorder, tensors: readonly Operand[], state?: Operand): Value {
  const sums = tensors.reduce<Value | null>((before, tensor) => tape.append(squares, before ? [tensor, before] : [tensor], null)[0]!, null);
  return tape.append(root, [sums!, ...(state ? [state] : [])], null)[0]!;
}
