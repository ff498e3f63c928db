/**
 * RMSNorm over the last dimension (Zhang & Sennrich 2019), with a weight for each column:
 *
 *     y = x / √(mean(x²) + epsilon) · weight
 *
 * Sums are f32. The forward pass keeps 1/√(…) of each row. With n = x/√(…) and g = dy·weight, the gradient is dx = (g − n·mean(g·n)) / √(…).
 */
import { wgsl } from "../gpu/shader.ts";
import { columnReduction } from "./language/column-reduction.ts";
import { horizontalSum, paramF32, rowVectors } from "./language/kernel.ts";
import { expectKnown, expectType, f32, type Operand, type Operation, type Type, type Value } from "./language/operation.ts";
import { rowKernel, rowVariant } from "./language/row-kernel.ts";

interface Attributes {
  readonly epsilon: number;
}

const operation: Operation<Attributes> = {
  name: "rmsNorm",
  infer([x, weight]) {
    const [rows, width] = x!.shape as [Type["shape"][0], number];
    expectType("rmsNorm", "x", x!, "float", [rows!, width]);
    expectKnown("rmsNorm", "the width of x", width);
    expectType("rmsNorm", "weight", weight!, "f32", [width]);
    return [x!, f32(rows!)];
  },
  lower({ inputs: [x, weight], outputs: [y, inverse], attributes: { epsilon } }, capabilities) {
    const width = x!.shape[1] as number;
    const { step, element, columns } = rowVectors(width);
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "rmsNorm",
          rowCount: x!.shape[0]!,
          reads: { x: [x!, element], weight: [weight!, element] },
          writes: { y: [y!, element], inverse: [inverse!, "f32"] },
          params: { epsilon: paramF32(epsilon) },
          main: wgsl`let start = row * ${columns}u;
  var squares = ${element}();
  for (var c = firstColumn; c < ${columns}u; c += columnStride) { let v = x(start + c); squares += v * v; }
  let scale = inverseSqrt(total(${horizontalSum("squares", step)}) / ${width}.0 + params.epsilon);
  for (var c = firstColumn; c < ${columns}u; c += columnStride) { setY(start + c, x(start + c) * scale * weight(c)); }
  if (firstColumn == 0u) { setInverse(row, scale); }`,
        }),
      ],
    };
  },
  gradient({ inputs: [x, weight], outputs: [, inverse] }, [dy]) {
    if (!dy) return [null, null];
    const [dx] = dy.tape.append(inputGradient, [dy, x!, weight!, inverse!], null);
    const [dWeight] = dy.tape.append(weightGradient, [dy, x!, inverse!], null);
    return [dx!, dWeight!];
  },
};

const inputGradient: Operation<null> = {
  name: "rmsNormGradient",
  infer: ([, x]) => [x!],
  lower({ inputs: [dy, x, weight, inverse], outputs: [dx] }, capabilities) {
    const width = x!.shape[1] as number;
    const { step, element, columns } = rowVectors(width);
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "rmsNormGradient",
          rowCount: x!.shape[0]!,
          reads: { dy: [dy!, element], x: [x!, element], weight: [weight!, element], inverse: [inverse!, "f32"] },
          writes: { dx: [dx!, element] },
          main: wgsl`let start = row * ${columns}u;
  let scale = inverse(row);
  var product = ${element}();
  for (var c = firstColumn; c < ${columns}u; c += columnStride) { product += dy(start + c) * weight(c) * x(start + c); }
  let along = total(${horizontalSum("product", step)}) * scale * scale / ${width}.0;
  for (var c = firstColumn; c < ${columns}u; c += columnStride) {
    setDx(start + c, scale * (dy(start + c) * weight(c) - along * x(start + c)));
  }`,
        }),
      ],
    };
  },
};

const weightGradient: Operation<null> = {
  name: "rmsNormWeightGradient",
  writesOnce: true,
  infer: ([, x]) => [f32(x!.shape[1]!)],
  lower({ inputs: [dy, x, inverse], outputs: [dWeight] }, capabilities) {
    const width = x!.shape[1] as number;
    const { element } = rowVectors(width);
    return columnReduction(capabilities, {
      label: "rmsNormWeightGradient",
      rowCount: x!.shape[0]!,
      width,
      reads: { dy: [dy!, element], x: [x!, element], inverse: [inverse!, "f32"] },
      terms: [{ expression: "dy(index) * x(index) * inverse(row)", output: dWeight! }],
    });
  },
};

/** RMSNorm of `x` f32 or f16 [rows, width] with `weight` f32 [width]; `epsilon` is added to the mean of the squares. */
export function rmsNorm(x: Value, weight: Operand, epsilon: number): Value {
  return x.tape.append(operation, [x, weight], { epsilon })[0]!;
}
