/**
 * Matrix products in the three layouts that a linear layer needs, letters saying how each operand stands in memory:
 *
 *     nn: C[m,n] = s · A[m,k] · B[k,n]      (gradient of a layer's input)
 *     nt: C[m,n] = s · A[m,k] · B[n,k]ᵀ     (the layer itself, weights as [out, in])
 *     tn: C[m,n] = s · A[k,m]ᵀ · B[k,n]     (gradient of the weights)
 *
 * plus an optional bias [n]. Accumulates in f32 in a fixed order. Any dimension may be live; k of `tn` usually is. The variants are in
 * `matmul-soft.ts` and `matmul-tile.ts`; both pass the same tests.
 */
import type { Capabilities } from "../gpu/capabilities.ts";
import { columnSum } from "./column-sum.ts";
import { matmulSoft, softFits } from "./matmul-soft.ts";
import { matmulTile } from "./matmul-tile.ts";
import { type Dimension, expectType, f32, type Node, type Operand, type Operation, type Type, type Value } from "./operation.ts";

export type Layout = "nn" | "nt" | "tn";

export interface MatmulAttributes {
  readonly layout: Layout;
  readonly scale: number;
}

export interface MatmulShape {
  readonly m: Dimension;
  readonly n: Dimension;
  readonly k: Dimension;
}

const dimensions: Record<Layout, (a: Type["shape"], b: Type["shape"]) => MatmulShape> = {
  nn: (a, b) => ({ m: a[0]!, k: a[1]!, n: b[1]! }),
  nt: (a, b) => ({ m: a[0]!, k: a[1]!, n: b[0]! }),
  tn: (a, b) => ({ m: a[1]!, k: a[0]!, n: b[1]! }),
};

/** What B must be, given A's shared dimension. */
const rightShape: Record<Layout, (k: Dimension) => (Dimension | null)[]> = {
  nn: (k) => [k, null],
  nt: (k) => [null, k],
  tn: (k) => [k, null],
};

const operation: Operation<MatmulAttributes> = {
  name: "matmul",
  infer([a, b, bias], { layout }) {
    expectType(`matmul ${layout}`, "a", a!, "f32", [null, null]);
    expectType(`matmul ${layout}`, "b", b!, "f32", [null, null]);
    const { m, n, k } = dimensions[layout](a!.shape, b!.shape);
    expectType(`matmul ${layout}`, "b", b!, "f32", rightShape[layout](k));
    if (bias) expectType(`matmul ${layout}`, "bias", bias, "f32", [n]);
    return [f32(m, n)];
  },
  lower: (node, capabilities) => lowerMatmul(node, capabilities),
  gradient({ inputs: [a, b, bias], attributes: { layout, scale } }, [dc]) {
    if (!dc) return [null, null, null];
    const product = (x: Value, y: Value, as: Layout) => matmul(x, y, as, { scale });
    const rules: Record<Layout, () => [Value, Value]> = {
      nn: () => [product(dc, b!, "nt"), product(a!, dc, "tn")],
      nt: () => [product(dc, b!, "nn"), product(dc, a!, "tn")],
      tn: () => [product(b!, dc, "nt"), product(a!, dc, "nn")],
    };
    return [...rules[layout](), ...(bias ? [columnSum(dc)] : [])];
  },
};

function lowerMatmul(node: Node<MatmulAttributes>, capabilities: Capabilities) {
  const {
    inputs: [a, b],
    attributes,
  } = node;
  const shape = dimensions[attributes.layout](a!.shape, b!.shape);
  return capabilities.software && softFits(shape, attributes.layout, capabilities)
    ? matmulSoft(node, shape, capabilities)
    : matmulTile(node, shape);
}

export interface MatmulOptions {
  /** f32 [n], added to every row. */
  readonly bias?: Operand;
  /** Multiplies the product; 1 if absent. */
  readonly scale?: number;
}

/** The product of two f32 matrices in a layout, see above. Throws `ShapeError` when they do not fit. */
export function matmul(a: Value, b: Operand, layout: Layout, { bias, scale = 1 }: MatmulOptions = {}): Value {
  return a.tape.append(operation, [a, b, ...(bias ? [bias] : [])], { layout, scale })[0]!;
}
