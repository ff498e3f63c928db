/**
 * Makes an operation and its gradient's operation from a row of a table of pointwise functions. Operands broadcast (NumPy's rules). If an
 * operand repeats, its gradient is summed over the repeated axes, in a fixed order and in f32.
 *
 * The result is stored as f16 if all operands are, otherwise as f32.
 */
import { OptionError, ShapeError } from "../../errors.ts";
import { cast } from "../cast.ts";
import { broadcastAxes, broadcastShapes } from "../language/broadcast.ts";
import { paramF32, scalar } from "../language/kernel.ts";
import {
  absorb,
  expectFloat,
  type FloatType,
  float,
  floatOf,
  type Node,
  type Operand,
  type Operation,
  type Scalar,
  Value,
} from "../language/operation.ts";
import { pointwise } from "../language/pointwise.ts";
import { sumTo } from "../sum.ts";
import { functions, type PointwiseFunction } from "./functions.ts";

/** Numbers by name: known when the operation is recorded, or given by the host each step. */
export type Constants = Readonly<Record<string, number | Scalar>>;

/** The attributes of a gradient's node: the constants of the function, and the operand whose gradient it computes, stored as `dtype`. */
export interface GradientAttributes {
  readonly constants: Constants;
  readonly operand: string;
  readonly dtype: FloatType;
}

/** A pointwise function as operations on a tape. */
export interface PointwiseOperation {
  readonly operation: Operation<Constants>;
  readonly gradientOperation: Operation<GradientAttributes>;
  /** Appends the function of `operands`, at least one of which must be a value of the tape. */
  apply(operands: readonly Operand[], constants?: Constants): Value;
  /**
   * The gradient of the operand from that of the result, for functions of one operand; `at` is what the derivative reads, which is the operand
   * or the result.
   */
  gradientOf(at: Value, dy: Value): Value;
}

/** Whether WGSL reads a name. */
const reads = (text: string, name: string) => new RegExp(`\\b${name}\\b`).test(text);

/** An expression with the constants that it reads as WGSL, and the fields of `params` that hold them. */
function withConstants(expression: string, constants: Constants) {
  const used = Object.entries(constants).filter(([name]) => reads(expression, name));
  const place = (text: string, [name, value]: (typeof used)[number]) =>
    text.replaceAll(new RegExp(`\\b${name}\\b`, "g"), typeof value === "number" ? `params.${name}` : scalar(value));
  const params = used.flatMap(([name, value]) => (typeof value === "number" ? [[name, paramF32(value)] as const] : []));
  return { expression: used.reduce(place, expression), params: Object.fromEntries(params) };
}

/** The operations of a pointwise function. `name` is its name in plans, profiles and errors. */
export function pointwiseOperation(name: string, definition: PointwiseFunction): PointwiseOperation {
  const { value, derivatives, declarations = "", constants: constantNames = [] } = definition;
  const names = Object.keys(derivatives);

  /** The names (operands and result) that the derivative with respect to an operand reads. */
  const readBy = (operand: string) => [...names, "y"].filter((read) => reads(derivatives[operand]!, read));

  const operation: Operation<Constants> = {
    name,
    writesOnce: true,
    infer(inputs, constants) {
      inputs.forEach((operand, i) => {
        expectFloat(name, names[i]!, operand);
      });
      for (const constant of constantNames) expectNumber(name, constant, constants[constant]);
      const dtype = inputs.every((operand) => operand.dtype === "f16") ? "f16" : "f32";
      const shapes = inputs.map(({ shape }) => shape);
      return [float(dtype, ...broadcastShapes(name, shapes))];
    },
    lower: ({ inputs, outputs: [output], attributes }) =>
      pointwise({
        label: name,
        inputs: Object.fromEntries(names.map((operand, i) => [operand, inputs[i]!])),
        output: output!,
        declarations,
        ...withConstants(value, attributes),
      }),
    gradient: (node, [dy]) => names.map((operand, i) => (dy ? gradientFor(node, operand, node.inputs[i]!, dy) : null)),
  };

  const gradientOperation: Operation<GradientAttributes> = {
    name: `${name}Gradient`,
    writesOnce: true,
    infer([dy, ...read], { operand, dtype }) {
      expectFloat(gradientOperation.name, "dy", dy!);
      broadcastShapes(gradientOperation.name, [dy!.shape, ...read.map(({ shape }) => shape)]);
      if (read.length !== readBy(operand).length) throw new Error(`${gradientOperation.name} reads ${readBy(operand).join(", ")}.`);
      return [float(dtype, ...dy!.shape)];
    },
    lower: ({ inputs: [dy, ...read], outputs: [output], attributes: { constants, operand } }) =>
      pointwise({
        label: gradientOperation.name,
        inputs: { dy: dy!, ...Object.fromEntries(readBy(operand).map((of, i) => [of, read[i]!])) },
        output: output!,
        declarations,
        ...withConstants(`dy * (${derivatives[operand]!})`, constants),
      }),
  };

  /** The gradient of one operand of a node: dy times the derivative, summed over the axes along which the operand repeats. */
  function gradientFor(node: Node<Constants>, operand: string, x: Value, dy: Value): Value {
    // A parameter's gradient is f32, even where the parameter is stored as f16.
    const dtype = x.persistent ? "f32" : floatOf(x);
    const repeats = broadcastAxes(x.shape, dy.shape).length > 0;
    const factor = node.attributes[derivatives[operand]!] ?? Number(derivatives[operand]);
    if (typeof factor !== "number" || !Number.isNaN(factor)) return cast(sumTo(scale(dy, factor), x.shape), dtype);
    const values = { ...Object.fromEntries(names.map((of, i) => [of, node.inputs[i]!])), y: node.outputs[0]! };
    const read = readBy(operand).map((of) => values[of as keyof typeof values]);
    const attributes = { constants: node.attributes, operand, dtype: repeats ? "f32" : dtype } as const;
    const [product] = canFollow(operand) ? [gradientOf(read[0]!, dy)] : dy.tape.append(gradientOperation, [dy, ...read], attributes);
    return cast(sumTo(product!, x.shape), dtype);
  }

  /** Whether the derivative reads one value: the function's one operand, or its result. The kernel that computes dy can then apply it. */
  const canFollow = (operand: string) => names.length === 1 && constantNames.length === 0 && readBy(operand).length === 1;

  function gradientOf(at: Value, dy: Value): Value {
    const [operand] = names as [string];
    const attributes = { constants: {}, operand, dtype: floatOf(at) };
    return absorb(dy, { kind: "derivative", name, at }) ?? dy.tape.append(gradientOperation, [dy, at], attributes)[0]!;
  }

  return {
    operation,
    gradientOperation,
    gradientOf,
    apply(operands, constants = {}) {
      const value = operands.find((operand) => operand instanceof Value);
      if (value === undefined)
        throw new ShapeError(`${name}: no operand is a value of a tape.`, "Pass tape.use(parameter) for one of them.");
      const followed = names.length === 1 && constantNames.length === 0 ? absorb(value, { kind: "function", name }) : null;
      return followed ?? value.tape.append(operation, operands, constants)[0]!;
    },
  };
}

function expectNumber(operation: string, name: string, value: number | Scalar | undefined): void {
  if (typeof value === "object" || (typeof value === "number" && !Number.isNaN(value))) return;
  throw new OptionError(`${operation}: ${name} must be a number or a scalar of the tape, found ${value}.`, "Give a number.");
}

const scaling = pointwiseOperation("scale", functions.scale);

/** factor·x, of any shape; `x` itself for a factor of one. The factor is a number, or a scalar that the host gives each step. */
export function scale(x: Value, factor: number | Scalar): Value {
  return factor === 1 ? x : scaling.apply([x], { factor });
}
