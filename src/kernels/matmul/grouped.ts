/**
 * Several products in one dispatch: C₁ = A₁ᵀ·B₁, C₂ = A₂ᵀ·B₂, …, the gradients of several weights, and the sums of each A over k, those of
 * their biases (known as grouped GEMM). Each alone has few tiles of C and a large k, so its k would be split into many parts. Together they
 * have enough tiles for matrix units without that; in f32 a few parts are enough.
 *
 * Model code never calls it. The planner puts products together whose results are read late (`autograd/groups.ts`); this file says which
 * ones may be, and the variants `tile` and `subgroup matrix` compute them.
 */
import { ShapeError } from "../../errors.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import { range } from "../../gpu/shader.ts";
import { vectorWidth } from "../language/kernel.ts";
import {
  type Dimension,
  expectType,
  f32,
  type Grouping,
  type Node,
  type Operation,
  type Probes,
  type Type,
  type Variant,
} from "../language/operation.ts";
import { needsWindows } from "../language/windows.ts";
import { type MatmulAttributes, matmulShape, type Product, plainProduct } from "./attributes.ts";
import { probeSizes } from "./probe-sizes.ts";
import { tilesOf } from "./split-depth.ts";
import { subgroupMatrixVariants } from "./subgroup-matrix.ts";
import { tileVariants } from "./tile.ts";

/** Inputs are A₁ [k, m₁], B₁ [k, n₁], A₂, …; outputs are C₁, the sums of A₁ if they are wanted, C₂, … */
export interface GroupedAttributes {
  readonly rowSums: boolean;
}

/** Products in layout tn that do not fill a GPU with fewer tiles than this, 128×64 elements each, are computed apart, with k in parts. */
const fewestTiles = 512;

/** Buffers that a product binds. */
const bindings = ({ rowSums }: GroupedAttributes) => (rowSums ? 4 : 3);

export const grouped: Operation<GroupedAttributes> = {
  name: "groupedMatmul",
  infer(inputs, { rowSums }) {
    if (inputs.length === 0 || inputs.length % 2 === 1) {
      throw new ShapeError(`groupedMatmul: ${inputs.length} operands are no pairs.`, "Give two matrices for each product.");
    }
    const k = inputs[0]!.shape[0]!;
    return inputs.flatMap((a, i) => {
      if (i % 2 === 1) return [];
      expectType("groupedMatmul", "a", a, "float", [k, null]);
      expectType("groupedMatmul", "b", inputs[i + 1]!, "float", [k, null]);
      const [m, n] = [a.shape[1]!, inputs[i + 1]!.shape[1]!];
      return [f32(m, n), ...(rowSums ? [f32(m)] : [])];
    });
  },
  variants,
  probes,
  lower: (node, capabilities) => variants(node, capabilities)[0]!.lower(),
};

function variants(node: Node<GroupedAttributes>, capabilities: Capabilities): readonly Variant[] {
  const products = productsOf(node);
  return [...subgroupMatrixVariants(products, capabilities), ...tileVariants(products, capabilities)];
}

/** The products of a node. */
function productsOf({ inputs, outputs, attributes: { rowSums } }: Node<GroupedAttributes>): readonly Product[] {
  const attributes = { ...plainProduct("tn", 1, "f32"), rowSums };
  const results = rowSums ? 2 : 1;
  return range(inputs.length / 2).map((i) => ({
    attributes,
    inputs: inputs.slice(2 * i, 2 * i + 2),
    outputs: outputs.slice(results * i, results * (i + 1)),
  }));
}

/** As many products as the node has, so that it is the node's own kernel. They differ in m and n. */
function probes({ inputs: operands, attributes }: Node<GroupedAttributes>): Probes<GroupedAttributes> {
  const { dtype, shape } = operands[0]!;
  const [depth] = shape as [Dimension];
  const inputs = probeSizes(depth).map(([m, n, size]) => {
    const k = typeof depth === "number" ? size : { ...depth, name: "k", capacity: size };
    return operands.map((_, i): Type => ({ dtype, shape: [k, i % 4 === 0 || i % 4 === 3 ? m : n] }));
  });
  return { inputs, portable: attributes };
}

/** Products alike but for m and n whose results nothing else is done to: gradients of weights. */
export const grouping: Grouping<MatmulAttributes> = {
  kind(node, capabilities) {
    const { limits } = capabilities;
    const { layout, scale, bias, addend, activation, dtype, rowSums } = node.attributes;
    const { m, n, k } = matmulShape(node);
    const isPlain = layout === "tn" && scale === 1 && !bias && !addend && activation === "none" && dtype === "f32";
    const isKnown = typeof m === "number" && typeof n === "number" && vectorWidth(m, n) === 4;
    const tensors = [...node.inputs, ...node.outputs];
    if (!isPlain || !isKnown || tensors.some((tensor) => needsWindows(tensor, limits.maxStorageBufferBindingSize))) return null;
    const depth = typeof k === "number" ? `${k}` : `word ${k.word}`;
    return [depth, rowSums, ...node.inputs.map((input) => input.dtype)].join(" ");
  },
  most: ({ attributes }, { limits }) => Math.floor(limits.maxStorageBuffersPerShaderStage / bindings(attributes)),
  together(nodes) {
    if (tilesOf(nodes, { rows: 128, columns: 64 }) < fewestTiles) return null;
    return {
      operation: grouped as Operation,
      attributes: { rowSums: nodes[0]!.attributes.rowSums },
      inputs: nodes.flatMap(({ inputs }) => inputs),
      outputs: nodes.flatMap(({ outputs }) => outputs),
    };
  },
};
