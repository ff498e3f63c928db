/** A constant tensor, such as the seed of a backward pass. */
import { paramF32, pointKernel } from "./language/kernel.ts";
import { f32, type Operation, type Recorder, type Shape, type Value } from "./language/operation.ts";

const operation: Operation<{ shape: Shape; value: number }> = {
  name: "fill",
  infer: (_, { shape }) => [f32(...shape)],
  lower: ({ outputs: [y], attributes: { value } }) => ({
    variant: "point",
    kernels: [
      pointKernel({
        label: "fill",
        over: y!,
        width: 1,
        writes: { y: [y!, "f32"] },
        params: { value: paramF32(value) },
        main: "setY(index, params.value);",
      }),
    ],
  }),
};

/** f32 `shape`, every element `value`. */
export function fill(tape: Recorder, shape: Shape, value: number): Value {
  return tape.append(operation, [], { shape, value })[0]!;
}
