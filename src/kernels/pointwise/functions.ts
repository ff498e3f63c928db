/**
 * The table of pointwise functions: what each computes and its derivatives, as WGSL expressions of the operands. `pointwise.ts` makes an operation and its
 * gradient out of every row; nothing else in the project knows how many there are.
 *
 * Where a function has no derivative the table takes PyTorch's: 0 for relu and abs at 0, 1 for maximum and minimum where both are equal.
 */
import { wgsl } from "../../gpu/shader.ts";
import { geluDeclarations } from "../language/gelu.ts";

/** A row of the table of pointwise functions: its WGSL and that of its derivatives. */
export interface PointwiseFunction {
  /** WGSL of the result, from the operands and the constants by name. `T` is f32 or vec4f; a literal beside a vector works as it stands in sums and products. */
  readonly value: string;
  /**
   * For each operand, in the order that the function takes them: WGSL of the derivative with respect to it. May read the operands, the constants and the
   * result as `y`; only what it reads is kept for the backward pass.
   */
  readonly derivatives: Readonly<Record<string, string>>;
  /** Numbers that are given when the operation is recorded. */
  readonly constants?: readonly string[];
  /** WGSL functions that the expressions call. */
  readonly declarations?: string;
}

/** Never exp of a large number, which software adapters may take for no number at all. */
const sigmoidDeclarations = wgsl`fn sigmoid(x: T) -> T { let e = exp(-abs(x)); return select(T(1.0), e, x < T(0.0)) / (1.0 + e); }`;

/** Beyond ±10 the tangent is ±1 in f32; SwiftShader's own is NaN from |x| = 89 on. */
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
  silu: {
    value: "x * sigmoid(x)",
    derivatives: { x: "sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))" },
    declarations: sigmoidDeclarations,
  },
  gelu: { value: "gelu(x)", derivatives: { x: "geluDerivative(x)" }, declarations: geluDeclarations },
} as const satisfies Record<string, PointwiseFunction>;
