/** The hyperbolic tangent and its derivative 1 − y². */
import { wgsl } from "../gpu/shader.ts";
import { expectType, type Operation, type Value } from "./language/operation.ts";
import { pointwise } from "./language/pointwise.ts";

/** Beyond ±10 the tangent is ±1 in f32; SwiftShader's own is NaN from |x| = 89 on. */
const declarations = wgsl`fn boundedTanh(x: T) -> T { return tanh(clamp(x, T(-10.0), T(10.0))); }`;

const operation: Operation<null> = {
  name: "tanh",
  infer: ([x]) => [x!],
  lower: ({ inputs: [x], outputs: [y] }) =>
    pointwise({ label: "tanh", inputs: { x: x! }, output: y!, declarations, expression: "boundedTanh(x(index))" }),
  gradient: ({ outputs: [y] }, [dy]) => [dy ? y!.tape.append(tanhGradient, [y!, dy], null)[0]! : null],
};

const tanhGradient: Operation<null> = {
  name: "tanhGradient",
  infer([y, dy]) {
    expectType("tanhGradient", "dy", dy!, "f32", y!.shape);
    return [y!];
  },
  lower: ({ inputs: [y, dy], outputs: [dx] }) =>
    pointwise({ label: "tanhGradient", inputs: { t: y!, dy: dy! }, output: dx!, expression: "dy(index) * (1.0 - t(index) * t(index))" }),
};

/** tanh of each element of f32 `x`. */
export function tanh(x: Value): Value {
  return x.tape.append(operation, [x], null)[0]!;
}
