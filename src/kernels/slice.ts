/** A part of a tensor along an axis, and its adjoint: a tensor that contains this part and is zero elsewhere. */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { axisOf, splitAt, strideOf, withAxis } from "./language/axis.ts";
import { vectorWidth } from "./language/kernel.ts";
import { capacity, expectFloat, formatShape, type Operation, type Shape, type Type, type Value } from "./language/operation.ts";
import { vectorLowering } from "./language/vectors.ts";

interface Attributes {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

/**
 * The place of a part in the whole: in every line of `whole` elements, the part is the `size` elements from `offset` on, all counted in
 * vectors.
 */
function layoutOf(shape: Shape, { axis, start, end }: Attributes) {
  const split = splitAt(shape, axis);
  const stride = strideOf(split);
  const elements = { whole: capacity(split.size) * stride, offset: start * stride, size: (end - start) * stride };
  const step = vectorWidth(elements.whole, elements.offset, elements.size);
  // Along the first axis there is one line.
  const lines = axis === 0 ? [1] : split.outer;
  return { step, lines, elements, whole: elements.whole / step, offset: elements.offset / step, size: elements.size / step };
}

const operation: Operation<Attributes> = {
  name: "slice",
  infer([x], { axis, start, end }) {
    expectFloat("slice", "x", x!);
    return [{ dtype: x!.dtype, shape: withAxis(x!.shape, axis, end - start) }];
  },
  lower({ inputs: [x], outputs: [y], attributes }) {
    const { step, lines, elements, whole, offset, size } = layoutOf(x!.shape, attributes);
    return vectorLowering({
      label: "slice",
      over: { dtype: y!.dtype, shape: [...lines, elements.size] },
      run: step,
      reads: { x: x! },
      writes: { y: y! },
      main: () => wgsl`setY(index, x(index / ${size}u * ${whole}u + ${offset}u + index % ${size}u));`,
    });
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
    const { step, lines, elements, whole, offset, size } = layoutOf(dx!.shape, attributes);
    return vectorLowering({
      label: "sliceGradient",
      over: { dtype: dx!.dtype, shape: [...lines, elements.whole] },
      run: step,
      reads: { dy: dy! },
      writes: { dx: dx! },
      main: () => wgsl`let place = index % ${whole}u;
  var g = T();
  if (place >= ${offset}u && place < ${offset + size}u) { g = dy(index / ${whole}u * ${size}u + place - ${offset}u); }
  setDx(index, g);`,
    });
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
