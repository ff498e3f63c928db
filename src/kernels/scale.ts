/** y = factor·x, by a number or by a scalar that the host gives each step. A factor of one is the value itself. */
import { paramF32, scalar } from "./language/kernel.ts";
import type { Operation, Scalar, Value } from "./language/operation.ts";
import { pointwise } from "./language/pointwise.ts";

const operation: Operation<{ factor: number | Scalar }> = {
  name: "scale",
  infer: ([x]) => [x!],
  lower: ({ inputs: [x], outputs: [y], attributes: { factor } }) =>
    pointwise({
      label: "scale",
      inputs: { x: x! },
      output: y!,
      ...(typeof factor === "number"
        ? { params: { factor: paramF32(factor) }, expression: "params.factor * x(index)" }
        : { expression: `${scalar(factor)} * x(index)` }),
    }),
  gradient: ({ attributes: { factor } }, [dy]) => [dy ? scale(dy, factor) : null],
};

/** factor·x, f32 of any shape. */
export function scale(x: Value, factor: number | Scalar): Value {
  return factor === 1 ? x : x.tape.append(operation, [x], { factor })[0]!;
}
