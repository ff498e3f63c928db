/** Copies a value: into a persistent tensor, as a gradient that is also used elsewhere, or as a value that only one node reads. */
import { expectType, type Operation, type Persistent, type Value } from "./language/operation.ts";
import { pointwise } from "./language/pointwise.ts";

const operation: Operation<null> = {
  name: "copy",
  infer: ([x]) => [x!],
  lower: ({ inputs: [x], outputs: [y] }) => pointwise({ label: "copy", inputs: { x: x! }, output: y!, expression: "x" }),
};

/** Writes `x` into `target`, which has its shape and dtype. */
export function copyInto(x: Value, target: Persistent): void {
  expectType("copy", "target", target, x.dtype, x.shape);
  x.tape.update(operation, [x], [target], null);
}

/** A copy of `x` as a separate value. */
export function copy(x: Value): Value {
  return x.tape.append(operation, [x], null)[0]!;
}
