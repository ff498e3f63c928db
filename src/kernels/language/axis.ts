/** Axes of shapes: what an operation along an axis needs to know about the dimensions around it. */
import { ShapeError } from "../../errors.ts";
import { type Dimension, elementCount, formatShape, type Shape } from "./operation.ts";

/** An axis as an index into the shape; negative ones count from the end. Throws `ShapeError` if the shape has no such axis. */
export function axisOf(operation: string, shape: Shape, axis: number): number {
  const index = axis < 0 ? axis + shape.length : axis;
  if (Number.isInteger(index) && index >= 0 && index < shape.length) return index;
  throw new ShapeError(
    `${operation}: ${formatShape(shape)} has no axis ${axis}.`,
    `Its axes are 0 to ${shape.length - 1}, or −${shape.length} to −1 from the end.`,
  );
}

/** The dimensions before an axis, the axis, and those after it. */
export interface SplitShape {
  readonly outer: Shape;
  readonly size: Dimension;
  readonly inner: Shape;
}

/** The dimensions before an axis, the axis's size, and the dimensions after it. */
export function splitAt(shape: Shape, axis: number): SplitShape {
  return { outer: shape.slice(0, axis), size: shape[axis]!, inner: shape.slice(axis + 1) };
}

/** The shape after an axis is reduced; a vector becomes [1]. */
export function withoutAxis(shape: Shape, axis: number): Shape {
  return shape.length === 1 ? [1] : [...shape.slice(0, axis), ...shape.slice(axis + 1)];
}

/** The shape with another size of an axis. */
export function withAxis(shape: Shape, axis: number, size: Dimension): Shape {
  return shape.map((dimension, k) => (k === axis ? size : dimension));
}

/** Elements between neighbours along an axis. */
export const strideOf = ({ inner }: SplitShape): number => elementCount(inner);
