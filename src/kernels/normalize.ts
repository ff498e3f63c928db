/** Scales rows to unit length, for cosine similarity. A norm below 1e-8 counts as 1e-8, like in PyTorch's cosine_similarity. */
import { wgsl } from "../gpu/shader.ts";
import { horizontalSum, vector, vectorWidth } from "./language/kernel.ts";
import { expectKnown, expectType, f32, type Operation, type Value } from "./language/operation.ts";
import { rowKernel, rowVariant } from "./language/row-kernel.ts";

const smallestNorm = "1e-8";

const operation: Operation<null> = {
  name: "normalize",
  infer([x]) {
    expectType("normalize", "x", x!, "f32", [null, null]);
    expectKnown("normalize", "the width of x", x!.shape[1]);
    return [x!, f32(x!.shape[0]!)];
  },
  lower({ inputs: [x], outputs: [y, norm] }, capabilities) {
    const width = x!.shape[1] as number;
    const step = vectorWidth(width);
    const element = vector(step);
    const columns = `${width / step}u`;
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "normalize",
          rowCount: x!.shape[0]!,
          reads: { x: [x!, element] },
          writes: { y: [y!, element], norm: [norm!, "f32"] },
          main: wgsl`var squares = ${element}();
  for (var c = firstColumn; c < ${columns}; c += columnStride) { let v = x(row * ${columns} + c); squares += v * v; }
  let length = max(sqrt(total(${horizontalSum("squares", step)})), ${smallestNorm});
  for (var c = firstColumn; c < ${columns}; c += columnStride) { setY(row * ${columns} + c, x(row * ${columns} + c) / length); }
  if (firstColumn == 0u) { setNorm(row, length); }`,
        }),
      ],
    };
  },
  gradient: ({ outputs: [y, norm] }, [dy]) => [dy ? dy.tape.append(normalizeGradient, [dy, y!, norm!], null)[0]! : null],
};

const normalizeGradient: Operation<null> = {
  name: "normalizeGradient",
  infer: ([, y]) => [y!],
  lower({ inputs: [dy, y, norm], outputs: [dx] }, capabilities) {
    const width = y!.shape[1] as number;
    const step = vectorWidth(width);
    const element = vector(step);
    const columns = `${width / step}u`;
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "normalizeGradient",
          rowCount: y!.shape[0]!,
          reads: { dy: [dy!, element], y: [y!, element], norm: [norm!, "f32"] },
          writes: { dx: [dx!, element] },
          main: wgsl`var product = ${element}();
  for (var c = firstColumn; c < ${columns}; c += columnStride) { product += dy(row * ${columns} + c) * y(row * ${columns} + c); }
  // A clamped norm is a constant, so nothing is projected out.
  let along = select(0.0, total(${horizontalSum("product", step)}), norm(row) > ${smallestNorm});
  for (var c = firstColumn; c < ${columns}; c += columnStride) {
    let i = row * ${columns} + c;
    setDx(i, (dy(i) - along * y(i)) / norm(row));
  }`,
        }),
      ],
    };
  },
};

/** f32 [rows, width], each row of `x` divided by its Euclidean norm. */
export function normalize(x: Value): Value {
  return x.tape.append(operation, [x], null)[0]!;
}
