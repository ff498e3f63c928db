/** y = factor·x. A factor of one is the value itself. */
import { paramF32 } from "./kernel.ts";
import type { Operation, Value } from "./operation.ts";
import { pointwise } from "./pointwise.ts";

const operation: Operation<{ factor: number }> = {
  name: "scale",
  infer: ([x]) => [x!],
  lower: ({ inputs: [x], outputs: [y], attributes: { factor } }) =>
    pointwise({
      label: "scale",
      inputs: { x: x! },
      output: y!,
      params: { factor: paramF32(factor) },
      expression: "params.factor * x(index)",
    }),
  gradient: ({ attributes: { factor } }, [dy]) => [dy ? scale(dy, factor) : null],
};

/** factor·x, f32 of any shape. */
export function scale(x: Value, factor: number): Value {
  return factor === 1 ? x : x.tape.append(operation, [x], { factor })[0]!;
}
