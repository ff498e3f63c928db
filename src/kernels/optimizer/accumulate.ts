/**
 * Adds a value to a persistent tensor in place: for the gradients of a batch that runs in parts, and of a parameter that several nodes read,
 * one after the other and so in a fixed order. The planner lets the kernel that computes the value do it, where that is possible (`autograd/additions.ts`).
 */
import { expectType, type Operation, type Persistent, type Value } from "../language/operation.ts";
import { vectorLowering } from "../language/vectors.ts";

const operation: Operation<null> = {
  name: "accumulate",
  infer: ([x]) => [x!],
  lower: ({ inputs: [x], outputs: [sum] }) =>
    vectorLowering({
      label: "accumulate",
      over: x!,
      reads: { x: x! },
      writes: { sum: sum! },
      main: () => "setSum(index, x(index));",
    }),
};

/** Adds f32 `x` to `target`, which has its shape. */
export function addInto(x: Value, target: Persistent): void {
  expectType("accumulate", "target", target, "f32", x.shape);
  const [sum] = x.tape.update(operation, [x], [target], null);
  sum!.adds = true;
}
