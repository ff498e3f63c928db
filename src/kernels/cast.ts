/** Converts between the two storage types of floats, f32 and f16. Rounds to nearest; the gradient is cast back. */
import {
  expectFloat,
  type FloatType,
  float,
  floatOf,
  type Operand,
  type Operation,
  type Persistent,
  type Recorder,
  type Value,
} from "./language/operation.ts";
import { pointwise } from "./language/pointwise.ts";

const operation: Operation<{ dtype: FloatType }> = {
  name: "cast",
  infer([x], { dtype }) {
    expectFloat("cast", "x", x!);
    return [float(dtype, ...x!.shape)];
  },
  lower: ({ inputs: [x], outputs: [y] }) => pointwise({ label: "cast", inputs: { x: x! }, output: y!, expression: "x" }),
  gradient: ({ inputs: [x] }, [dy]) => [dy ? cast(dy, floatOf(x!)) : null],
};

/** `x` stored as `dtype`; `x` itself if it already is. */
export function cast(x: Value, dtype: FloatType): Value {
  return x.dtype === dtype ? x : x.tape.append(operation, [x], { dtype })[0]!;
}

/** Writes `x` into `target` of its shape, in the target's dtype. */
export function castInto(tape: Recorder, x: Operand, target: Persistent): void {
  tape.update(operation, [x], [target], { dtype: floatOf(target) });
}
