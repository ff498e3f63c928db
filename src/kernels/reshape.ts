/** The same memory under another shape with as many elements. It has no kernel and costs nothing. */
import { ShapeError } from "../errors.ts";
import { elementCount, formatShape, type Operation, type Shape, sameShape, type Value } from "./language/operation.ts";

const operation: Operation<{ shape: Shape }> = {
  name: "reshape",
  infer([x], { shape }) {
    if (elementCount(x!.shape) !== elementCount(shape)) {
      throw new ShapeError(`reshape: ${formatShape(x!.shape)} cannot become ${formatShape(shape)}.`, "Both must hold as many elements.");
    }
    if (isLive(x!.shape) && !isLive(shape)) {
      throw new ShapeError(
        `reshape: ${formatShape(x!.shape)} is live and ${formatShape(shape)} is not: it would hold what lies beyond the live part.`,
        "Give the new shape a live first dimension. sum and mean take live tensors as they are.",
      );
    }
    return [{ dtype: x!.dtype, shape }];
  },
  lower: () => ({ variant: "view", kernels: [] }),
  gradient: ({ inputs: [x] }, [dy]) => [dy ? reshape(dy, x!.shape) : null],
};

const isLive = (shape: Shape) => shape.some((dimension) => typeof dimension !== "number");

/**
 * `x` under another shape. A live first dimension must remain live, in a fixed ratio to the new one: tokens, or sentences as pairs × views.
 * Throws `ShapeError` for another number of elements, and for a live tensor under a shape that is known; so a known tensor under a live
 * shape has no gradient.
 */
export function reshape(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  const [y] = x.tape.append(operation, [x], { shape });
  y!.base = x;
  return y!;
}
