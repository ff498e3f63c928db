/**
 * Broadcasting by NumPy's rules: shapes are aligned at their last dimensions, and a dimension of 1 (or one that is missing) repeats along the other's.
 * A live dimension broadcasts against 1 and equals only itself.
 */
import { ShapeError } from "../../errors.ts";
import { vector } from "./kernel.ts";
import { capacity, type Dimension, elementCount, formatShape, type Shape, sameShape } from "./operation.ts";

/** A shape padded with ones in front to `rank` dimensions. */
const aligned = (shape: Shape, rank: number): Shape => [...Array<number>(rank - shape.length).fill(1), ...shape];

/** The shape that all `shapes` broadcast to. Throws `ShapeError`, naming `operation`, if two are incompatible. */
export function broadcastShapes(operation: string, shapes: readonly Shape[]): Shape {
  const rank = Math.max(...shapes.map(({ length }) => length));
  const all = shapes.map((shape) => aligned(shape, rank));
  return all[0]!.map((_, k) => {
    const sizes = all.map((shape) => shape[k]!);
    const size = sizes.find((other) => other !== 1) ?? 1;
    if (sizes.every((other) => other === 1 || other === size)) return size;
    throw new ShapeError(
      `${operation}: ${shapes.map(formatShape).join(" and ")} do not broadcast.`,
      "Dimensions must be equal from the last one backwards, or 1.",
    );
  });
}

/** The axes of `to` along which `from` repeats. */
export function broadcastAxes(from: Shape, to: Shape): number[] {
  const source = aligned(from, to.length);
  return [...to.keys()].filter((k) => source[k] !== to[k]);
}

/**
 * How a kernel over `over` reads the matching element of a tensor of `shape`. The kernel declares `index`, `row` and `column` like
 * `pointKernel`, counted in vectors of `width`.
 */
export function broadcastRead(name: string, shape: Shape, over: Shape, width: 1 | 4): { readonly element: string; readonly read: string } {
  if (sameShape(shape, over)) return { element: vector(width), read: `${name}(index)` };
  if (elementCount(shape) === 1) return { element: "f32", read: `T(${name}(0u))` };
  const source = aligned(shape, over.length);
  const last = over.length - 1;
  const splats = width === 4 && source[last] === 1;
  const units = (dimension: Dimension, k: number) => (k === last ? capacity(dimension) / width : capacity(dimension));
  const sizes = over.map(units);
  const sourceSizes = source.map((dimension, k) => (source[k] === over[k] ? units(dimension, k) : 1));
  const product = (values: readonly number[]) => values.reduce((a, b) => a * b, 1);
  const terms = groups(source, over).map(([first, end]) => {
    const stride = product(sizes.slice(end));
    const size = product(sizes.slice(first, end));
    const position = first === 0 ? "row" : `column${stride > 1 ? ` / ${stride}u` : ""}${first > 1 ? ` % ${size}u` : ""}`;
    const step = product(sourceSizes.slice(end));
    return step === 1 ? position : `(${position}) * ${step}u`;
  });
  const place = terms.join(" + ") || "0u";
  return splats ? { element: "f32", read: `T(${name}(${place}))` } : { element: vector(width), read: `${name}(${place})` };
}

/**
 * Runs of neighbouring dimensions that the source has, as [first, end). The first dimension is always a run by itself, because a kernel
 * counts its rows separately.
 */
function groups(source: Shape, over: Shape): [number, number][] {
  const runs: [number, number][] = [];
  over.forEach((dimension, k) => {
    if (source[k] !== dimension || dimension === 1) return;
    const before = runs.at(-1);
    if (before && before[1] === k && before[0] > 0) before[1] = k + 1;
    else runs.push([k, k + 1]);
  });
  return runs;
}
