/** Products in each layout with each thing that their kernel may do on the way to memory, as outputs of one program. */
import type { Tape } from "../../../src/autograd/tape.ts";
import { absorb, type Dimension, type FloatType, float, type Value } from "../../../src/kernels/language/operation.ts";
import type { Layout } from "../../../src/kernels/matmul/attributes.ts";
import { matmul } from "../../../src/kernels/matmul/matmul.ts";
import { type Activation, activations } from "../../../src/kernels/pointwise/functions.ts";
import { activationGradient, gelu, geluTanh, relu, silu } from "../../../src/kernels/pointwise/pointwise.ts";
import { adjoint } from "../run.ts";

export interface ProductSize {
  readonly m: Dimension;
  readonly n: Dimension;
  readonly k: Dimension;
}

/** The layout of the operands of C[m,n] in memory. */
export const operandShapes = {
  nn: { a: ["m", "k"], b: ["k", "n"] },
  nt: { a: ["m", "k"], b: ["n", "k"] },
  tn: { a: ["k", "m"], b: ["k", "n"] },
} as const;

/** The activations that a product's kernel applies. */
export const activate = { gelu, geluTanh, relu, silu } as const satisfies Record<Activation, (x: Value) => Value>;

/**
 * Of inputs a, b, bias [n] and matrix [m,n]: `bias`; `addend`, that plus the matrix; for each of `names` the activation of `bias` (`gelu`), with
 * `geluSums` where its gradient needs them, and `geluGradient`, the derivative at the matrix times `bias`; and in layout tn `product` and
 * `rowSums`, the sums of A over k, as the gradients of a layer's weight and bias.
 */
export function epilogues(
  tape: Tape,
  layout: Layout,
  size: ProductSize,
  dtype: FloatType,
  names: readonly Activation[] = activations,
): Record<string, Value> {
  const input = (name: string, ...shape: readonly (keyof ProductSize)[]) =>
    tape.input(`${layout} ${name}`, float(dtype, ...shape.map((dimension) => size[dimension])));
  const { a: aShape, b: bShape } = operandShapes[layout];
  const [a, b, bias, matrix] = [input("a", ...aShape), input("b", ...bShape), input("bias", "n"), input("matrix", "m", "n")];
  const product = () => matmul(a, b, layout, { bias });
  const activated = names.flatMap((name) => {
    const { outputs } = activate[name](product()).node!;
    const [y, sums] = outputs;
    return [
      [name, y!],
      ...(sums ? [[`${name}Sums`, sums] as const] : []),
      [`${name}Gradient`, activationGradient(name, matrix, product())],
    ] as const;
  });
  const outputs = {
    bias: product(),
    ...Object.fromEntries(activated),
    addend: absorb(product(), { kind: "add", addend: matrix })!,
  };
  if (layout !== "tn") return outputs;
  const layer = matmul(b, input("weight", "m", "n"), "nt", { bias: input("layerBias", "m") });
  const [, weightGradient, biasGradient] = adjoint(layer, a);
  return { ...outputs, product: weightGradient!, rowSums: biasGradient! };
}
