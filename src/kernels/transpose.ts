/** Reorders the axes of a tensor. The gradient is reordered back. */
import { ShapeError } from "../errors.ts";
import { range, wgsl } from "../gpu/shader.ts";
import { pointKernel, vector, vectorWidth } from "./language/kernel.ts";
import { capacity, elementCount, expectFloat, formatShape, type Operation, type Shape, type Value } from "./language/operation.ts";

interface Attributes {
  /** For each axis of the result, the axis of `x`. */
  readonly axes: readonly number[];
}

const operation: Operation<Attributes> = {
  name: "transpose",
  infer([x], { axes }) {
    expectFloat("transpose", "x", x!);
    return [{ dtype: x!.dtype, shape: axes.map((axis) => x!.shape[axis]!) }];
  },
  lower({ inputs: [x], outputs: [y], attributes: { axes } }) {
    const last = y!.shape.at(-1)!;
    const step = y!.shape.length === 1 ? 1 : vectorWidth(capacity(last));
    // Packed f16 is read in fours; one of the four is used.
    const half = x!.dtype === "f16" && vectorWidth(capacity(x!.shape.at(-1)!)) === 4;
    const element = (i: string) => (half ? `x((${i}) / 4u)[(${i}) % 4u]` : `x(${i})`);
    const strides = axes.map((axis) => elementCount(x!.shape.slice(axis + 1)));
    const elements = range(step).map((j) => element(`at + ${j * strides.at(-1)!}u`));
    return {
      variant: `point ×${step}`,
      kernels: [
        pointKernel({
          label: "transpose",
          over: y!,
          width: step,
          reads: { x: [x!, half ? "vec4f" : "f32"] },
          writes: { y: [y!, vector(step)] },
          main: wgsl`let first = index * ${step}u;
  let at = ${placeIn(y!.shape, strides)};
  setY(index, ${vector(step)}(${elements.join(", ")}));`,
        }),
      ],
    };
  },
  gradient: ({ attributes: { axes } }, [dy]) => [
    dy
      ? transpose(
          dy,
          axes.map((_, axis) => axes.indexOf(axis)),
        )
      : null,
  ],
};

/** WGSL for the place of element `first` of a tensor of `shape` in memory with the given strides. */
function placeIn(shape: Shape, strides: readonly number[]): string {
  return shape
    .map((dimension, k) => {
      const below = elementCount(shape.slice(k + 1));
      const coordinate = k === 0 ? `first / ${below}u` : `first / ${below}u % ${capacity(dimension)}u`;
      return `${coordinate} * ${strides[k]!}u`;
    })
    .join(" + ");
}

/** `x` f32 or f16 with its axes in the order that `axes` lists, each once; the last two are swapped if absent. */
export function transpose(x: Value, axes?: readonly number[]): Value {
  const all = [...x.shape.keys()];
  const order = axes ?? [...all.slice(0, -2), ...all.slice(-2).reverse()];
  if (order.length !== all.length || !all.every((axis) => order.includes(axis))) {
    throw new ShapeError(
      `transpose: ${formatShape(x.shape)} has the axes ${all.join(", ")}, not ${order.join(", ")}.`,
      "List each axis of x once.",
    );
  }
  return x.tape.append(operation, [x], { axes: order })[0]!;
}
