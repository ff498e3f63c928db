/**
 * Scales rows to unit length, for cosine similarity. A row of zeros stays as it is. The squares are those of the row divided by a power of
 * two, near its largest element, so that they neither overflow nor underflow, and rows of ordinary size get the same bits as without it. In
 * the gradient, a norm below 1e-8 counts as 1e-8, as in PyTorch's cosine_similarity.
 */
import { wgsl } from "../gpu/shader.ts";
import { horizontalLargest, horizontalSum, rowVectors } from "./language/kernel.ts";
import { expectKnown, expectType, f32, type Operation, type Value } from "./language/operation.ts";
import { rowKernel, rowVariant } from "./language/row-kernel.ts";

const smallestNorm = "1e-8";

/** A power of two that makes the largest element of a row between 1 and 4; its exponent stays that of a normal number. */
const declarations = wgsl`
fn toOrdinary(size: f32) -> f32 { return bitcast<f32>((254u - clamp(bitcast<u32>(size) >> 23u, 1u, 253u)) << 23u); }
`;

const operation: Operation<null> = {
  name: "normalize",
  infer([x]) {
    expectType("normalize", "x", x!, "f32", [null, null]);
    expectKnown("normalize", "the width of x", x!.shape[1]);
    return [x!, f32(x!.shape[0]!)];
  },
  lower({ inputs: [x], outputs: [y, norm] }, capabilities) {
    const { step, element, columns } = rowVectors(x!.shape[1] as number);
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "normalize",
          rowCount: x!.shape[0]!,
          reads: { x: [x!, element] },
          writes: { y: [y!, element], norm: [norm!, "f32"] },
          declarations,
          main: wgsl`var sizes = ${element}();
  for (var c = firstColumn; c < ${columns}u; c += columnStride) { sizes = max(sizes, abs(x(row * ${columns}u + c))); }
  let factor = toOrdinary(largest(${horizontalLargest("sizes", step)}));
  var squares = ${element}();
  for (var c = firstColumn; c < ${columns}u; c += columnStride) { let v = x(row * ${columns}u + c) * factor; squares += v * v; }
  let length = sqrt(total(${horizontalSum("squares", step)}));
  let divisor = select(length, 1.0, length == 0.0);
  for (var c = firstColumn; c < ${columns}u; c += columnStride) { setY(row * ${columns}u + c, x(row * ${columns}u + c) * factor / divisor); }
  if (firstColumn == 0u) { setNorm(row, max(length / factor, ${smallestNorm})); }`,
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
    const { step, element, columns } = rowVectors(y!.shape[1] as number);
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "normalizeGradient",
          rowCount: y!.shape[0]!,
          reads: { dy: [dy!, element], y: [y!, element], norm: [norm!, "f32"] },
          writes: { dx: [dx!, element] },
          main: wgsl`var product = ${element}();
  for (var c = firstColumn; c < ${columns}u; c += columnStride) { product += dy(row * ${columns}u + c) * y(row * ${columns}u + c); }
  let along = total(${horizontalSum("product", step)});
  for (var c = firstColumn; c < ${columns}u; c += columnStride) {
    let i = row * ${columns}u + c;
    setDx(i, (dy(i) - along * y(i)) / norm(row));
  }`,
        }),
      ],
    };
  },
};

/** f32 [rows, width], each row of `x` divided by its Euclidean norm; zeros stay zeros. */
export function normalize(x: Value): Value {
  return x.tape.append(operation, [x], null)[0]!;
}
