/** Joins tensors along an axis. One kernel per tensor; the gradient of each tensor is its slice. */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { axisOf, splitAt, strideOf, withAxis } from "./language/axis.ts";
import { pointKernel, vector, vectorWidth } from "./language/kernel.ts";
import { expectType, formatShape, type Operation, type Value } from "./language/operation.ts";
import { slice } from "./slice.ts";

interface Attributes {
  readonly axis: number;
}

const sizesAlong = (values: readonly { readonly shape: readonly unknown[] }[], axis: number) =>
  values.map(({ shape }) => shape[axis] as number);

const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);

const operation: Operation<Attributes> = {
  name: "concat",
  infer(values, { axis }) {
    const [{ shape, dtype }] = values as [Value];
    values.forEach((value, i) => {
      expectType(
        "concat",
        `value ${i}`,
        value,
        dtype === "u32" ? "float" : dtype,
        shape.map((size, k) => (k === axis ? null : size)),
      );
      if (typeof value.shape[axis] === "number") return;
      throw new ShapeError(`concat: axis ${axis} of ${formatShape(value.shape)} is live.`, "Only other axes may be live.");
    });
    return [{ dtype, shape: withAxis(shape, axis, sum(sizesAlong(values, axis))) }];
  },
  lower({ inputs, outputs: [y], attributes: { axis } }) {
    const split = splitAt(y!.shape, axis);
    const parts = sizesAlong(inputs, axis).map((size) => size * strideOf(split));
    const step = vectorWidth(...parts);
    const element = vector(step);
    const whole = sum(parts) / step;
    return {
      variant: `point ×${step}`,
      kernels: inputs.map((x, i) => {
        const size = parts[i]! / step;
        const offset = sum(parts.slice(0, i)) / step;
        return pointKernel({
          label: "concat",
          over: { dtype: x.dtype, shape: axis === 0 ? [1, parts[i]!] : [...split.outer, parts[i]!] },
          width: step,
          reads: { x: [x, element] },
          writes: { y: [y!, element] },
          main: wgsl`setY(index / ${size}u * ${whole}u + ${offset}u + index % ${size}u, x(index));`,
        });
      }),
    };
  },
  gradient({ inputs, attributes: { axis } }, [dy]) {
    const sizes = sizesAlong(inputs, axis);
    return sizes.map((size, i) => {
      const start = sum(sizes.slice(0, i));
      return dy ? slice(dy, axis, start, start + size) : null;
    });
  },
};

/** Joins `values` of one dtype, f32 or f16, along an axis whose sizes are known in advance; all other dimensions must be equal. */
export function concat(values: readonly [Value, ...Value[]], axis: number): Value {
  return values[0].tape.append(operation, values, { axis: axisOf("concat", values[0].shape, axis) })[0]!;
}
