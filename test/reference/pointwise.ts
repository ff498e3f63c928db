/** The table of pointwise functions in float64, straight from their definitions. Constants come after the operands. */
import { gelu } from "./gelu.ts";

export const pointwise: Readonly<Record<string, (...values: number[]) => number>> = {
  add: (a, b) => a! + b!,
  sub: (a, b) => a! - b!,
  mul: (a, b) => a! * b!,
  div: (a, b) => a! / b!,
  squaredError: (a, b) => (a! - b!) ** 2,
  weightedSum: (a, b, alpha, beta) => alpha! * a! + beta! * b!,
  scale: (x, factor) => factor! * x!,
  maximum: (x, c) => Math.max(x!, c!),
  minimum: (x, c) => Math.min(x!, c!),
  neg: (x) => -x!,
  abs: (x) => Math.abs(x!),
  square: (x) => x! * x!,
  sqrt: (x) => Math.sqrt(x!),
  exp: (x) => Math.exp(x!),
  log: (x) => Math.log(x!),
  relu: (x) => Math.max(x!, 0),
  sigmoid: (x) => 1 / (1 + Math.exp(-x!)),
  tanh: (x) => Math.tanh(x!),
  silu: (x) => x! / (1 + Math.exp(-x!)),
  gelu: (x) => gelu(x!),
  geluTanh: (x) => (x! / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x! + 0.044715 * x! ** 3))),
};
