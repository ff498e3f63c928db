/**
 * Matmul, variant "soft", for software adapters, where workgroup memory and barriers cost more than they save. A lane owns one vector of four
 * columns and a column of accumulators in registers; what the lanes of a subgroup need of A comes by `subgroupBroadcast` from the lane that
 * loaded it. Needs subgroups of a fixed size of 4, 8 or 16, and rows that divide into vectors of four.
 *
 * Rows and columns beyond an edge are computed from the last valid one and not stored; depth beyond k is masked to zero. Sizes are parameters and
 * not part of the WGSL: such an adapter compiles each pipeline for a second or more, and a model has many shapes.
 */
import type { Capabilities } from "../gpu/capabilities.ts";
import { wgsl } from "../gpu/shader.ts";
import { kernel, paramU32, sizeOf, sizeParam, vectorWidth } from "./kernel.ts";
import { type Layout, type MatmulAttributes, type MatmulShape, matmulShape, matmulTensors } from "./matmul.ts";
import { epilogue } from "./matmul-epilogue.ts";
import { capacity, type Dimension, type Lowering, type Node, type Variant } from "./operation.ts";

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Columns a lane has in layout nt, one component of its accumulators each. */
const ntColumns = 4;

/** Rows of memory must divide into vectors of four; C's columns in nn and tn, which are stored as vectors, must not be live. */
const fits: Record<Layout, (shape: MatmulShape) => boolean> = {
  nn: ({ n, k }) => typeof n === "number" && vectorWidth(n, capacity(k)) === 4,
  nt: ({ k }) => typeof k === "number" && vectorWidth(k) === 4,
  tn: ({ m, n }) => typeof n === "number" && vectorWidth(capacity(m), n) === 4,
};

/** Lanes go by fours, and must divide the rows of a tile. */
const subgroupSizes = [4, 8, 16];

export function softVariants(node: Node<MatmulAttributes>, { subgroupSize }: Capabilities): readonly Variant[] {
  const { layout } = node.attributes;
  const shape = matmulShape(node);
  if (subgroupSize === null || !subgroupSizes.includes(subgroupSize) || !fits[layout](shape)) return [];
  return [{ name: "soft", lower: () => lowerings[layout](node, shape, subgroupSize) }];
}

const lowerings: Record<Layout, (node: Node<MatmulAttributes>, shape: MatmulShape, lanes: number) => Lowering> = {
  nn: (node, shape, lanes) => columnVectors(node, shape, lanes),
  tn: (node, shape, lanes) => columnVectors(node, shape, lanes),
  nt: dotProducts,
};

/** Subgroups of a workgroup: 128 columns on an adapter of 8 lanes. */
const subgroups = 4;

/** Rows a workgroup takes: many, so that each vector of B serves many, but not so many that a core goes idle. */
function chooseRows(m: Dimension, columnGroups: number): number {
  const workgroupsWanted = 8;
  const most = 32;
  return capacity(m) * columnGroups >= most * workgroupsWanted ? most : most / 2;
}

/** Layouts nn and tn, where B's rows run along n: a lane owns one vec4 of columns. */
function columnVectors(node: Node<MatmulAttributes>, { m, n, k }: MatmulShape, lanes: number): Lowering {
  const { layout } = node.attributes;
  const tensors = matmulTensors(node);
  const { a, b, rowSums } = tensors;
  const { reads, writes, params, declarations } = epilogue(tensors, node.attributes, 4);
  const threads = subgroups * lanes;
  const groups = Math.ceil(capacity(n) / 4 / threads);
  const tileRows = chooseRows(m, groups);
  const loads = range(tileRows / lanes);
  const quads = lanes / 4;
  // nn: lane l holds depths k … k+3 of row l. tn: it holds rows 4q … 4q+3 at depth k + l mod 4, q counting lanes by fours.
  const left: Record<"nn" | "tn", { start: string[]; load: string[]; multiply: string[] }> = {
    nn: {
      start: loads.map((g) => `let left${g} = min(row + ${g * lanes}u + lane, m - 1u) * params.leftStride;`),
      // Beyond a live k a row holds what an earlier step left.
      load: loads.map((g) =>
        typeof k === "number"
          ? `let a${g} = a(left${g} + k / 4u);`
          : `let a${g} = select(vec4f(), a(left${g} + k / 4u), vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(depth));`,
      ),
      multiply: range(tileRows).map((r) => {
        const sums = range(4).map((kk) => `c${r} = fma(vec4f(v[${kk}]), b${kk}, c${r});`);
        return `{ let v = subgroupBroadcast(a${Math.floor(r / lanes)}, ${r % lanes}u); ${sums.join(" ")} }`;
      }),
    },
    tn: {
      start: loads.map((g) => `let left${g} = min(row / 4u + ${g * quads}u + lane / 4u, params.leftStride - 1u);`),
      load: loads.map(
        (g) => `let a${g} = select(vec4f(), a(min(k + lane % 4u, last) * params.leftStride + left${g}), k + lane % 4u < depth);`,
      ),
      multiply: range(tileRows / 4).map((quad) => {
        const values = range(4).map((kk) => `let v${kk} = subgroupBroadcast(a${Math.floor(quad / quads)}, ${(quad % quads) * 4 + kk}u);`);
        const sums = range(4).flatMap((r) =>
          range(4).map((kk) => `c${quad * 4 + r} = fma(vec4f(v${kk}[${r}]), b${kk}, c${quad * 4 + r});`),
        );
        return `{ ${[...values, ...sums].join(" ")} }`;
      }),
    },
  };
  const { start, load, multiply } = left[layout as "nn" | "tn"];
  // The lanes of four, each with the depths that are its number modulo four, join what they found.
  const storeRowSums = loads
    .map((g) => {
      const joined = [1, 2].map((other) => `sum${g} += subgroupShuffleXor(sum${g}, ${other}u);`).join(" ");
      const quad = `row / 4u + ${g * quads}u + lane / 4u`;
      return `${joined} if (group.x == 0u && thread < ${lanes}u && lane % 4u == 0u && ${quad} < params.leftStride) { setRowSums(${quad}, sum${g}); }`;
    })
    .join("\n  ");
  const row = range(tileRows);
  return {
    variant: `soft ${tileRows}×${threads * 4}`,
    kernels: [
      kernel({
        label: `matmul ${layout} soft`,
        workgroupSize: [threads],
        enables: ["subgroups"],
        reads: { a: [a, "vec4f"], b: [b, "vec4f"], ...reads },
        writes: { ...writes, ...(rowSums ? { rowSums: [rowSums, "vec4f"] as const } : {}) },
        params: {
          ...params,
          m: sizeParam(m),
          k: sizeParam(k),
          leftStride: paramU32(capacity(layout === "nn" ? k : m) / 4),
          columns: paramU32(capacity(n) / 4),
        },
        declarations,
        main: wgsl`let m = ${sizeOf("m", m)};
  let depth = ${sizeOf("k", k)};
  let last = max(depth, 1u) - 1u;
  let row = group.y * ${tileRows}u;
  let ownColumn = group.x * ${threads}u + thread;
  let column = min(ownColumn, params.columns - 1u);
  ${start.join("\n  ")}
  ${row.map((r) => `var c${r} = vec4f();`).join(" ")}
  ${rowSums ? loads.map((g) => `var sum${g} = vec4f();`).join(" ") : ""}
  for (var k = 0u; k < depth; k += 4u) {
    ${load.join("\n    ")}
    ${rowSums ? loads.map((g) => `sum${g} += a${g};`).join(" ") : ""}
    ${range(4)
      .map((kk) => `let b${kk} = b(min(k + ${kk}u, last) * params.columns + column);`)
      .join("\n    ")}
    ${multiply.join("\n    ")}
  }
  ${rowSums ? storeRowSums : ""}
  if (ownColumn >= params.columns) { return; }
  // One store in a loop: a software adapter takes seconds to compile one store for each row.
  var sums = array<vec4f, ${tileRows}>(${row.map((r) => `c${r}`).join(", ")});
  for (var r = 0u; r < ${tileRows}u && row + r < m; r++) { finish((row + r) * params.columns + column, column, sums[r]); }`,
        workgroups: (live) => [groups, Math.ceil(live(m) / tileRows), 1],
        flop: (live) => 2 * live(m) * live(n) * live(k),
      }),
    ],
  };
}

/** Layout nt, where B's rows run along k: a lane owns some columns and sums dot products along k. */
function dotProducts(node: Node<MatmulAttributes>, { m, n, k }: MatmulShape, lanes: number): Lowering {
  const tensors = matmulTensors(node);
  const { a, b } = tensors;
  const { reads, writes, params, declarations } = epilogue(tensors, node.attributes, 1);
  const threads = subgroups * lanes;
  const tileRows = chooseRows(m, Math.ceil(capacity(n) / (threads * ntColumns)));
  const loads = range(tileRows / lanes);
  const columns = range(ntColumns);
  const row = range(tileRows);
  return {
    variant: `soft ${tileRows}×${threads * ntColumns}`,
    kernels: [
      kernel({
        label: "matmul nt soft",
        workgroupSize: [threads],
        enables: ["subgroups"],
        reads: { a: [a, "vec4f"], b: [b, "vec4f"], ...reads },
        writes,
        params: {
          ...params,
          m: sizeParam(m),
          n: sizeParam(n),
          depth: paramU32(capacity(k) / 4),
          stride: paramU32(capacity(n)),
        },
        declarations,
        main: wgsl`let m = ${sizeOf("m", m)};
  let n = ${sizeOf("n", n)};
  let row = group.y * ${tileRows}u;
  let column = group.x * ${threads * ntColumns}u + thread;
  ${loads.map((g) => `let left${g} = min(row + ${g * lanes}u + lane, m - 1u) * params.depth;`).join("\n  ")}
  ${columns.map((j) => `let right${j} = min(column + ${j * threads}u, n - 1u) * params.depth;`).join("\n  ")}
  ${row.map((r) => `var c${r} = vec4f();`).join(" ")}
  for (var k = 0u; k < params.depth; k++) {
    ${loads.map((g) => `let a${g} = a(left${g} + k);`).join(" ")}
    ${columns.map((j) => `let b${j} = b(right${j} + k);`).join(" ")}
    ${row.map((r) => `{ let v = subgroupBroadcast(a${Math.floor(r / lanes)}, ${r % lanes}u); c${r} += vec4f(${columns.map((j) => `dot(v, b${j})`).join(", ")}); }`).join("\n    ")}
  }
  var sums = array<vec4f, ${tileRows}>(${row.map((r) => `c${r}`).join(", ")});
  for (var j = 0u; j < ${ntColumns}u; j++) {
    let own = column + j * ${threads}u;
    if (own >= n) { break; }
    for (var r = 0u; r < ${tileRows}u && row + r < m; r++) { finish((row + r) * params.stride + own, own, sums[r][j]); }
  }`,
        workgroups: (live) => [Math.ceil(live(n) / (threads * ntColumns)), Math.ceil(live(m) / tileRows), 1],
        flop: (live) => 2 * live(m) * live(n) * live(k),
      }),
    ],
  };
}
