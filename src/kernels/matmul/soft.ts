/**
 * Matmul, variant "soft", for software adapters, where workgroup memory and barriers cost more than they save. A lane computes vectors of
 * four columns in a column of accumulators. Each vector of A is loaded by one lane of a subgroup and shared with the others. Needs
 * subgroups of a fixed size of 4 or 8, and rows that divide into vectors of four.
 *
 * Rows and columns beyond an edge are computed from the last valid one and not stored; depth beyond k is masked to zero. Sizes are
 * parameters and not part of the WGSL, because such an adapter compiles each pipeline for a second or more and a model has many shapes.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { range, wgsl } from "../../gpu/shader.ts";
import { kernel, paramU32, sizeOf, sizeParam, vectorWidth } from "../language/kernel.ts";
import { capacity, type Dimension, type Lowering, type Node, type Variant } from "../language/operation.ts";
import { type Layout, type MatmulAttributes, type MatmulShape, matmulShape, matmulTensors } from "./attributes.ts";
import { epilogue } from "./epilogue.ts";

/** Columns per lane in layout nt, one component of its accumulators each. */
const ntColumns = 4;

/** Rows of memory must divide into vectors of four. C's columns in nn and tn are stored as vectors and must not be live. */
const fits: Record<Layout, (shape: MatmulShape) => boolean> = {
  nn: ({ n, k }) => typeof n === "number" && vectorWidth(n, capacity(k)) === 4,
  nt: ({ k }) => typeof k === "number" && vectorWidth(k) === 4,
  tn: ({ m, n }) => typeof n === "number" && vectorWidth(capacity(m), n) === 4,
};

/** Of SwiftShader and llvmpipe. With 16 lanes (LP_NATIVE_VECTOR_WIDTH=512), a shuffle is a loop in llvmpipe, and `tile` is faster. */
const subgroupSizes = [4, 8];

/** The variant for software adapters, if it suits the device and the node. */
export function softVariants(node: Node<MatmulAttributes>, { subgroupSize }: Capabilities): readonly Variant[] {
  const { layout } = node.attributes;
  const shape = matmulShape(node);
  if (subgroupSize === null || !subgroupSizes.includes(subgroupSize) || !fits[layout](shape)) return [];
  return [{ name: "soft", lower: () => lowerings[layout](node, shape, subgroupSize) }];
}

const lowerings: Record<Layout, (node: Node<MatmulAttributes>, shape: MatmulShape, lanes: number) => Lowering> = {
  nn: columnVectors,
  tn: columnVectors,
  nt: dotProducts,
};

/**
 * The tile that a workgroup computes, and how. `vectors` is the number of column vec4s per lane and row. `depths` is the number of depths
 * that the multiply body handles at once; it loops over the four in a vector of A. On llvmpipe, loading a vec4 costs each lane some 40
 * instructions, so a tile must be large and its code small; of the sizes measured, larger and smaller ones were slower. SwiftShader has 4
 * lanes. Each component chosen by a variable is expensive there, so all four depths are handled at once; so is each load, so a lane has
 * many columns.
 */
interface Tile {
  readonly rows: number;
  readonly vectors: number;
  readonly depths: number;
  readonly subgroups: number;
}

/**
 * 128 columns on an adapter with 8 lanes, 64 with 4. `large` has the higher throughput; `small` leaves no core idle when there are few rows
 * and columns.
 */
const tiles = {
  large: (lanes: number): Tile =>
    lanes === 4 ? { rows: 32, vectors: 4, depths: 4, subgroups: 1 } : { rows: 24, vectors: 2, depths: 2, subgroups: 2 },
  small: (): Tile => ({ rows: 16, vectors: 1, depths: 4, subgroups: 4 }),
};

function chooseTile(m: Dimension, columns: number, lanes: number): Tile {
  const workgroupsWanted = 8;
  const large = tiles.large(lanes);
  const workgroups = Math.ceil(capacity(m) / large.rows) * Math.ceil(columns / (lanes * large.subgroups * large.vectors));
  return workgroups >= workgroupsWanted ? large : tiles.small();
}

/** Layouts nn and tn, where B's rows run along n: a lane computes vec4s of columns. */
function columnVectors(node: Node<MatmulAttributes>, { m, n, k }: MatmulShape, lanes: number): Lowering {
  const layout = node.attributes.layout as "nn" | "tn";
  const tensors = matmulTensors(node);
  const { a, b, rowSums } = tensors;
  const { reads, writes, params, declarations } = epilogue(tensors, node.attributes, 4);
  const columns = capacity(n) / 4;
  const tile = chooseTile(m, columns, lanes);
  const threads = tile.subgroups * lanes;
  const groups = Math.ceil(columns / (threads * tile.vectors));
  return {
    variant: `soft ${tile.rows}×${threads * tile.vectors * 4}`,
    kernels: [
      kernel({
        label: `matmul ${layout} soft`,
        workgroupSize: [threads],
        enables: ["subgroups"],
        reads: { a: [a, "vec4f"], b: [b, "vec4f"], ...reads },
        writes: { ...writes, rowSums: rowSums && [rowSums, "vec4f"] },
        params: {
          ...params,
          m: sizeParam(m),
          k: sizeParam(k),
          leftVectors: paramU32(capacity(layout === "nn" ? k : m) / 4),
          columns: paramU32(columns),
        },
        declarations,
        main: wgsl`let m = ${sizeOf("m", m)};
  let depth = ${sizeOf("k", k)};
  ${columnVectorsText(tile, lanes, leftText[layout](tile, lanes, typeof k !== "number"), rowSums !== undefined)}`,
        workgroups: (live) => [groups, Math.ceil(live(m) / tile.rows), 1],
        flop: (live) => 2 * live(m) * live(n) * live(k),
      }),
    ],
  };
}

/** WGSL for operand A, whose vectors are loaded and shared by the lanes of a subgroup. */
interface LeftText {
  /** Declares where each of a lane's vectors begins. */
  readonly start: readonly string[];
  /** Loads the vectors at depths k to k + 3. */
  readonly load: readonly string[];
  /** The products of all rows for the depths from `kk` on. */
  readonly multiply: readonly string[];
}

const leftText: Record<"nn" | "tn", (tile: Tile, lanes: number, isLive: boolean) => LeftText> = {
  // Lane l holds depths k … k+3 of row l.
  nn: (tile, lanes, isLive) => ({
    start: loadsOf(tile, lanes).map((g) => `let left${g} = min(row + ${g * lanes}u + lane, m - 1u) * params.leftVectors;`),
    // Beyond a live k, a row still holds data of an earlier step.
    load: loadsOf(tile, lanes).map((g) =>
      isLive
        ? `let a${g} = select(vec4f(), a(left${g} + k / 4u), vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(depth));`
        : `let a${g} = a(left${g} + k / 4u);`,
    ),
    multiply: range(tile.rows).map((r) => {
      const values = range(tile.depths).map((u) => `let v${u} = ${fromLane(tile)}(a${Math.floor(r / lanes)}[kk + ${u}u], ${r % lanes}u);`);
      return `{ ${[...values, ...accumulate(tile, r, (u) => `v${u}`)].join(" ")} }`;
    }),
  }),
  // Lane l holds rows 4q … 4q+3 at depth k + l mod 4, where q counts groups of four lanes.
  tn: (tile, lanes) => {
    const quads = lanes / 4;
    return {
      start: loadsOf(tile, lanes).map((g) => `let left${g} = min(row / 4u + ${g * quads}u + lane / 4u, params.leftVectors - 1u);`),
      load: loadsOf(tile, lanes).map(
        (g) => `let a${g} = select(vec4f(), a(min(k + lane % 4u, last) * params.leftVectors + left${g}), k + lane % 4u < depth);`,
      ),
      multiply: range(tile.rows / 4).map((quad) => {
        const values = range(tile.depths).map(
          (u) => `let v${u} = ${fromLane(tile)}(a${Math.floor(quad / quads)}, kk + ${(quad % quads) * 4 + u}u);`,
        );
        return `{ ${[...values, ...range(4).flatMap((r) => accumulate(tile, quad * 4 + r, (u) => `v${u}[${r}]`))].join(" ")} }`;
      }),
    };
  },
};

/** Vectors of A that a lane loads at a time. */
const loadsOf = (tile: Tile, lanes: number) => range(tile.rows / lanes);

/** A shuffle costs llvmpipe two instructions less than a broadcast. Its lane may be a variable, which is slow on SwiftShader. */
const fromLane = ({ depths }: Tile) => (depths < 4 ? "subgroupShuffle" : "subgroupBroadcast");

/** One expression for all depths, because every assignment in a loop is a masked store on such an adapter. */
function accumulate(tile: Tile, row: number, factor: (depth: number) => string): string[] {
  return range(tile.vectors).map((j) => {
    const sum = `sums[${row * tile.vectors + j}]`;
    return `${sum} = ${range(tile.depths).reduce((inner, u) => `fma(vec4f(${factor(u)}), b${u}${j}, ${inner})`, sum)};`;
  });
}

/** The body, after the live sizes are known. */
function columnVectorsText(tile: Tile, lanes: number, { start, load, multiply }: LeftText, hasRowSums: boolean): string {
  const threads = tile.subgroups * lanes;
  const [vectors, depths, loads] = [range(tile.vectors), range(tile.depths), loadsOf(tile, lanes)];
  return wgsl`let last = max(depth, 1u) - 1u;
  let row = group.y * ${tile.rows}u;
  let column = group.x * ${threads * tile.vectors}u + thread;
  ${start.join("\n  ")}
  ${vectors.map((j) => `let right${j} = min(column + ${j * threads}u, params.columns - 1u);`).join("\n  ")}
  // Indexed by a variable in the end, so that the driver keeps one copy of it in memory; a body takes each from there and puts it back once.
  var sums: array<vec4f, ${tile.rows * tile.vectors}>;
  ${hasRowSums ? loads.map((g) => `var sum${g} = vec4f();`).join(" ") : ""}
  for (var k = 0u; k < depth; k += 4u) {
    ${load.join("\n    ")}
    ${hasRowSums ? loads.map((g) => `sum${g} += a${g};`).join(" ") : ""}
    ${tile.depths < 4 ? `for (var kk = 0u; kk < 4u; kk += ${tile.depths}u)` : "const kk = 0u;"} {
      ${depths.map((u) => `let offset${u} = min(k + kk + ${u}u, last) * params.columns;`).join(" ")}
      ${depths.flatMap((u) => vectors.map((j) => `let b${u}${j} = b(offset${u} + right${j});`)).join(" ")}
      ${multiply.join("\n      ")}
    }
  }
  ${hasRowSums ? loads.map((g) => storeRowSums(g, lanes)).join("\n  ") : ""}
  // One store in a loop: a software adapter takes seconds to compile one store for each row.
  for (var j = 0u; j < ${tile.vectors}u; j++) {
    let own = column + j * ${threads}u;
    if (own >= params.columns) { break; }
    for (var r = 0u; r < ${tile.rows}u && row + r < m; r++) { finish((row + r) * params.columns + own, own, sums[r * ${tile.vectors}u + j]); }
  }`;
}

/**
 * WGSL that sums the results of four lanes, each at the depths equal to its number modulo four, and stores the sums of A's rows in the
 * first workgroups. `params.leftVectors` counts the vectors of A's columns.
 */
export function storeRowSums(load: number, lanes: number): string {
  const joined = [1, 2].map((other) => `sum${load} += subgroupShuffleXor(sum${load}, ${other}u);`).join(" ");
  const quad = `row / 4u + ${(load * lanes) / 4}u + lane / 4u`;
  return `${joined} if (group.x == 0u && thread < ${lanes}u && lane % 4u == 0u && ${quad} < params.leftVectors) { setRowSums(${quad}, sum${load}); }`;
}

/** Subgroups per workgroup in layout nt: 128 columns on an adapter with 8 lanes. */
const subgroups = 4;

/**
 * Rows per workgroup in layout nt: enough that each vector of B is used often, but not so many that a core is idle. SwiftShader keeps few
 * sums in registers; there, eight rows are half as fast again as thirty-two.
 */
function chooseRows(m: Dimension, columnGroups: number, lanes: number): number {
  if (lanes === 4) return 8;
  const workgroupsWanted = 8;
  const most = 32;
  return capacity(m) * columnGroups >= most * workgroupsWanted ? most : most / 2;
}

/** Layout nt, where B's rows run along k: a lane computes some columns and sums dot products along k. */
function dotProducts(node: Node<MatmulAttributes>, { m, n, k }: MatmulShape, lanes: number): Lowering {
  const tensors = matmulTensors(node);
  const { a, b } = tensors;
  // If C can be stored as vectors, a lane's columns are neighbours.
  const width = typeof n === "number" ? vectorWidth(n) : 1;
  const { reads, writes, params, declarations } = epilogue(tensors, node.attributes, width);
  const threads = subgroups * lanes;
  const columnStride = width === 4 ? 1 : threads;
  const tileRows = chooseRows(m, Math.ceil(capacity(n) / (threads * ntColumns)), lanes);
  const loads = range(tileRows / lanes);
  const columns = range(ntColumns);
  const row = range(tileRows);
  const store = {
    1: wgsl`for (var j = 0u; j < ${ntColumns}u; j++) {
    let own = column + j * ${columnStride}u;
    if (own >= n) { break; }
    for (var r = 0u; r < ${tileRows}u && row + r < m; r++) { finish((row + r) * params.stride + own, own, sums[r][j]); }
  }`,
    4: wgsl`if (column >= n) { return; }
  for (var r = 0u; r < ${tileRows}u && row + r < m; r++) { finish(((row + r) * params.stride + column) / 4u, column / 4u, sums[r]); }`,
  };
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
  let column = group.x * ${threads * ntColumns}u + thread * ${width}u;
  ${loads.map((g) => `let left${g} = min(row + ${g * lanes}u + lane, m - 1u) * params.depth;`).join("\n  ")}
  ${columns.map((j) => `let right${j} = min(column + ${j * columnStride}u, n - 1u) * params.depth;`).join("\n  ")}
  ${row.map((r) => `var c${r} = vec4f();`).join(" ")}
  for (var k = 0u; k < params.depth; k++) {
    ${loads.map((g) => `let a${g} = a(left${g} + k);`).join(" ")}
    ${columns.map((j) => `let b${j} = b(right${j} + k);`).join(" ")}
    ${row.map((r) => `{ let v = subgroupShuffle(a${Math.floor(r / lanes)}, ${r % lanes}u); c${r} += vec4f(${columns.map((j) => `dot(v, b${j})`).join(", ")}); }`).join("\n    ")}
  }
  var sums = array<vec4f, ${tileRows}>(${row.map((r) => `c${r}`).join(", ")});
  ${store[width]}`,
        workgroups: (live) => [Math.ceil(live(n) / (threads * ntColumns)), Math.ceil(live(m) / tileRows), 1],
        flop: (live) => 2 * live(m) * live(n) * live(k),
      }),
    ],
  };
}
