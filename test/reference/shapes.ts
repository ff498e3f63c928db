/** Operations that move elements, one element at a time by its coordinates; and the softmax of a line. */
import { linesAlong } from "./reductions.ts";

const product = (sizes: readonly number[]) => sizes.reduce((result, size) => result * size, 1);

/** Row-major coordinates of an element. */
export function coordinates(index: number, shape: readonly number[]): number[] {
  return shape.map((size, k) => Math.floor(index / product(shape.slice(k + 1))) % size);
}

const place = (at: readonly number[], shape: readonly number[]) => shape.reduce((sum, size, k) => sum * size + at[k]!, 0);

/** `x` with the axes of the result named by those of `x`. */
export function transpose(x: ArrayLike<number>, shape: readonly number[], axes: readonly number[]): number[] {
  const turned = axes.map((axis) => shape[axis]!);
  return Array.from({ length: x.length }, (_, i) => {
    const at = coordinates(i, turned);
    const source = shape.map((_, axis) => at[axes.indexOf(axis)]!);
    return x[place(source, shape)]!;
  });
}

/** Elements `start` to `end` − 1 along an axis. */
export function slice(x: ArrayLike<number>, shape: readonly number[], axis: number, start: number, end: number): number[] {
  return Array.from({ length: x.length }, (_, i) => i)
    .filter((i) => coordinates(i, shape)[axis]! >= start && coordinates(i, shape)[axis]! < end)
    .map((i) => x[i]!);
}

/** Two tensors, one after another along an axis. */
export function concat(
  a: { readonly data: ArrayLike<number>; readonly shape: readonly number[] },
  b: { readonly data: ArrayLike<number>; readonly shape: readonly number[] },
  axis: number,
): number[] {
  const size = a.shape[axis]! + b.shape[axis]!;
  const shape = a.shape.map((own, k) => (k === axis ? size : own));
  return Array.from({ length: product(shape) }, (_, i) => {
    const at = coordinates(i, shape);
    const inA = at[axis]! < a.shape[axis]!;
    const from = inA ? a : b;
    const own = at.map((coordinate, k) => (k === axis && !inA ? coordinate - a.shape[axis]! : coordinate));
    return from.data[place(own, from.shape)]!;
  });
}

/** The softmax of every line along the last axis. */
export function softmax(x: ArrayLike<number>, columns: number): number[] {
  return linesAlong(x, [x.length / columns, columns], 1).flatMap((line) => {
    const highest = Math.max(...line);
    const powers = line.map((v) => Math.exp(v - highest));
    const whole = powers.reduce((sum, v) => sum + v, 0);
    return powers.map((v) => v / whole);
  });
}
