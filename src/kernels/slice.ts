/** A part of a tensor along an axis, and its adjoint: a tensor with that part, zero elsewhere. */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { axisOf, splitAt, strideOf, withAxis } from "./language/axis.ts";
import { pointKernel, vector, vectorWidth } from "./language/kernel.ts";
import { capacity, expectFloat, formatShape, type Operation, type Shape, type Type, type Value } from "./language/operation.ts";

interface Attributes {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

/** How a part lies in the whole: in every row of `whole` elements the part has `size` from `offset` on, all counted in vectors of `step`. */
function layoutOf(shape: Shape, { axis, start, end }: Attributes) {
  const split = splitAt(shape, axis);
  const stride = strideOf(split);
  const [whole, offset, size] = [capacity(split.size) * stride, start * stride, (end - start) * stride];
  const step = vectorWidth(whole, offset, size);
  // Counted from the first axis there are no rows, and a kernel finds its vectors by their index.
  const over = axis === 0 ? (elements: number) => [1, elements] : (elements: number) => [...split.outer, elements];
  return { step, whole: whole / step, offset: offset / step, size: size / step, over };
}

const operation: Operation<Attributes> = {
  name: "slice",
  infer([x], { axis, start, end }) {
    expectFloat("slice", "x", x!);
    return [{ dtype: x!.dtype, shape: withAxis(x!.shape, axis, end - start) }];
  },
  lower({ inputs: [x], outputs: [y], attributes }) {
    const { step, whole, offset, size, over } = layoutOf(x!.shape, attributes);
    const element = vector(step);
    return {
      variant: `point ×${step}`,
      kernels: [
        pointKernel({
          label: "slice",
          over: { dtype: y!.dtype, shape: over(size * step) },
          width: step,
          reads: { x: [x!, element] },
          writes: { y: [y!, element] },
          main: wgsl`setY(index, x(index / ${size}u * ${whole}u + ${offset}u + index % ${size}u));`,
        }),
      ],
    };
  },
  gradient({ inputs: [x], attributes }, [dy]) {
    const { dtype, shape } = x!;
    return [dy ? dy.tape.append(gradientOperation, [dy], { ...attributes, type: { dtype, shape } })[0]! : null];
  },
};

const gradientOperation: Operation<Attributes & { readonly type: Type }> = {
  name: "sliceGradient",
  infer: (_, { type }) => [type],
  lower({ inputs: [dy], outputs: [dx], attributes }) {
    const { step, whole, offset, size, over } = layoutOf(dx!.shape, attributes);
    const element = vector(step);
    return {
      variant: `point ×${step}`,
      kernels: [
        pointKernel({
          label: "sliceGradient",
          over: { dtype: dx!.dtype, shape: over(whole * step) },
          width: step,
          reads: { dy: [dy!, element] },
          writes: { dx: [dx!, element] },
          main: wgsl`let place = index % ${whole}u;
  var g = ${element}();
  if (place >= ${offset}u && place < ${offset + size}u) { g = dy(index / ${whole}u * ${size}u + place - ${offset}u); }
  setDx(index, g);`,
        }),
      ],
    };
  },
};

/** The elements `start` to `end` − 1 of `x` f32 or f16 along an axis whose size is known in advance. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const index = axisOf("slice", x.shape, axis);
  const size = x.shape[index]!;
  if (typeof size !== "number") {
    throw new ShapeError(`slice: axis ${axis} of ${formatShape(x.shape)} is live.`, "Take rows of it with gatherRows.");
  }
  if (![start, end].every(Number.isInteger) || start < 0 || end > size || start >= end) {
    throw new ShapeError(
      `slice: axis ${axis} of ${formatShape(x.shape)} has no elements ${start} to ${end}.`,
      `Begin at 0 and end at ${size}.`,
    );
  }
  return start === 0 && end === size ? x : x.tape.append(operation, [x], { axis: index, start, end })[0]!;
}
