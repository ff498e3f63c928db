/**
 * The functions that model code calls from the table of pointwise functions (`functions.ts`). All take f32 or f16 of any shape; operands
 * broadcast by NumPy's rules.
 */
import type { Operand, Scalar, Value } from "../language/operation.ts";
import { type Activation, functions, type PointwiseFunction } from "./functions.ts";
import { type PointwiseOperation, pointwiseOperation } from "./operation.ts";

const operations = Object.fromEntries(
  Object.entries<PointwiseFunction>(functions).map(([name, definition]) => [name, pointwiseOperation(name, definition)]),
) as Record<keyof typeof functions, PointwiseOperation>;

/** a + b. */
export function add(a: Value, b: Operand): Value {
  return operations.add.apply([a, b]);
}

/** a − b. */
export function sub(a: Value, b: Operand): Value {
  return operations.sub.apply([a, b]);
}

/** a · b, element by element. */
export function mul(a: Value, b: Operand): Value {
  return operations.mul.apply([a, b]);
}

/** a / b, element by element. */
export function div(a: Value, b: Operand): Value {
  return operations.div.apply([a, b]);
}

/** (a − b)², element by element; `mean` of it is the mean squared error. */
export function squaredError(a: Value, b: Operand): Value {
  return operations.squaredError.apply([a, b]);
}

/** α·a + β·b: averages layers. */
export function weightedSum(a: Value, b: Operand, alpha: number, beta: number): Value {
  return operations.weightedSum.apply([a, b], { alpha, beta });
}

/** The larger of each element of `x` and the number `c`. NaN stays NaN; the gradient at `c` itself is 1. */
export function maximum(x: Value, c: number | Scalar): Value {
  return operations.maximum.apply([x], { c });
}

/** The smaller of each element of `x` and the number `c`. NaN stays NaN; the gradient at `c` itself is 1. */
export function minimum(x: Value, c: number | Scalar): Value {
  return operations.minimum.apply([x], { c });
}

/** −x. */
export function neg(x: Value): Value {
  return operations.neg.apply([x]);
}

/** |x|; its gradient at 0 is 0. */
export function abs(x: Value): Value {
  return operations.abs.apply([x]);
}

/** x². */
export function square(x: Value): Value {
  return operations.square.apply([x]);
}

/** √x; NaN below 0. */
export function sqrt(x: Value): Value {
  return operations.sqrt.apply([x]);
}

/** eˣ. */
export function exp(x: Value): Value {
  return operations.exp.apply([x]);
}

/** The natural logarithm; NaN below 0. */
export function log(x: Value): Value {
  return operations.log.apply([x]);
}

/** max(x, 0); its gradient at 0 is 0. */
export function relu(x: Value): Value {
  return operations.relu.apply([x]);
}

/** The logistic function 1 / (1 + e⁻ˣ). */
export function sigmoid(x: Value): Value {
  return operations.sigmoid.apply([x]);
}

/** The hyperbolic tangent. WGSL guarantees an absolute error of 1e-5. */
export function tanh(x: Value): Value {
  return operations.tanh.apply([x]);
}

/** SiLU, x · sigmoid(x) (Elfwing et al. 2018), also called swish. */
export function silu(x: Value): Value {
  return operations.silu.apply([x]);
}

/**
 * GELU in its exact form, x·Φ(x) (Hendrycks & Gimpel 2016). If `x` comes directly from a product, the product's kernel applies it before
 * storing, and its derivative in the backward pass; the same holds for `geluTanh`, `relu` and `silu`.
 */
export function gelu(x: Value): Value {
  return operations.gelu.apply([x]);
}

/** GELU's approximation by a hyperbolic tangent, x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))): BERT's first code has it, and ALBERT. */
export function geluTanh(x: Value): Value {
  return operations.geluTanh.apply([x]);
}

/** The gradient of the operand from that of the result `dy`, in the kernel that computes `dy` if that can; `at` is what the derivative reads. */
export function activationGradient(name: Activation, at: Value, dy: Value): Value {
  return operations[name].gradientOf(at, dy);
}
