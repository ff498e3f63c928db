/**
 * Sums and means over an axis, and their adjoint: repeating along an axis.
 *
 * Accumulates in f32 in a fixed order, whatever the input's dtype; results are f32. There are three ways, depending on the axis: along rows
 * (one thread or workgroup per row), down columns (chunks of rows, then the chunks), and in the middle (one thread per element of the
 * result).
 */
import { ShapeError } from "../errors.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import { wgsl } from "../gpu/shader.ts";
import { axisOf, splitAt, withAxis, withoutAxis } from "./language/axis.ts";
import { broadcastAxes, broadcastShapes } from "./language/broadcast.ts";
import { columnReduction } from "./language/column-reduction.ts";
import { horizontalSum, rows, rowVectors, vector, vectorWidth } from "./language/kernel.ts";
import {
  absorb,
  capacity,
  type Dimension,
  elementCount,
  expectFloat,
  f32,
  formatShape,
  type Lowering,
  type Node,
  type Operation,
  type Shape,
  sameShape,
  type Type,
  type Value,
} from "./language/operation.ts";
import { pointwise } from "./language/pointwise.ts";
import { rowKernel, rowVariant } from "./language/row-kernel.ts";
import { vectorLowering } from "./language/vectors.ts";
import { reshape } from "./reshape.ts";

interface SumAttributes {
  readonly axis: number;
  /** For a mean, the axis whose live size the sum is divided by; null for a sum. A size of 0 counts as 1. */
  readonly divisor: Dimension | null;
}

const sumOperation: Operation<SumAttributes> = {
  name: "sum",
  writesOnce: true,
  infer([x], { axis }) {
    expectFloat("sum", "x", x!);
    return [f32(...withoutAxis(x!.shape, axis))];
  },
  lower(node, capabilities) {
    const { inputs, attributes } = node;
    const { outer, inner } = splitAt(inputs[0]!.shape, attributes.axis);
    if (inner.length === 0) return alongRows(node, capabilities);
    return outer.length === 0 ? downColumns(node, capabilities) : inTheMiddle(node);
  },
  gradient({ inputs: [x], attributes: { axis, divisor } }, [dy]) {
    if (!dy) return [null];
    return [expandTo(reshape(dy, withAxis(x!.shape, axis, 1)), x!, divisor)];
  },
};

/** WGSL for the divisor of a mean. */
export const divided = (divisor: Dimension | null) => (divisor === null ? "" : ` / f32(max(${rows(divisor)}, 1u))`);

function alongRows({ inputs: [x], outputs: [y], attributes }: Node<SumAttributes>, capabilities: Capabilities): Lowering {
  const { outer, size } = splitAt(x!.shape, attributes.axis);
  const step = typeof size === "number" ? vectorWidth(size) : 1;
  return {
    variant: rowVariant(capabilities),
    kernels: [
      rowKernel(capabilities, {
        label: "sum",
        rowCount: outer,
        reads: { x: [x!, vector(step)] },
        writes: { y: [y!, "f32"] },
        main: wgsl`let start = row * ${capacity(size) / step}u;
  var sum = ${vector(step)}();
  for (var c = firstColumn; c < ${typeof size === "number" ? `${size / step}u` : rows(size)}; c += columnStride) { sum += x(start + c); }
  let all = total(${horizontalSum("sum", step)});
  if (firstColumn == 0u) { setY(row, all${divided(attributes.divisor)}); }`,
      }),
    ],
  };
}

function downColumns({ inputs: [x], outputs: [y], attributes: { divisor } }: Node<SumAttributes>, capabilities: Capabilities): Lowering {
  const { size, inner } = splitAt(x!.shape, 0);
  const width = elementCount(inner);
  return columnReduction(capabilities, {
    label: "sum",
    rowCount: size,
    width,
    reads: { x: [x!, rowVectors(width).element] },
    terms: [{ expression: "x(index)", output: y!, finish: (sum) => `${sum}${divided(divisor)}` }],
  });
}

function inTheMiddle({ inputs: [x], outputs: [y], attributes: { axis, divisor } }: Node<SumAttributes>): Lowering {
  const { size, inner } = splitAt(x!.shape, axis);
  return vectorLowering({
    label: "sum",
    over: y!,
    run: elementCount(inner),
    reads: { x: x! },
    writes: { y: y! },
    main: (stride) => wgsl`let start = index / ${stride}u * ${capacity(size) * stride}u + index % ${stride}u;
  var sum = T();
  for (var k = 0u; k < ${rows(size)}; k++) { sum += x(start + k * ${stride}u); }
  setY(index, sum${divided(divisor)});`,
  });
}

interface ExpandAttributes {
  readonly type: Type;
  /** For the gradient of a mean, the axis whose live size every element is divided by. */
  readonly divisor: Dimension | null;
}

const expandOperation: Operation<ExpandAttributes> = {
  name: "expand",
  infer([x], { type }) {
    expectFloat("expand", "x", x!);
    if (!sameShape(broadcastShapes("expand", [x!.shape, type.shape]), type.shape)) {
      throw new ShapeError(
        `expand: ${formatShape(x!.shape)} does not repeat to ${formatShape(type.shape)}.`,
        "Only dimensions of 1 repeat.",
      );
    }
    return [type];
  },
  lower: ({ inputs: [x], outputs: [y], attributes: { divisor } }) =>
    pointwise({ label: "expand", inputs: { x: x! }, output: y!, expression: `x${divided(divisor)}` }),
  gradient: ({ inputs: [x], attributes: { divisor } }, [dy]) => [dy ? sumTo(dy, x!.shape, divisor) : null],
};

function expandTo(x: Value, { dtype, shape }: Type, divisor: Dimension | null): Value {
  const type = { dtype, shape };
  return absorb(x, { kind: "expand", type, divisor }) ?? x.tape.append(expandOperation, [x], { type, divisor })[0]!;
}

/** `x` repeated to `shape` along its dimensions of 1 and along new ones in front (NumPy's broadcast_to). */
export function expand(x: Value, shape: Shape): Value {
  return sameShape(x.shape, shape) ? x : expandTo(x, { dtype: x.dtype, shape }, null);
}

/** The adjoint of `expand`: `x` summed to `shape` over the axes along which `shape` repeats; `x` itself if there are none. */
export function sumTo(x: Value, shape: Shape, divisor: Dimension | null = null): Value {
  const axes = broadcastAxes(shape, x.shape).reverse();
  return reshape(
    axes.reduce((value, axis, i) => summed(value, axis, i === axes.length - 1 ? divisor : null), x),
    shape,
  );
}

/** Options of `sum`, `mean` and `max` over an axis. */
export interface ReductionOptions {
  /** Keep the axis with size 1, so that the result broadcasts against the input; false if absent. */
  readonly keepDims?: boolean;
}

/** f32: the sum of `x` f32 or f16 over an axis (negative ones count from the end), or of all its elements as [1] if none is given. */
export function sum(x: Value, axis?: number, options?: ReductionOptions): Value {
  return reduced("sum", x, axis, options, (value, along) => summed(value, along, null));
}

/** f32: the mean of `x` f32 or f16 over an axis, or of all its elements as [1] if none is given. The mean of no live elements is 0. */
export function mean(x: Value, axis?: number, options?: ReductionOptions): Value {
  return reduced("mean", x, axis, options, (value, along) => summed(value, along, value.shape[along]!));
}

const summed = (x: Value, axis: number, divisor: Dimension | null): Value => x.tape.append(sumOperation, [x], { axis, divisor })[0]!;

/** `x` reduced over an axis (negative ones count from the end), or over one after another to [1] if none is given. */
export function reduced(
  operation: string,
  x: Value,
  axis: number | undefined,
  { keepDims = false }: ReductionOptions = {},
  over: (x: Value, axis: number) => Value,
): Value {
  const index = axis === undefined ? null : axisOf(operation, x.shape, axis);
  const y = index === null ? x.shape.reduce<Value>((value) => over(value, value.shape.length - 1), x) : over(x, index);
  if (!keepDims) return y;
  return reshape(y, index === null ? x.shape.map(() => 1) : withAxis(x.shape, index, 1));
}
