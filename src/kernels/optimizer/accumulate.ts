/** Adds a value to a persistent tensor in place: gradients of a batch that is run in parts, one part after another and so in a fixed order. */
import { wgsl } from "../../gpu/shader.ts";
import { pointKernel, vector, vectorWidth } from "../language/kernel.ts";
import { expectType, type Operation, type Persistent, rowWidth, type Value } from "../language/operation.ts";

const operation: Operation<null> = {
  name: "accumulate",
  infer: ([x]) => [x!],
  lower({ inputs: [x], outputs: [sum] }) {
    const width = vectorWidth(rowWidth(x!.shape));
    const element = vector(width);
    return {
      variant: `point ×${width}`,
      kernels: [
        pointKernel({
          label: "accumulate",
          over: x!,
          width,
          reads: { x: [x!, element] },
          writes: { sum: [sum!, element] },
          main: wgsl`setSum(index, sum(index) + x(index));`,
        }),
      ],
    };
  },
};

/** Adds f32 `x` to `target`, which has its shape. */
export function addInto(x: Value, target: Persistent): void {
  expectType("accumulate", "target", target, "f32", x.shape);
  x.tape.update(operation, [x], [target], null);
}
