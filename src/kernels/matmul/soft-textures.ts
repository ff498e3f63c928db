/**
 * Matmul, variant "soft textures": the variant `soft` with both operands read through textures, for software adapters. On llvmpipe, loads
 * take nearly half of a product's time, and a load from a storage texture takes two thirds of one from a buffer. The copies into textures
 * cost a few percent of a large product. A workgroup is one subgroup; a lane computes four columns.
 *
 * Rows beyond an edge are computed from the last valid one and not stored; depth beyond a live k is masked to zero. Sizes are parameters,
 * so that all products of a layout and an epilogue share a pipeline.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { columnsPerLayer, type MatrixSize } from "../../gpu/matrix-texture.ts";
import { range, wgsl } from "../../gpu/shader.ts";
import { kernel, paramU32, sizeOf, sizeParam } from "../language/kernel.ts";
import { capacity, type Dimension, type Lowering, type Node, type Variant } from "../language/operation.ts";
import { type Layout, type MatmulAttributes, type MatmulShape, matmulShape, matmulTensors, operandShapes } from "./attributes.ts";
import { epilogue } from "./epilogue.ts";
import { storeRowSums } from "./soft.ts";

/**
 * Lanes of llvmpipe with AVX2. SwiftShader has 4, and other costs. With 16 lanes (LP_NATIVE_VECTOR_WIDTH=512), llvmpipe of Mesa 25.0 loads
 * wrong values from textures.
 */
const lanes = 8;

/** Fewer rows or columns of C do not pay for the copy of the other operand. */
const fewest = 128;

/** Rows per workgroup; the fewer rows where there would be too few workgroups for the cores. */
const rowsOf = { most: 64, least: 32, workgroupsWanted: 16 } as const;

/** The variant, if it suits the device and the node. */
export function softTextureVariants(node: Node<MatmulAttributes>, capabilities: Capabilities): readonly Variant[] {
  const { subgroupSize, matrixTextures } = capabilities;
  if (!matrixTextures || subgroupSize !== lanes) return [];
  return fits(node, capabilities) ? [{ name: "soft textures", lower: () => lower(node) }] : [];
}

function fits(node: Node<MatmulAttributes>, { limits }: Capabilities): boolean {
  const { layout } = node.attributes;
  const { a, b } = matmulTensors(node);
  const shape = matmulShape(node);
  const { m, n, k } = shape;
  const operands = Object.values(operandShapes[layout](shape)).map(
    ([rows, columns]): MatrixSize => ({ rows: capacity(rows!), columns: capacity(columns!) }),
  );
  return (
    [a, b].every(({ dtype }) => dtype === "f32") &&
    operands.every(
      ({ rows, columns }) =>
        columns % columnsPerLayer === 0 &&
        columns / columnsPerLayer <= limits.maxTextureArrayLayers &&
        rows <= limits.maxTextureDimension2D,
    ) &&
    // The rows of both operands in memory, and C's columns, which are stored as vectors.
    isKnown[layout]({ m, n, k }) &&
    capacity(n) % 4 === 0 &&
    Math.min(capacity(m), capacity(n)) >= fewest
  );
}

const isNumber = (dimension: Dimension) => typeof dimension === "number";
const isKnown: Record<Layout, (shape: MatmulShape) => boolean> = {
  nn: ({ n, k }) => isNumber(n) && isNumber(k),
  nt: ({ n, k }) => isNumber(n) && isNumber(k),
  tn: ({ m, n }) => isNumber(m) && isNumber(n),
};

/** WGSL of a layout: where a lane's vectors of A and B begin, how they are loaded for the depths `k` to `k + 3`, and their products. */
interface Text {
  readonly start: readonly string[];
  readonly load: readonly string[];
  readonly multiply: readonly string[];
}

const shuffle = (vector: string, lane: number) => `subgroupShuffle(${vector}, ${lane}u)`;

/** Vectors of A that a lane loads at a time. */
const loadsOf = (rows: number) => range(rows / lanes);

/** A's rows run along k: lane l holds depths k to k + 3 of row l. */
const rowsAlongDepth = (rows: number): Pick<Text, "start" | "load"> => ({
  start: loadsOf(rows).map((g) => `let left${g} = min(row + ${g * lanes}u + lane, m - 1u);`),
  load: loadsOf(rows).map((g) => `let a${g} = a(left${g}, k / 4u);`),
});

/** B's rows run along n: a vector holds four columns at one depth. */
const columnsAtDepth = (depth: (u: number) => string) => range(4).map((u) => `let b${u} = b(${depth(u)}, column / 4u);`);

/** Adds the products at four depths to a row of C. One expression, because llvmpipe masks every assignment in a loop; Mesa 26 fuses its steps. */
const accumulate = (row: number, factor: (u: number) => string) =>
  `c${row} = ${range(4).reduce((inner, u) => `fma(vec4f(${factor(u)}), b${u}, ${inner})`, `c${row}`)};`;

/** The products of each row of A, whose vector at four depths one lane has. */
const multiplyRows = (rows: number) =>
  range(rows).map((r) => `{ let v = ${shuffle(`a${Math.floor(r / lanes)}`, r % lanes)}; ${accumulate(r, (u) => `v.${"xyzw"[u]}`)} }`);

const texts: Record<Layout, (rows: number) => Text> = {
  nt(rows) {
    const { start, load } = rowsAlongDepth(rows);
    return {
      start: [...start, ...range(4).map((j) => `let right${j} = min(column + ${j}u, n - 1u);`)],
      load: [
        ...load,
        ...range(4).map((j) => `let column${j} = b(right${j}, k / 4u);`),
        ...range(4).map(
          (u) =>
            `let b${u} = vec4f(${range(4)
              .map((j) => `column${j}.${"xyzw"[u]}`)
              .join(", ")});`,
        ),
      ],
      multiply: multiplyRows(rows),
    };
  },
  nn(rows) {
    const { start, load } = rowsAlongDepth(rows);
    return { start, load: [...load, ...columnsAtDepth((u) => `k + ${u}u`)], multiply: multiplyRows(rows) };
  },
  // Lane l holds rows 4q to 4q + 3 of A at depth k + l mod 4, where q counts groups of four lanes.
  tn(rows) {
    const quads = lanes / 4;
    return {
      start: loadsOf(rows).map((g) => `let left${g} = min(row / 4u + ${g * quads}u + lane / 4u, params.leftVectors - 1u);`),
      load: [
        ...loadsOf(rows).map((g) => `let a${g} = select(vec4f(), a(min(k + lane % 4u, last), left${g}), k + lane % 4u < depth);`),
        ...columnsAtDepth((u) => `min(k + ${u}u, last)`),
      ],
      multiply: range(rows / 4).map((quad) => {
        const values = range(4).map((u) => `let v${u} = ${shuffle(`a${Math.floor(quad / quads)}`, (quad % quads) * 4 + u)};`);
        const sums = range(4).map((r) => accumulate(quad * 4 + r, (u) => `v${u}[${r}]`));
        return `{ ${[...values, ...sums].join(" ")} }`;
      }),
    };
  },
};

function lower(node: Node<MatmulAttributes>): Lowering {
  const { layout } = node.attributes;
  const { m, n, k } = matmulShape(node);
  const tensors = matmulTensors(node);
  const { a, b, rowSums } = tensors;
  const { reads, writes, params, declarations } = epilogue(tensors, node.attributes, 4);
  const columns = lanes * 4;
  const groups = Math.ceil(capacity(n) / columns);
  const { most, least, workgroupsWanted } = rowsOf;
  const rows = groups * Math.ceil(capacity(m) / most) >= workgroupsWanted ? most : least;
  const { start, load, multiply } = texts[layout](rows);
  const loads = loadsOf(rows);
  return {
    variant: `soft textures ${rows}×${columns}`,
    kernels: [
      kernel({
        label: `matmul ${layout} soft textures`,
        workgroupSize: [lanes],
        enables: ["subgroups"],
        reads,
        textures: { a, b },
        writes: { ...writes, rowSums: rowSums && [rowSums, "vec4f"] },
        params: {
          ...params,
          m: sizeParam(m),
          n: paramU32(capacity(n)),
          k: sizeParam(k),
          ...(layout === "tn" ? { leftVectors: paramU32(capacity(m) / 4) } : {}),
        },
        declarations,
        main: wgsl`let m = ${sizeOf("m", m)};
  let n = params.n;
  let depth = ${sizeOf("k", k)};
  let last = max(depth, 1u) - 1u;
  let row = group.y * ${rows}u;
  let column = group.x * ${columns}u + thread * 4u;
  ${start.join("\n  ")}
  ${range(rows)
    .map((r) => `var c${r} = vec4f();`)
    .join(" ")}
  ${rowSums ? loads.map((g) => `var sum${g} = vec4f();`).join(" ") : ""}
  for (var k = 0u; k < depth; k += 4u) {
    ${load.join("\n    ")}
    ${rowSums ? loads.map((g) => `sum${g} += a${g};`).join(" ") : ""}
    ${multiply.join("\n    ")}
  }
  ${rowSums ? loads.map((g) => storeRowSums(g, lanes)).join("\n  ") : ""}
  var sums = array<vec4f, ${rows}>(${range(rows)
    .map((r) => `c${r}`)
    .join(", ")});
  if (column >= n) { return; }
  for (var r = 0u; r < ${rows}u && row + r < m; r++) { finish(((row + r) * n + column) / 4u, column / 4u, sums[r]); }`,
        workgroups: (live) => [groups, Math.ceil(live(m) / rows), 1],
        flop: (live) => 2 * live(m) * live(n) * live(k),
      }),
    ],
  };
}
