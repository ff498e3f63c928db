/**
 * GELU in its exact form, x·Φ(x) with Φ the normal distribution (Hendrycks & Gimpel 2016), and its derivative Φ(x) + x·φ(x).
 *
 * WGSL has no erf. This one is Abramowitz & Stegun 7.1.26, absolute error at most 1.5e-7, about one f32 rounding of Φ.
 */
import { wgsl } from "../gpu/shader.ts";
import { expectType, type Operation, type Value } from "./operation.ts";
import { pointwise } from "./pointwise.ts";

const declarations = wgsl`
fn normalDensity(x: T) -> T { return 0.3989422804 * exp(-0.5 * x * x); }
fn normalDistribution(x: T) -> T {
  let z = abs(x) * 0.7071067812;
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let tail = 0.5 * series * exp(-z * z);
  return select(tail, 1.0 - tail, x > T(0.0));
}
`;

const operation: Operation<null> = {
  name: "gelu",
  infer: ([x]) => [x!],
  lower: ({ inputs: [x], outputs: [y] }) =>
    pointwise({ label: "gelu", inputs: { x: x! }, output: y!, declarations, expression: "x(index) * normalDistribution(x(index))" }),
  gradient: ({ inputs: [x] }, [dy]) => [dy ? x!.tape.append(geluGradient, [x!, dy], null)[0]! : null],
};

const geluGradient: Operation<null> = {
  name: "geluGradient",
  infer([x, dy]) {
    expectType("geluGradient", "dy", dy!, "f32", x!.shape);
    return [x!];
  },
  lower: ({ inputs: [x, dy], outputs: [dx] }) =>
    pointwise({
      label: "geluGradient",
      inputs: { x: x!, dy: dy! },
      output: dx!,
      declarations,
      expression: "dy(index) * (normalDistribution(x(index)) + x(index) * normalDensity(x(index)))",
    }),
};

/** GELU of each element of f32 `x`. */
export function gelu(x: Value): Value {
  return x.tape.append(operation, [x], null)[0]!;
}
