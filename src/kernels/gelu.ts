/**
 * GELU in its exact form, x·Φ(x) with Φ the normal distribution (Hendrycks & Gimpel 2016), and its derivative Φ(x) + x·φ(x).
 *
 * Where `x` comes straight from a product, the product's kernel applies it on the way to memory; so does its derivative in the backward pass.
 */
import { normalDistribution } from "./language/normal-distribution.ts";
import { absorb, expectType, type Operation, type Value } from "./language/operation.ts";
import { pointwise } from "./language/pointwise.ts";

const operation: Operation<null> = {
  name: "gelu",
  infer: ([x]) => [x!],
  lower: ({ inputs: [x], outputs: [y] }) =>
    pointwise({
      label: "gelu",
      inputs: { x: x! },
      output: y!,
      declarations: normalDistribution,
      expression: "x(index) * normalDistribution(x(index))",
    }),
  gradient: ({ inputs: [x] }, [dy]) => [dy ? geluGradient(x!, dy) : null],
};

const gradientOperation: Operation<null> = {
  name: "geluGradient",
  infer([x, dy]) {
    expectType("geluGradient", "dy", dy!, "float", x!.shape);
    return [x!];
  },
  lower: ({ inputs: [x, dy], outputs: [dx] }) =>
    pointwise({
      label: "geluGradient",
      inputs: { x: x!, dy: dy! },
      output: dx!,
      declarations: normalDistribution,
      expression: "dy(index) * (normalDistribution(x(index)) + x(index) * normalDensity(x(index)))",
    }),
};

/** GELU of each element of `x`. */
export function gelu(x: Value): Value {
  return absorb(x, { kind: "gelu" }) ?? x.tape.append(operation, [x], null)[0]!;
}

/** The gradient of `x` from that of gelu(x). */
export function geluGradient(x: Value, dy: Value): Value {
  return absorb(dy, { kind: "geluGradient", x }) ?? x.tape.append(gradientOperation, [x, dy], null)[0]!;
}
