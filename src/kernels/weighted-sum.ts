/** y = α·a + β·b, element by element: adds gradients of a value with several uses, and averages layers. */
import { paramF32 } from "./language/kernel.ts";
import { expectType, type Operation, type Value } from "./language/operation.ts";
import { pointwise } from "./language/pointwise.ts";
import { scale } from "./scale.ts";

const operation: Operation<{ alpha: number; beta: number }> = {
  name: "weightedSum",
  infer([a, b]) {
    expectType("weightedSum", "b", b!, "float", a!.shape);
    return [a!];
  },
  lower: ({ inputs: [a, b], outputs: [y], attributes: { alpha, beta } }) =>
    pointwise({
      label: "weightedSum",
      inputs: { a: a!, b: b! },
      output: y!,
      params: { alpha: paramF32(alpha), beta: paramF32(beta) },
      expression: "params.alpha * a(index) + params.beta * b(index)",
    }),
  gradient: ({ attributes: { alpha, beta } }, [dy]) => (dy ? [scale(dy, alpha), scale(dy, beta)] : [null, null]),
};

/** α·a + β·b, both f32 of one shape. */
export function weightedSum(a: Value, b: Value, alpha: number, beta: number): Value {
  return a.tape.append(operation, [a, b], { alpha, beta })[0]!;
}

/** a + b. */
export function add(a: Value, b: Value): Value {
  return weightedSum(a, b, 1, 1);
}
