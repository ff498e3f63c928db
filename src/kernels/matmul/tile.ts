/**
 * Matmul, variant "tile": runs on every WebGPU device and takes every shape. A workgroup computes a tile of C from tiles of A and B in
 * workgroup memory; a thread computes 8×8 of its elements in registers and reads vectors of four. Nothing beyond an edge is stored, and
 * depth beyond k counts as zero.
 *
 * If an operand's rows run along k, it is transposed on its way into workgroup memory, in blocks of 4×4 that a thread holds in registers.
 * So both tiles have k as their rows there, and the inner loop is the same for all layouts. If both operands are f16 and the device
 * computes with f16, the tiles are kept as f16, which moves half as many bytes; products accumulate in f32.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { range, wgsl } from "../../gpu/shader.ts";
import { kernel, paramU32, sizeOf, sizeParam, vector, vectorWidth } from "../language/kernel.ts";
import { capacity, type Dimension, type Lowering, type Node, type Variant } from "../language/operation.ts";
import { type MatmulAttributes, matmulShape, matmulTensors, runsAlongDepth } from "./attributes.ts";
import { epilogue } from "./epilogue.ts";

interface Tile {
  /** Rows and columns of C that a workgroup computes, and the depth it handles at a time. */
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

/** Rows and columns per thread. */
const perThread = 8;

/**
 * The tiles, each within the 16 KB of workgroup memory and the 256 threads of every device. With the first one, small products fill a small
 * GPU.
 */
const tiles: readonly Tile[] = [
  { rows: 64, columns: 64, depth: 16 },
  { rows: 128, columns: 64, depth: 16 },
  { rows: 128, columns: 128, depth: 16 },
  { rows: 32, columns: 64, depth: 32 },
];

/** Tiles of C that keep a GPU busy: if there are fewer, smaller tiles are better. */
const enoughWorkgroups = 256;

/** The variants for any device, one for each tile; the best guess first. */
export function tileVariants(node: Node<MatmulAttributes>, capabilities: Capabilities): readonly Variant[] {
  const { m, n } = matmulShape(node);
  const workgroups = ({ rows, columns }: Tile) => Math.ceil(capacity(m) / rows) * Math.ceil(capacity(n) / columns);
  const best = capabilities.software
    ? tiles[0]!
    : ([tiles[2]!, tiles[1]!, tiles[0]!].find((tile) => workgroups(tile) >= enoughWorkgroups) ?? tiles[0]!);
  return [best, ...tiles.filter((tile) => tile !== best)].map((tile) => ({
    name: `tile ${tile.rows}×${tile.columns}×${tile.depth}`,
    lower: () => lowerTile(node, tile, capabilities),
  }));
}

/** How one operand is loaded into workgroup memory. */
interface Side {
  readonly name: "left" | "right";
  /** Size of the tile along the edge of C. */
  readonly size: number;
  readonly extent: Dimension;
  /** Whether the operand's rows run along k. */
  readonly alongDepth: boolean;
  readonly operand: "a" | "b";
  /** Elements per row of the operand's memory. */
  readonly stride: number;
  /** Elements read at a time; the other operand may have another width. Packed f16 can only be read in fours. */
  readonly width: 1 | 4;
}

/** The choices that determine a tile's WGSL. */
interface Tiling {
  readonly tile: Tile;
  readonly left: Side;
  readonly right: Side;
  /** WGSL type of a vector in workgroup memory. */
  readonly stored: string;
  /** Columns that are stored at a time. */
  readonly stores: 1 | 4;
  readonly threads: readonly [x: number, y: number];
}

function tilingOf(node: Node<MatmulAttributes>, tile: Tile, halves: boolean): Tiling {
  const { m, n, k } = matmulShape(node);
  const [leftAlong, rightAlong] = runsAlongDepth[node.attributes.layout];
  const side = (own: Pick<Side, "name" | "size" | "extent" | "alongDepth" | "operand">): Side => {
    const stride = capacity(own.alongDepth ? k : own.extent);
    return { ...own, stride, width: vectorWidth(stride) };
  };
  return {
    tile,
    left: side({ name: "left", size: tile.rows, extent: m, alongDepth: leftAlong, operand: "a" }),
    right: side({ name: "right", size: tile.columns, extent: n, alongDepth: rightAlong, operand: "b" }),
    stored: halves ? "vec4<f16>" : "vec4f",
    // Writes beyond a live edge are undefined anyway; packed f16 can only be written in fours.
    stores: vectorWidth(capacity(n)),
    threads: [tile.columns / perThread, tile.rows / perThread],
  };
}

function lowerTile(node: Node<MatmulAttributes>, tile: Tile, capabilities: Capabilities): Lowering {
  const tensors = matmulTensors(node);
  const { a, b, rowSums } = tensors;
  const { m, n, k } = matmulShape(node);
  const halves = a.dtype === "f16" && b.dtype === "f16" && capabilities.features.has("shader-f16");
  const tiling = tilingOf(node, tile, halves);
  const { left, right, stored, threads } = tiling;
  const { reads, writes, params, declarations } = epilogue(tensors, node.attributes, tiling.stores);
  return {
    variant: `tile ${tile.rows}×${tile.columns}×${tile.depth}`,
    kernels: [
      kernel({
        label: `matmul ${node.attributes.layout} tile`,
        workgroupSize: threads,
        enables: halves ? ["f16"] : [],
        reads: { a: [a, vector(left.width)], b: [b, vector(right.width)], ...reads },
        writes: { ...writes, ...(rowSums ? { rowSums: [rowSums, "f32"] as const } : {}) },
        params: {
          ...params,
          m: sizeParam(m),
          n: sizeParam(n),
          k: sizeParam(k),
          stride: paramU32(capacity(n)),
          leftStride: paramU32(left.stride),
          rightStride: paramU32(right.stride),
        },
        declarations: wgsl`${declarations}
${[left, right].map(({ name, size }) => `var<workgroup> ${name}: array<${stored}, ${(size / 4) * tile.depth}>;`).join("\n")}
${[left, right].map((side) => loadBlock(side, tile.depth, stored)).join("\n")}`,
        main: mainText(tiling, { m: sizeOf("m", m), n: sizeOf("n", n), k: sizeOf("k", k) }, rowSums !== undefined),
        workgroups: (live) => [Math.ceil(live(n) / tile.columns), Math.ceil(live(m) / tile.rows), 1],
        flop: (live) => 2 * live(m) * live(n) * live(k),
      }),
    ],
  };
}

/**
 * The body: loads blocks of both operands into workgroup memory, multiplies in registers, and passes each thread's elements to the
 * epilogue.
 */
function mainText(
  { tile, left, right, stores, threads }: Tiling,
  size: Readonly<Record<"m" | "n" | "k", string>>,
  hasRowSums: boolean,
): string {
  const load = ({ name, size }: Side, edge: string) =>
    `for (var i = thread; i < ${(size / 4) * (tile.depth / 4)}u; i += ${threads[0] * threads[1]}u) { ${name}Block(i, ${edge}, k0, depth); }`;
  return wgsl`let m = ${size.m};
  let n = ${size.n};
  let depth = ${size.k};
  let firstRow = group.y * ${tile.rows}u;
  let firstColumn = group.x * ${tile.columns}u;
  ${cells.map((cell) => `var c${cell} = 0.0;`).join(" ")}
  ${hasRowSums ? each((i) => `var sum${i} = 0.0;`) : ""}
  for (var k0 = 0u; k0 < depth; k0 += ${tile.depth}u) {
    ${load(left, "firstRow, m")}
    ${load(right, "firstColumn, n")}
    workgroupBarrier();
    for (var k = 0u; k < ${tile.depth}u; k++) {
      ${multiply(tile, hasRowSums)}
    }
    workgroupBarrier();
  }
  ${storeCells(stores)}
  ${hasRowSums ? storeRowSums : ""}`;
}

/** WGSL that multiplies a thread's rows and columns of both tiles at depth `k`. */
function multiply(tile: Tile, hasRowSums: boolean): string {
  const quads = perThread / 4;
  const loads = range(quads).map(
    (q) =>
      `let a${q} = vec4f(left[k * ${tile.rows / 4}u + local.y * ${quads}u + ${q}u]); let b${q} = vec4f(right[k * ${tile.columns / 4}u + local.x * ${quads}u + ${q}u]);`,
  );
  const products = cells.map(
    (cell) => `c${cell} = fma(${component("a", Math.floor(cell / perThread))}, ${component("b", cell % perThread)}, c${cell});`,
  );
  return [...loads, products.join(" "), hasRowSums ? each((i) => `sum${i} += ${component("a", i)};`) : ""].join("\n      ");
}

/** WGSL that stores the elements within C. It is a loop, because a software adapter compiles each store slowly. */
function storeCells(stores: 1 | 4): string {
  const vectors = range(cells.length / stores).map((i) => `T(${range(stores).map((j) => `c${i * stores + j}`)})`);
  return wgsl`var sums = array<T, ${vectors.length}>(${vectors.join(", ")});
  for (var i = 0u; i < ${perThread}u; i++) {
    let row = firstRow + local.y * ${perThread}u + i;
    if (row >= m) { break; }
    for (var j = 0u; j < ${perThread / stores}u; j++) {
      let column = firstColumn + local.x * ${perThread}u + j * ${stores}u;
      if (column >= n) { break; }
      finish((row * params.stride + column) / ${stores}u, column / ${stores}u, sums[i * ${perThread / stores}u + j]);
    }
  }`;
}

/** A thread's elements of C, row by row. */
const cells = range(perThread * perThread);

/** WGSL for each row of a thread. */
const each = (line: (row: number) => string) => range(perThread).map(line).join(" ");

const component = (name: string, i: number) => `${name}${Math.floor(i / 4)}[${i % 4}]`;

/** The threads in the first column of the first workgroups have read all of their rows of A. */
const storeRowSums = wgsl`if (group.x == 0u && local.x == 0u) {
    var rowTotals = array<f32, ${perThread}>(${range(perThread)
      .map((i) => `sum${i}`)
      .join(", ")});
    for (var i = 0u; i < ${perThread}u; i++) {
      let row = firstRow + local.y * ${perThread}u + i;
      if (row < m) { setRowSums(row, rowTotals[i]); }
    }
  }`;

/** WGSL `leftBlock(i, first, edge, k0, depth)`: loads block `i` of 4×4 elements into workgroup memory; `edge` is where C ends. */
function loadBlock({ name, size, alongDepth, operand, width }: Side, depth: number, stored: string): string {
  const stride = `params.${name}Stride`;
  // Four neighbours in a row of memory from `column` on. Elements from `count` on must not be read.
  const four = (row: string, column: string, count: string) =>
    width === 4
      ? `${operand}((${row} * ${stride} + ${column}) / 4u)`
      : `vec4f(${range(4)
          .map((i) => `${operand}(${row} * ${stride} + min(${column} + ${i}u, ${count} - 1u))`)
          .join(", ")})`;
  const lines = alongDepth
    ? wgsl`let edgeQuad = i / ${depth / 4}u;
  let depthQuad = i % ${depth / 4}u;
  let k = k0 + depthQuad * 4u;
  let column = min(k, (depth - 1u) & ~3u);
  let inside = vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(depth);
  ${range(4)
    .map((j) => {
      const row = `min(first + edgeQuad * 4u + ${j}u, edge - 1u)`;
      return `let v${j} = select(vec4f(), ${four(row, "column", "depth")}, inside);`;
    })
    .join("\n  ")}
  let turned = transpose(mat4x4f(v0, v1, v2, v3));
  ${range(4)
    .map((j) => `${name}[(depthQuad * 4u + ${j}u) * ${size / 4}u + edgeQuad] = ${stored}(turned[${j}]);`)
    .join("\n  ")}`
    : wgsl`let edgeQuad = i % ${size / 4}u;
  let depthQuad = i / ${size / 4}u;
  let column = min(first + edgeQuad * 4u, (edge - 1u) & ~3u);
  ${range(4)
    .map((j) => {
      const k = `k0 + depthQuad * 4u + ${j}u`;
      return `${name}[(depthQuad * 4u + ${j}u) * ${size / 4}u + edgeQuad] = ${stored}(select(vec4f(), ${four(`min(${k}, depth - 1u)`, "column", "edge")}, ${k} < depth));`;
    })
    .join("\n  ")}`;
  return wgsl`fn ${name}Block(i: u32, first: u32, edge: u32, k0: u32, depth: u32) {
  ${lines}
}`;
}
