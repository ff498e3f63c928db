/** The same memory under another shape with as many elements. It has no kernel and costs nothing. */
import { ShapeError } from "../errors.ts";
import { elementCount, formatShape, type Operation, type Shape, sameShape, type Value } from "./language/operation.ts";

const operation: Operation<{ shape: Shape }> = {
  name: "reshape",
  infer([x], { shape }) {
    if (elementCount(x!.shape) !== elementCount(shape)) {
      throw new ShapeError(`reshape: ${formatShape(x!.shape)} cannot become ${formatShape(shape)}.`, "Both must hold as many elements.");
    }
    return [{ dtype: x!.dtype, shape }];
  },
  lower: () => ({ variant: "view", kernels: [] }),
  gradient: ({ inputs: [x] }, [dy]) => [dy ? reshape(dy, x!.shape) : null],
};

/**
 * `x` under another shape. A live first dimension must remain live, in a fixed ratio to the new one: tokens, or sentences as pairs × views.
 */
export function reshape(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  const [y] = x.tape.append(operation, [x], { shape });
  y!.base = x;
  return y!;
}
