/**
 * The table of pointwise functions: what each computes and its derivatives, as WGSL expressions of the operands. `pointwise.ts` makes an
 * operation and its gradient from every row; nothing else in the project depends on how many there are.
 *
 * At points without a derivative, the table uses PyTorch's value: 0 for relu and abs at 0, 1 for maximum and minimum where both are equal.
 */
import { wgsl } from "../../gpu/shader.ts";
import { geluDeclarations, geluTanhDeclarations } from "../language/gelu.ts";

/** A row of the table of pointwise functions: its WGSL and that of its derivatives. */
export interface PointwiseFunction {
  /**
   * WGSL of the result, from the operands and the constants by name. `T` is f32 or vec4f; a scalar literal next to a vector works in sums
   * and products.
   */
  readonly value: string;
  /**
   * For each operand, in order: WGSL of the derivative with respect to it. It may read the operands, the constants and the result as `y`;
   * the backward pass keeps only what it reads.
   */
  readonly derivatives: Readonly<Record<string, string>>;
  /** Numbers that are given when the operation is recorded. */
  readonly constants?: readonly string[];
  /** WGSL functions that the expressions call. */
  readonly declarations?: string;
}

/** Avoids exp of large numbers, which software adapters may evaluate to NaN. */
const sigmoidDeclarations = wgsl`fn sigmoid(x: T) -> T { let e = exp(-abs(x)); return select(T(1.0), e, x < T(0.0)) / (1.0 + e); }`;

const siluDeclarations = wgsl`${sigmoidDeclarations}
fn silu(x: T) -> T { return x * sigmoid(x); }
fn siluDerivative(x: T) -> T { return sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))); }`;

/** Beyond ±10, tanh is ±1 in f32; SwiftShader's own tanh is NaN from |x| = 89 on. */
const tanhDeclarations = wgsl`fn boundedTanh(x: T) -> T { return tanh(clamp(x, T(-10.0), T(10.0))); }`;

/** Every pointwise function by its name. */
export const functions = {
  add: { value: "a + b", derivatives: { a: "1", b: "1" } },
  sub: { value: "a - b", derivatives: { a: "1", b: "-1" } },
  mul: { value: "a * b", derivatives: { a: "b", b: "a" } },
  div: { value: "a / b", derivatives: { a: "1.0 / b", b: "-y / b" } },
  squaredError: { value: "(a - b) * (a - b)", derivatives: { a: "2.0 * (a - b)", b: "-2.0 * (a - b)" } },
  weightedSum: { value: "alpha * a + beta * b", derivatives: { a: "alpha", b: "beta" }, constants: ["alpha", "beta"] },
  scale: { value: "factor * x", derivatives: { x: "factor" }, constants: ["factor"] },
  maximum: { value: "select(x, T(c), x < T(c))", derivatives: { x: "select(T(1.0), T(0.0), x < T(c))" }, constants: ["c"] },
  minimum: { value: "select(x, T(c), x > T(c))", derivatives: { x: "select(T(1.0), T(0.0), x > T(c))" }, constants: ["c"] },
  neg: { value: "-x", derivatives: { x: "-1" } },
  abs: { value: "abs(x)", derivatives: { x: "sign(x)" } },
  square: { value: "x * x", derivatives: { x: "2.0 * x" } },
  sqrt: { value: "sqrt(x)", derivatives: { x: "0.5 / y" } },
  exp: { value: "exp(x)", derivatives: { x: "y" } },
  log: { value: "log(x)", derivatives: { x: "1.0 / x" } },
  relu: { value: "select(x, T(0.0), x < T(0.0))", derivatives: { x: "select(T(0.0), T(1.0), y > T(0.0))" } },
  sigmoid: { value: "sigmoid(x)", derivatives: { x: "y * (1.0 - y)" }, declarations: sigmoidDeclarations },
  tanh: { value: "boundedTanh(x)", derivatives: { x: "1.0 - y * y" }, declarations: tanhDeclarations },
  silu: { value: "silu(x)", derivatives: { x: "siluDerivative(x)" }, declarations: siluDeclarations },
  gelu: { value: "gelu(x)", derivatives: { x: "geluDerivative(x)" }, declarations: geluDeclarations },
  geluTanh: { value: "geluTanh(x)", derivatives: { x: "geluTanhDerivative(x)" }, declarations: geluTanhDeclarations },
} as const satisfies Record<string, PointwiseFunction>;

/**
 * The functions that the kernel of a product applies to it, or whose derivative it multiplies it with (`matmul/epilogue.ts`). Their WGSL is one call,
 * and what a derivative reads, it reads once. SimCSE's tanh is none of them: it follows a product of few rows.
 */
export const activations = ["gelu", "geluTanh", "relu", "silu"] as const satisfies readonly (keyof typeof functions)[];

/** The name of one of these functions. */
export type Activation = (typeof activations)[number];
