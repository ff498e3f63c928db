/** A tensor whose elements are all the same, such as the seed of a backward pass. If it is repeated along an axis, it is filled as a whole. */
import { paramF32, pointKernel } from "./language/kernel.ts";
import { type Dimension, f32, type Operand, type Operation, type Recorder, type Shape, type Value } from "./language/operation.ts";
import { divided } from "./sum.ts";

interface Attributes {
  readonly shape: Shape;
  /** The number, or the index of it in the input. */
  readonly value: number;
  /** What the number is divided by, see `sum`. */
  readonly divisor: Dimension | null;
}

const operation: Operation<Attributes> = {
  name: "fill",
  infer: (_, { shape }) => [f32(...shape)],
  lower: ({ inputs: [source], outputs: [y], attributes: { value, divisor } }) => ({
    variant: "point",
    kernels: [
      pointKernel({
        label: "fill",
        over: y!,
        width: 1,
        reads: { source: source && [source, "f32"] },
        writes: { y: [y!, "f32"] },
        params: source ? {} : { value: paramF32(value) },
        main: `setY(index, ${source ? `source(${value}u)` : "params.value"}${divided(divisor)});`,
      }),
    ],
  }),
  absorb({ inputs, outputs, attributes }, follower) {
    if (follower.kind !== "expand" || follower.type.dtype !== "f32" || attributes.divisor !== null) return null;
    const { type, divisor } = follower;
    return outputs[0]!.tape.append(operation, inputs, { ...attributes, shape: type.shape, divisor })[0]!;
  },
};

/** f32 `shape`, every element `value`. */
export function fill(tape: Recorder, shape: Shape, value: number): Value {
  return tape.append(operation, [], { shape, value, divisor: null })[0]!;
}

/** f32 [1]: the element `index` of `source` f32. */
export function elementOf(tape: Recorder, source: Operand, index: number): Value {
  return tape.append(operation, [source], { shape: [1], value: index, divisor: null })[0]!;
}
