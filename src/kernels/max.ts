/**
 * The largest value along an axis. The gradient goes to the first element with that value, like torch.max along a dimension; the forward
 * pass finds its place. Comparisons are exact, so the order does not matter. The result for NaN, and of no elements, is not defined.
 */
import { ShapeError } from "../errors.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import { range, wgsl } from "../gpu/shader.ts";
import { splitAt, strideOf, withoutAxis } from "./language/axis.ts";
import { pointKernel, rows, vector, vectorWidth } from "./language/kernel.ts";
import {
  capacity,
  expectFloat,
  f32,
  float,
  floatOf,
  formatShape,
  type Lowering,
  type Node,
  type Operation,
  type Type,
  u32,
  type Value,
} from "./language/operation.ts";
import { rowKernel, rowVariant } from "./language/row-kernel.ts";
import { type ReductionOptions, reduced } from "./sum.ts";

interface Attributes {
  readonly axis: number;
}

const operation: Operation<Attributes> = {
  name: "max",
  infer([x], { axis }) {
    expectFloat("max", "x", x!);
    if (axis === x!.shape.length - 1 && capacity(x!.shape[axis]!) > longestRow) {
      throw new ShapeError(
        `max: rows of ${formatShape(x!.shape)} have more than ${longestRow} elements.`,
        "Reshape it to shorter rows, and take the largest of theirs.",
      );
    }
    const shape = withoutAxis(x!.shape, axis);
    return [f32(...shape), u32(...shape)];
  },
  lower: (node, capabilities) =>
    splitAt(node.inputs[0]!.shape, node.attributes.axis).inner.length === 0 ? alongRows(node, capabilities) : acrossRows(node),
  gradient({ inputs: [x], outputs: [, places], attributes: { axis } }, [dy]) {
    const type = float(floatOf(x!), ...x!.shape);
    return [dy ? dy.tape.append(gradientOperation, [dy, places!], { axis, type })[0]! : null];
  },
};

/** Elements whose places are exact as floats. */
const longestRow = 2 ** 24;

/** Places as floats, so that `largest` can combine them: −place, or a smaller number than any if a thread has not met the largest value. */
const none = "-1e9";

function alongRows({ inputs: [x], outputs: [y, places], attributes: { axis } }: Node<Attributes>, capabilities: Capabilities): Lowering {
  const { outer, size } = splitAt(x!.shape, axis);
  const step = typeof size === "number" ? vectorWidth(size) : 1;
  const columns = typeof size === "number" ? `${size / step}u` : rows(size);
  const component = (name: string, j: number) => (step === 1 ? name : `${name}[${j}]`);
  const highest = range(step).map((j) => component("highest", j));
  return {
    variant: rowVariant(capabilities),
    kernels: [
      rowKernel(capabilities, {
        label: "max",
        rowCount: outer,
        reads: { x: [x!, vector(step)] },
        writes: { y: [y!, "f32"], places: [places!, "u32"] },
        main: wgsl`let start = row * ${capacity(size) / step}u;
  var highest = x(start);
  for (var c = firstColumn; c < ${columns}; c += columnStride) { highest = max(highest, x(start + c)); }
  let top = largest(${highest.reduce((a, b) => `max(${a}, ${b})`)});
  var place = ${none};
  for (var c = firstColumn; c < ${columns}; c += columnStride) {
    let v = x(start + c);
    ${range(step)
      .map((j) => `if (${component("v", j)} == top) { place = max(place, -f32(c * ${step}u + ${j}u)); }`)
      .join("\n    ")}
  }
  let first = u32(-largest(place));
  if (firstColumn == 0u) {
    setY(row, top);
    places[row] = first;
  }`,
      }),
    ],
  };
}

/** One thread per element of the result, which walks the axis. */
function acrossRows({ inputs: [x], outputs: [y, places], attributes: { axis } }: Node<Attributes>): Lowering {
  const split = splitAt(x!.shape, axis);
  const step = vectorWidth(strideOf(split));
  const stride = strideOf(split) / step;
  const places32 = step === 1 ? "u32" : "vec4u";
  return {
    variant: `point ×${step}`,
    kernels: [
      pointKernel({
        label: "max",
        over: split.outer.length === 0 ? f32(1, strideOf(split)) : y!,
        width: step,
        reads: { x: [x!, vector(step)] },
        writes: { y: [y!, vector(step)], places: [places!, places32] },
        main: wgsl`let start = index / ${stride}u * ${capacity(split.size) * stride}u + index % ${stride}u;
  var top = x(start);
  var first = ${places32}();
  for (var k = 1u; k < ${rows(split.size)}; k++) {
    let v = x(start + k * ${stride}u);
    first = select(first, ${places32}(k), v > top);
    top = max(top, v);
  }
  setY(index, top);
  places[index] = first;`,
      }),
    ],
  };
}

const gradientOperation: Operation<Attributes & { readonly type: Type }> = {
  name: "maxGradient",
  infer: (_, { type }) => [type],
  lower({ inputs: [dy, places], outputs: [dx], attributes: { axis } }) {
    const split = splitAt(dx!.shape, axis);
    const last = split.inner.length === 0;
    const size = capacity(split.size);
    const step = last && typeof split.size !== "number" ? 1 : vectorWidth(last ? size : strideOf(split));
    const stride = strideOf(split) / step;
    const own: readonly [string, string] = last || step === 1 ? ["f32", "u32"] : ["vec4f", "vec4u"];
    const main = last
      ? wgsl`let at = index / ${size / step}u;
  let k = index % ${size / step}u * ${step}u;
  setDx(index, select(T(), T(dy(at)), ${step === 1 ? "k" : "vec4u(k, k + 1u, k + 2u, k + 3u)"} == ${step === 1 ? "places[at]" : "vec4u(places[at])"}));`
      : wgsl`let at = index / ${size * stride}u * ${stride}u + index % ${stride}u;
  let k = index / ${stride}u % ${size}u;
  setDx(index, select(T(), dy(at), places[at] == ${own[1]}(k)));`;
    return {
      variant: `point ×${step}`,
      kernels: [
        pointKernel({
          label: "maxGradient",
          over: dx!,
          width: step,
          reads: { dy: [dy!, own[0]], places: [places!, own[1]] },
          writes: { dx: [dx!, vector(step)] },
          declarations: `alias T = ${vector(step)};\n`,
          main,
        }),
      ],
    };
  },
};

/**
 * f32: the largest value of `x` f32 or f16 along an axis (negative ones count from the end), or of all its elements as [1] if none is
 * given; of NaN and of no live elements it is not defined. Throws `ShapeError` for more than 2²⁴ elements along the last axis.
 */
export function max(x: Value, axis?: number, options?: ReductionOptions): Value {
  return reduced("max", x, axis, options, (value, along) => value.tape.append(operation, [value], { axis: along })[0]!);
}
