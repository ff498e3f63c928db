/**
 * The attributes of a matrix product's node: its layout, what else it computes, and the role of each input and output. `matmul.ts` creates
 * the nodes, and the variants lower them.
 */
import type { Dimension, FloatType, Node, Type, Value } from "../language/operation.ts";
import { type FinishName, finishOf, keepsSums } from "./finish.ts";

/** Which operands of a product are transposed: `nn` is A·B, `nt` is A·Bᵀ, `tn` is Aᵀ·B. */
export type Layout = "nn" | "nt" | "tn";

/** What a node computes. */
export interface MatmulAttributes {
  readonly layout: Layout;
  readonly scale: number;
  readonly bias: boolean;
  readonly addend: boolean;
  readonly activation: FinishName;
  /** Layout tn: the second output is the sum of A over k, f32 [m]. */
  readonly rowSums: boolean;
  /** How C is stored. */
  readonly dtype: FloatType;
}

/** A product: what determines its kernels. */
export type Product = Pick<Node<MatmulAttributes>, "attributes" | "inputs" | "outputs">;

/** C is [m, n], and k is summed over. */
export interface MatmulShape {
  readonly m: Dimension;
  readonly n: Dimension;
  readonly k: Dimension;
}

/** A node's inputs and outputs by their role. */
export interface MatmulTensors {
  readonly a: Value;
  readonly b: Value;
  readonly bias: Value | undefined;
  readonly addend: Value | undefined;
  /** What the derivative reads that C is multiplied with. */
  readonly slopeAt: Value | undefined;
  readonly c: Value;
  readonly keptPreActivation: Value | undefined;
  readonly rowSums: Value | undefined;
}

/** The inputs and outputs of a node by role. */
export function matmulTensors({ inputs, outputs, attributes: { bias, addend, activation, rowSums } }: Product): MatmulTensors {
  const [a, b, ...more] = inputs as [Value, Value, ...Value[]];
  const [c, second] = outputs as [Value, Value | undefined];
  return {
    a,
    b,
    bias: bias ? more.shift() : undefined,
    addend: addend ? more.shift() : undefined,
    slopeAt: finishOf(activation)?.isGradient ? more.shift() : undefined,
    c,
    keptPreActivation: keepsSums(activation) ? second : undefined,
    rowSums: rowSums ? second : undefined,
  };
}

/** The sizes of a product from the shapes of its operands. */
export const matmulDimensions: Record<Layout, (a: Type["shape"], b: Type["shape"]) => MatmulShape> = {
  nn: (a, b) => ({ m: a[0]!, k: a[1]!, n: b[1]! }),
  nt: (a, b) => ({ m: a[0]!, k: a[1]!, n: b[0]! }),
  tn: (a, b) => ({ m: a[1]!, k: a[0]!, n: b[1]! }),
};

/** How the operands are laid out in memory. */
export const operandShapes: Record<Layout, (shape: MatmulShape) => Record<"a" | "b", readonly Dimension[]>> = {
  nn: ({ m, n, k }) => ({ a: [m, k], b: [k, n] }),
  nt: ({ m, n, k }) => ({ a: [m, k], b: [n, k] }),
  tn: ({ m, n, k }) => ({ a: [k, m], b: [k, n] }),
};

/** Whether the rows of A and of B run along k. */
export const runsAlongDepth: Record<Layout, readonly [a: boolean, b: boolean]> = {
  nn: [true, false],
  nt: [true, true],
  tn: [false, false],
};

/** The shape that B must have, given A's shared dimension. */
export const rightShape: Record<Layout, (k: Dimension) => (Dimension | null)[]> = {
  nn: (k) => [k, null],
  nt: (k) => [null, k],
  tn: (k) => [k, null],
};

/** The sizes of a node's product. */
export function matmulShape({ inputs: [a, b], attributes: { layout } }: Product): MatmulShape {
  return matmulDimensions[layout](a!.shape, b!.shape);
}

/** The attributes of a plain product. */
export const plainProduct = (layout: Layout, scale: number, dtype: FloatType): MatmulAttributes => ({
  layout,
  scale,
  dtype,
  bias: false,
  addend: false,
  activation: "none",
  rowSums: false,
});
