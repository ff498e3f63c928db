/**
 * Matrix products in the three layouts that a linear layer needs. Each letter says how an operand is stored:
 *
 *     nn: C[m,n] = s · A[m,k] · B[k,n]      (gradient of a layer's input)
 *     nt: C[m,n] = s · A[m,k] · B[n,k]ᵀ     (the layer itself, weights as [out, in])
 *     tn: C[m,n] = s · A[k,m]ᵀ · B[k,n]     (gradient of the weights)
 *
 * Accumulates in f32 in a fixed order. Any dimension may be live; k of `tn` usually is. The same kernel adds a bias [n], adds another
 * matrix, applies a function such as GELU or its derivative (`epilogue.ts`), and in `tn` computes the sums of A over k, the gradient of a bias.
 *
 * The variants are in separate files and pass the same tests; `variants` lists those that suit a device and a shape, the best guess first.
 */

import { ShapeError } from "../../errors.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import { columnSum } from "../column-sum.ts";
import {
  type Dimension,
  expectType,
  type FloatType,
  f32,
  float,
  floatOf,
  type Node,
  type Operand,
  type Operation,
  type Probes,
  type Type,
  type Value,
  type Variant,
} from "../language/operation.ts";
import { activationGradient } from "../pointwise/pointwise.ts";
import {
  type Layout,
  type MatmulAttributes,
  type MatmulShape,
  matmulDimensions,
  matmulShape,
  matmulTensors,
  operandShapes,
  plainProduct,
  rightShape,
} from "./attributes.ts";
import { finishOf, isActivation, keepsSums } from "./finish.ts";
import { grouping } from "./grouped.ts";
import { probeSizes } from "./probe-sizes.ts";
import { softVariants } from "./soft.ts";
import { softTextureVariants } from "./soft-textures.ts";
import { subgroupMatrixVariants } from "./subgroup-matrix.ts";
import { tileVariants } from "./tile.ts";

const operation: Operation<MatmulAttributes> = {
  name: "matmul",
  infer([a, b, ...more], { layout, bias, addend, activation, rowSums, dtype }) {
    const name = `matmul ${layout}`;
    expectType(name, "a", a!, "float", [null, null]);
    expectType(name, "b", b!, "float", [null, null]);
    const { m, n, k } = matmulDimensions[layout](a!.shape, b!.shape);
    expectType(name, "b", b!, "float", rightShape[layout](k));
    if (bias) expectType(name, "bias", more.shift()!, "float", [n]);
    if (addend) expectType(name, "addend", more.shift()!, "float", [m, n]);
    const finish = finishOf(activation);
    if (finish?.isGradient) expectType(name, finish.reads, more.shift()!, "float", [m, n]);
    const c = float(dtype, m, n);
    return [c, ...(keepsSums(activation) ? [c] : []), ...(rowSums ? [f32(m)] : [])];
  },
  variants,
  grouping,
  writesOnce: true,
  // What follows the product hardly matters for how it is tiled.
  measuredAs: ({ inputs: [a, b], attributes: { layout, dtype } }) => ({ inputs: [a!, b!], attributes: plainProduct(layout, 1, dtype) }),
  probes,
  lower: (node, capabilities) => variants(node, capabilities)[0]!.lower(),
  absorb({ attributes, inputs, outputs }, follower) {
    if (attributes.activation !== "none" || attributes.addend || attributes.rowSums) return null;
    const append = (change: Partial<MatmulAttributes>, ...more: Value[]) =>
      outputs[0]!.tape.append(operation, [...inputs, ...more], { ...attributes, ...change })[0]!;
    if (follower.kind === "add") return append({ addend: true }, follower.addend);
    if (follower.kind === "expand" || !isActivation(follower.name)) return null;
    return follower.kind === "function"
      ? append({ activation: follower.name })
      : append({ activation: `${follower.name}Gradient` }, follower.at);
  },
  gradient(node, [dc, dPre]) {
    const { layout, scale, activation } = node.attributes;
    const { a, b, bias, addend, c, keptPreActivation } = matmulTensors(node);
    const finish = finishOf(activation);
    if (finish?.isGradient || dPre) {
      throw new ShapeError("matmul: a gradient cannot be differentiated again.", "Differentiate a loss of first order.");
    }
    if (!dc) return node.inputs.map(() => null);
    const d = finish ? activationGradient(finish.activation, keptPreActivation ?? c, dc) : dc;
    // A parameter's gradient is f32, even where the product's operands are f16.
    const product = (of: Value, x: Value, y: Value, as: Layout) => matmul(x, y, as, { scale, dtype: of.persistent ? "f32" : floatOf(of) });
    const rules: Record<Layout, () => [Value, Value, Value | null]> = {
      nn: () => [product(a, d, b, "nt"), product(b, a, d, "tn"), null],
      nt: () => {
        const attributes = { ...plainProduct("tn", scale, b.persistent ? "f32" : floatOf(b)), rowSums: bias !== undefined };
        const [db, sums] = d.tape.append(operation, [d, a], attributes);
        return [product(a, d, b, "nn"), db!, sums ?? null];
      },
      tn: () => [product(a, b, d, "nt"), product(b, a, d, "nn"), null],
    };
    const [da, db, dBias] = rules[layout]();
    return [da, db, ...(bias ? [dBias ?? columnSum(d)] : []), ...(addend ? [d] : [])];
  },
};

function variants(node: Node<MatmulAttributes>, capabilities: Capabilities): readonly Variant[] {
  const soft = capabilities.software ? [...softTextureVariants(node, capabilities), ...softVariants(node, capabilities)] : [];
  return [...soft, ...subgroupMatrixVariants([node], capabilities), ...tileVariants([node], capabilities)];
}

function probes(node: Node<MatmulAttributes>): Probes<MatmulAttributes> {
  const { layout } = node.attributes;
  const shape = matmulShape(node);
  const roles = Object.entries(matmulTensors(node)).filter(([, value]) => node.inputs.includes(value));
  const inputs = probeSizes(shape.k).map(([m, n, k]) => {
    const sized = (name: keyof MatmulShape, size: number): Dimension =>
      typeof shape[name] === "number" ? size : { ...shape[name], name, capacity: size };
    const size: MatmulShape = { m: sized("m", m), n: sized("n", n), k: sized("k", k) };
    const shapes: Record<string, readonly Dimension[]> = {
      ...operandShapes[layout](size),
      bias: [size.n],
      addend: [size.m, size.n],
      slopeAt: [size.m, size.n],
    };
    return roles.map(([role, { dtype }]): Type => ({ dtype, shape: shapes[role]! }));
  });
  return { inputs, portable: { ...node.attributes, dtype: "f32" } };
}

/** Options of `matmul`. */
export interface MatmulOptions {
  /** [n], added to every row. */
  readonly bias?: Operand | undefined;
  /** Multiplies the product; 1 if absent. */
  readonly scale?: number;
  /** How the product is stored; like `a` if absent. */
  readonly dtype?: FloatType;
}

/** The product of two matrices in one of the layouts above. Throws `ShapeError` when the shapes do not match. */
export function matmul(a: Value, b: Operand, layout: Layout, { bias, scale = 1, dtype = floatOf(a) }: MatmulOptions = {}): Value {
  return a.tape.append(operation, [a, b, ...(bias ? [bias] : [])], { ...plainProduct(layout, scale, dtype), bias: bias !== undefined })[0]!;
}
