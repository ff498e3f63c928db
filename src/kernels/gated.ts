/**
 * Gated linear units (Shazeer 2020): each row holds two halves side by side, and becomes f(one)·other, with f from the table of pointwise
 * functions. With `gelu` it is GeGLU, with `silu` SwiGLU.
 */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { expectFloat, floatOf, formatShape, type Operation, type Value } from "./language/operation.ts";
import { vectorLowering } from "./language/vectors.ts";
import { type Activation, functions, type PointwiseFunction } from "./pointwise/functions.ts";

/** The functions that a gate may have. */
export type Gate = Activation | "sigmoid" | "tanh";

/** A half of each row. */
export type Half = "first" | "second";

interface Attributes {
  readonly gate: Gate;
  /** The half that the function is applied to. */
  readonly half: Half;
}

/** WGSL: the places in `x` of an element of the half that the function is applied to, and of the other, from `at` in the first. */
const places = ({ half }: Attributes, columns: number) => (half === "first" ? ["at", `at + ${columns}u`] : [`at + ${columns}u`, "at"]);

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
      main: (columns) => {
        const [through, other] = places(attributes, columns);
        return wgsl`let at = row * ${2 * columns}u + column;
  setY(index, gate(x(${through})) * x(${other}));`;
      },
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
      main: (columns) => {
        const [through, other] = places(attributes, columns);
        return wgsl`let at = row * ${2 * columns}u + column;
  let a = x(${through});
  let value = gate(a);
  setDx(${through}, dy(index) * x(${other}) * gateSlope(a, value));
  setDx(${other}, dy(index) * value);`;
      },
    }),
};

/** gate(a)·b, [rows, width], from `x` f32 or f16 [rows, 2·width]: a is this half of its columns, and b the other. */
export function gated(x: Value, gate: Gate, half: Half = "first"): Value {
  return x.tape.append(operation, [x], { gate, half })[0]!;
}
