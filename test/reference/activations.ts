/** The functions that products apply, and their derivatives, in float64. */
import type { Activation } from "../../src/kernels/pointwise/functions.ts";
import { slope } from "./differences.ts";
import { pointwise } from "./pointwise.ts";

type Function64 = (x: number) => number;

const withSlope = (f: Function64) => ({ f, derivative: (x: number) => slope(f, x) });

/** relu's derivative has a jump at 0, and is the same of the operand as of the result. */
export const activations64: Readonly<Record<Activation, { readonly f: Function64; readonly derivative: Function64 }>> = {
  gelu: withSlope(pointwise.gelu!),
  geluTanh: withSlope(pointwise.geluTanh!),
  relu: { f: pointwise.relu!, derivative: (y) => (y > 0 ? 1 : 0) },
  silu: withSlope(pointwise.silu!),
};
