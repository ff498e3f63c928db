/** The mean of a vector's live elements, 0 where there are none: losses of rows into one loss. */
import { wgsl } from "../gpu/shader.ts";
import { pointKernel, rows } from "./language/kernel.ts";
import { type Dimension, expectType, f32, type Operation, type Value } from "./language/operation.ts";
import { rowKernel, rowVariant } from "./language/row-kernel.ts";

const operation: Operation<null> = {
  name: "mean",
  infer([x]) {
    expectType("mean", "x", x!, "f32", [x!.shape[0]!]);
    return [f32(1)];
  },
  lower({ inputs: [x], outputs: [y] }, capabilities) {
    const count = rows(x!.shape[0]!);
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "mean",
          rowCount: 1,
          reads: { x: [x!, "f32"] },
          writes: { y: [y!, "f32"] },
          main: wgsl`var sum = 0.0;
  for (var i = firstColumn; i < ${count}; i += columnStride) { sum += x(i); }
  let all = total(sum);
  if (firstColumn == 0u) { setY(row, all / f32(max(${count}, 1u))); }`,
        }),
      ],
    };
  },
  gradient: ({ inputs: [x] }, [dy]) => [dy ? dy.tape.append(meanGradient, [dy], { count: x!.shape[0]! })[0]! : null],
};

const meanGradient: Operation<{ count: Dimension }> = {
  name: "meanGradient",
  infer: (_, { count }) => [f32(count)],
  lower: ({ inputs: [dy], outputs: [dx], attributes: { count } }) => ({
    variant: "point",
    kernels: [
      pointKernel({
        label: "meanGradient",
        over: dx!,
        width: 1,
        reads: { dy: [dy!, "f32"] },
        writes: { dx: [dx!, "f32"] },
        main: wgsl`setDx(index, dy(0) / f32(${rows(count)}));`,
      }),
    ],
  }),
};

/** f32 [1], the mean of `x` f32 [n]. */
export function mean(x: Value): Value {
  return x.tape.append(operation, [x], null)[0]!;
}
