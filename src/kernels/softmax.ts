/**
 * The softmax of each row, exp(x − max) / Σ exp(x − max); in the backward pass dx = y ∘ (dy − Σ dy∘y). Sums are f32 in a fixed order.
 */
import type { Capabilities } from "../gpu/capabilities.ts";
import { wgsl } from "../gpu/shader.ts";
import { axisOf } from "./language/axis.ts";
import { horizontalLargest, horizontalSum, rows, vector, vectorWidth } from "./language/kernel.ts";
import { capacity, expectFloat, expectType, type Lowering, type Operation, type Type, type Value } from "./language/operation.ts";
import { type RowKernelDeclaration, rowKernel, rowVariant } from "./language/row-kernel.ts";
import { transpose } from "./transpose.ts";

const operation: Operation<null> = {
  name: "softmax",
  infer([x]) {
    expectFloat("softmax", "x", x!);
    return [x!];
  },
  lower: ({ inputs: [x], outputs: [y] }, capabilities) =>
    overRows(capabilities, y!, ({ element, step, walk }) => ({
      label: "softmax",
      reads: { x: [x!, element] },
      writes: { y: [y!, element] },
      main: wgsl`var highest = x(start);
  ${walk("highest = max(highest, x(c));")}
  let top = largest(${horizontalLargest("highest", step)});
  var sum = ${element}();
  ${walk("sum += exp(x(c) - top);")}
  let whole = total(${horizontalSum("sum", step)});
  ${walk("setY(c, exp(x(c) - top) / whole);")}`,
    })),
  gradient: ({ outputs: [y] }, [dy]) => [dy ? dy.tape.append(gradientOperation, [dy, y!], null)[0]! : null],
};

const gradientOperation: Operation<null> = {
  name: "softmaxGradient",
  infer([dy, y]) {
    expectType("softmaxGradient", "dy", dy!, "float", y!.shape);
    return [y!];
  },
  lower: ({ inputs: [dy, y], outputs: [dx] }, capabilities) =>
    overRows(capabilities, dx!, ({ element, step, walk }) => ({
      label: "softmaxGradient",
      reads: { dy: [dy!, element], y: [y!, element] },
      writes: { dx: [dx!, element] },
      main: wgsl`var product = ${element}();
  ${walk("product += dy(c) * y(c);")}
  let along = total(${horizontalSum("product", step)});
  ${walk("setDx(c, y(c) * (dy(c) - along));")}`,
    })),
};

interface Row {
  readonly step: 1 | 4;
  readonly element: string;
  /** WGSL that does something at each place `c` of a row. */
  readonly walk: (body: string) => string;
}

/** A kernel over the rows along the last dimension; `start` is where a row begins. */
function overRows(capabilities: Capabilities, { shape }: Type, declare: (row: Row) => Omit<RowKernelDeclaration, "rowCount">): Lowering {
  const columns = shape.at(-1)!;
  const step = typeof columns === "number" ? vectorWidth(columns) : 1;
  const live = typeof columns === "number" ? `${columns / step}u` : rows(columns);
  const walk = (body: string) => `for (var c = start + firstColumn; c < start + ${live}; c += columnStride) { ${body} }`;
  const { main, ...rest } = declare({ step, element: vector(step), walk });
  const start = `let start = row * ${capacity(columns) / step}u;\n  `;
  return {
    variant: rowVariant(capabilities),
    kernels: [rowKernel(capabilities, { ...rest, rowCount: shape.slice(0, -1), main: start + main })],
  };
}

/** The softmax of `x` f32 or f16 along an axis, the last one if absent; stored like `x`. */
export function softmax(x: Value, axis = -1): Value {
  const last = x.shape.length - 1;
  const index = axisOf("softmax", x.shape, axis);
  if (index === last) return x.tape.append(operation, [x], null)[0]!;
  const swapped = x.shape.map((_, k) => (k === index ? last : k === last ? index : k));
  return transpose(softmax(transpose(x, swapped)), swapped);
}
