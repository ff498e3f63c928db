/**
 * Gated linear units (Shazeer 2020): each row holds two halves a and b side by side, and becomes f(a)·b, with f from the table of pointwise
 * functions. With `gelu` it is GeGLU, with `silu` SwiGLU.
 */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { expectFloat, floatOf, formatShape, type Operation, type Value } from "./language/operation.ts";
import { vectorLowering } from "./language/vectors.ts";
import { functions, type PointwiseFunction } from "./pointwise/functions.ts";

/** The functions that a gate may have. */
export type Gate = "gelu" | "silu" | "relu" | "sigmoid";

interface Attributes {
  readonly gate: Gate;
}

/** WGSL `gate(a)`, and `gateSlope(a, gate(a))`, its derivative. */
function gateDeclarations({ gate }: Attributes): string {
  const { value, derivatives, declarations = "" }: PointwiseFunction = functions[gate];
  return `${declarations}
fn gate(x: T) -> T { return ${value}; }
fn gateSlope(x: T, y: T) -> T { return ${derivatives.x}; }
`;
}

const operation: Operation<Attributes> = {
  name: "gated",
  infer([x]) {
    const [rows, width] = x!.shape;
    expectFloat("gated", "x", x!);
    if (x!.shape.length !== 2 || typeof width !== "number" || width % 2 !== 0) {
      throw new ShapeError(`gated: x must have rows of two halves, found ${formatShape(x!.shape)}.`, "Give a matrix of an even width.");
    }
    return [{ dtype: floatOf(x!), shape: [rows!, width / 2] }];
  },
  lower: ({ inputs: [x], outputs: [y], attributes }) =>
    vectorLowering({
      label: "gated",
      over: y!,
      reads: { x: x! },
      writes: { y: y! },
      declarations: gateDeclarations(attributes),
      main: (columns) => wgsl`let at = row * ${2 * columns}u + column;
  setY(index, gate(x(at)) * x(at + ${columns}u));`,
    }),
  gradient: ({ inputs: [x], attributes }, [dy]) => (dy ? [dy.tape.append(gradientOperation, [dy, x!], attributes)[0]!] : []),
};

const gradientOperation: Operation<Attributes> = {
  name: "gatedGradient",
  infer: ([, x]) => [x!],
  lower: ({ inputs: [dy, x], outputs: [dx], attributes }) =>
    vectorLowering({
      label: "gatedGradient",
      over: dy!,
      reads: { dy: dy!, x: x! },
      writes: { dx: dx! },
      declarations: gateDeclarations(attributes),
      main: (columns) => wgsl`let at = row * ${2 * columns}u + column;
  let a = x(at);
  let value = gate(a);
  setDx(at, dy(index) * x(at + ${columns}u) * gateSlope(a, value));
  setDx(at + ${columns}u, dy(index) * value);`,
    }),
};

/** gate(a)·b, [rows, width], from `x` f32 or f16 [rows, 2·width], which has a in the first half of its columns and b in the second. */
export function gated(x: Value, gate: Gate): Value {
  return x.tape.append(operation, [x], { gate })[0]!;
}
