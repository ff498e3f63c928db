/** How the table of pointwise functions is tested: constants, the range where each function is smooth, and its tolerance in roundings. */
import type { functions } from "../../../src/kernels/pointwise/functions.ts";
import type { Tolerance } from "../close.ts";

type Name = keyof typeof functions;

/** WGSL guarantees tanh only to an absolute error of 1e-5: 168 roundings of 1. Its derivative 1 − y² doubles it. */
export const promisedTanh = 168;

/** Roundings of each function and of its gradient, if they are more than a few operations. */
const special: Partial<Record<Name, { readonly y: Tolerance; readonly dx: Tolerance }>> = {
  // Division to 2.5 ulp, and what it is multiplied with.
  div: { y: { c: 6 }, dx: { c: 12 } },
  // exp to 3 + 2|x| ulp; the largest results have |x| near 8.
  exp: { y: { c: 40 }, dx: { c: 44 } },
  // log to 2⁻²¹ between 0.5 and 2.
  log: { y: { c: 12, scale: 1 }, dx: { c: 6 } },
  sigmoid: { y: { c: 12 }, dx: { c: 24 } },
  silu: { y: { c: 16 }, dx: { c: 24 } },
  tanh: { y: { c: promisedTanh, scale: 1 }, dx: { c: 2 * promisedTanh, scale: 4 } },
  // The polynomial for erf is exact to 1.5e-7, 2.5 roundings of Φ; Φ's few operations come on top, and x multiplies both.
  gelu: { y: { c: 6 }, dx: { c: 6 } },
  // As silu.
  geluTanh: { y: { c: 16 }, dx: { c: 24 } },
};

/** Constants of the functions that have some. */
export const constants: Partial<Record<Name, Readonly<Record<string, number>>>> = {
  scale: { factor: -0.3 },
  weightedSum: { alpha: 0.7, beta: -1.9 },
  maximum: { c: 0.25 },
  minimum: { c: 0.25 },
};

/** Moves numbers out of where a function has no value or no derivative. */
export const domains: Partial<Record<Name, (x: number, operand: number) => number>> = {
  sqrt: (x) => Math.abs(x) + 0.1,
  log: (x) => Math.abs(x) + 0.1,
  div: (x, operand) => (operand === 1 ? Math.sign(x) * (Math.abs(x) + 0.5) : x),
  ...Object.fromEntries(["abs", "relu", "maximum", "minimum"].map((name) => [name, (x: number) => (Math.round(x * 8) + 0.5) / 8])),
};

/** The tolerances of a function and of its gradient. */
export const tolerancesOf = (name: Name) => special[name] ?? { y: { c: 5 }, dx: { c: 6 } };
