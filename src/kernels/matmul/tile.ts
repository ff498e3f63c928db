/**
 * Matmul, variant "tile": runs on every WebGPU device and takes every shape. A workgroup computes a tile of C from tiles of A and B in
 * workgroup memory; a thread computes 8×8 of its elements in registers, while the next block is on its way into other registers. Nothing
 * beyond an edge is stored, and depth beyond k counts as zero.
 *
 * Both tiles have k as their rows in workgroup memory, so the inner loop is the same for all layouts. If an operand's rows run along k, it
 * is transposed on its way. What was measured on an H100 decides the details: the eight rows and columns of a thread are two groups of
 * four, spread over the tile, so that neighbours read neighbouring vectors; tiles are arrays of arrays, of which only one index is
 * computed; neighbouring threads read along k. If both operands are f16 and the device computes with f16, the tiles are kept as f16, which
 * moves half as many bytes; products accumulate in f32.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { range, wgsl } from "../../gpu/shader.ts";
import { kernel, vectorWidth } from "../language/kernel.ts";
import { capacity, type Kernel, type Lowering, type Variant } from "../language/operation.ts";
import { matmulShape, matmulTensors, type Product, runsAlongDepth } from "./attributes.ts";
import { type Frame, frameOf, type OperandElement, type Read } from "./frame.ts";
import { hasPlace, lowerSplit, nameOfSplit, nearestFirst, type PartialProducts, type Split, suits, type TileSize } from "./split-depth.ts";

/** Rows and columns per thread. */
const perThread = 8;

const small: TileSize = { rows: 64, columns: 64, depth: 16 };
const wide: TileSize = { rows: 64, columns: 128, depth: 16 };

/**
 * The table of choices, measured on an H100: large tiles move fewer bytes, small ones and split ones leave fewer of the GPU's cores idle.
 * All are within the 16 KB of workgroup memory and the 256 threads of every device.
 */
const choices: readonly Split<TileSize>[] = [
  { tile: wide, parts: 1, workgroups: 384 },
  { tile: wide, parts: 3, workgroups: 200 },
  { tile: small, parts: 1, workgroups: 256 },
  { tile: small, parts: 16, workgroups: 0, mostTiles: 64 },
  { tile: small, parts: 4, workgroups: 0 },
  { tile: small, parts: 1, workgroups: 0 },
];

/**
 * The same for several products in one dispatch. A layer's gradients in BERT-base have 864 tiles of 64×128, and an H100 computes about 400 at once:
 * with k in two or three parts, fewer of its cores are idle at the end.
 */
const choicesOfSeveral: readonly Split<TileSize>[] = [
  { tile: wide, parts: 1, workgroups: 4096 },
  { tile: wide, parts: 2, workgroups: 0 },
  { tile: wide, parts: 3, workgroups: 0 },
  { tile: small, parts: 1, workgroups: 0 },
];

/** The least depth of a part that is worth joining. */
const leastDepth = 256;

/** The variants for any device, one for each choice; the best guess first. */
export function tileVariants(nodes: readonly Product[], capabilities: Capabilities): readonly Variant[] {
  const { software, limits } = capabilities;
  const table = nodes.length > 1 ? choicesOfSeveral : choices;
  // A CPU's few cores are never idle for want of tiles.
  const offered = software ? table.filter(({ parts }) => parts === 1) : table;
  const possible = offered.filter(
    (choice, i) => hasPlace(nodes, choice, limits) && offered.findIndex((other) => nameOf(other) === nameOf(choice)) === i,
  );
  const guess = software
    ? { tile: small, parts: 1 }
    : offered.find((choice) => hasPlace(nodes, choice, limits) && suits(nodes, choice, leastDepth))!;
  const at = offered.findIndex(({ tile, parts }) => tile === guess.tile && parts === guess.parts);
  return nearestFirst(possible, offered, at).map((choice) => ({
    name: nameOf(choice),
    lower: () => lower(nodes, choice, capabilities),
  }));
}

const nameOf = (choice: Split<TileSize>) => `tile ${nameOfSplit(choice)}`;

/** How one operand is loaded into workgroup memory. */
interface Side {
  readonly name: "left" | "right";
  /** WGSL for where the tile begins along C, and where C ends. */
  readonly first: string;
  readonly end: string;
  /** Size of the tile along the edge of C. */
  readonly size: number;
  /** Whether the operand's rows run along k. */
  readonly alongDepth: boolean;
  /** Whether a thread loads blocks of 4×4 elements and turns them in registers; otherwise it loads single vectors. */
  readonly turns: boolean;
  /** Blocks or vectors that a thread loads. */
  readonly count: number;
  /** Vectors of a row of the tile, in memory of the workgroup. */
  readonly row: number;
  /** Elements read at a time; the other operand may have another width. Packed f16 can only be read in fours. */
  readonly width: 1 | 4;
}

/** All that determines a kernel's WGSL. */
interface Tiling {
  readonly tile: TileSize;
  readonly left: Side;
  readonly right: Side;
  /** WGSL type of a vector in workgroup memory. */
  readonly stored: "vec4f" | "vec4<f16>";
  readonly threads: readonly [x: number, y: number];
  /** Whether k consists of whole blocks, so that nothing beyond it is read. */
  readonly isWholeDepth: boolean;
  /** Whether the depths of a block are written out, which a software adapter would compile slowly. */
  readonly unrolls: boolean;
  readonly hasRowSums: boolean;
}

function tilingOf(node: Product, tile: TileSize, { features, software, limits }: Capabilities): Tiling {
  const { m, n, k } = matmulShape(node);
  const { a, b } = matmulTensors(node);
  const [leftAlong, rightAlong] = runsAlongDepth[node.attributes.layout];
  const threads = [tile.columns / perThread, tile.rows / perThread] as const;
  const all = threads[0] * threads[1];
  const halves = a.dtype === "f16" && b.dtype === "f16" && features.has("shader-f16");
  const bytes = (tile.rows + tile.columns + 8) * tile.depth * (halves ? 2 : 4);
  // One vector more in each row, so that threads which transpose write to different banks, if there is room for it.
  const padding = bytes <= limits.maxComputeWorkgroupStorageSize ? 1 : 0;
  const side = (own: Pick<Side, "name" | "first" | "end" | "size" | "alongDepth">, edge: number): Side => {
    const vectors = (own.size * tile.depth) / 4;
    const turns = own.alongDepth && (vectors / 4) % all === 0;
    return {
      ...own,
      turns,
      count: (turns ? vectors / 4 : vectors) / all,
      row: own.size / 4 + (own.alongDepth ? padding : 0),
      width: vectorWidth(edge),
    };
  };
  const left = { name: "left", first: "firstRow", end: "m", size: tile.rows, alongDepth: leftAlong } as const;
  const right = { name: "right", first: "firstColumn", end: "n", size: tile.columns, alongDepth: rightAlong } as const;
  return {
    tile,
    left: side(left, capacity(leftAlong ? k : m)),
    right: side(right, capacity(rightAlong ? k : n)),
    stored: halves ? "vec4<f16>" : "vec4f",
    threads,
    isWholeDepth: typeof k === "number" && k % tile.depth === 0,
    unrolls: !software,
    hasRowSums: node.attributes.rowSums,
  };
}

function lower(nodes: readonly Product[], choice: Split<TileSize>, capabilities: Capabilities): Lowering {
  const [node] = nodes as [Product];
  const tiling = tilingOf(node, choice.tile, capabilities);
  return lowerSplit(nameOf(choice), nodes, choice, (partials) => productKernel(nodes, tiling, partials));
}

/** The products, finished or in parts. */
function productKernel(nodes: readonly Product[], tiling: Tiling, partials: readonly PartialProducts[] | null): Kernel {
  const { tile, left, right, stored, threads, hasRowSums } = tiling;
  const element = ({ width }: Side): OperandElement => ({ type: width === 4 ? "vec4f" : "f32", size: width });
  const { place, withOperands, width, plane, rowSumAt, declarations, ...frame } = frameOf({
    nodes,
    tile,
    left: element(left),
    right: element(right),
    partial: partials && { products: partials, type: "vec4f" },
  });
  return kernel({
    ...frame,
    label: `matmul ${nodes[0]!.attributes.layout} tile`,
    workgroupSize: threads,
    enables: stored === "vec4f" ? [] : ["f16"],
    declarations: wgsl`${declarations}
${[left, right].map(({ name, row }) => `var<workgroup> ${name}: array<array<${stored}, ${row}>, ${tile.depth}>;`).join("\n")}
${hasRowSums && stored !== "vec4f" ? `var<workgroup> rowSumParts: array<vec4f, ${threads[0] * threads[1]}>;` : ""}`,
    main: wgsl`${place}
  ${mainText(tiling, withOperands)}
  ${storeCells(tiling, width, partials && plane)}
  ${hasRowSums ? joinRowSums(tiling, rowSumAt) : ""}`,
  });
}

/** The product in registers: each block is stored in workgroup memory, then the next one is fetched while this one is multiplied. */
function mainText(tiling: Tiling, withOperands: Frame["withOperands"]): string {
  const { tile, left, right, stored, threads, unrolls, hasRowSums } = tiling;
  const fetch = (at: string) =>
    withOperands((a, b) => [...fetchTile(left, tiling, at, a), ...fetchTile(right, tiling, at, b)].join("\n    "));
  return wgsl`let firstRow = tileRow * ${tile.rows}u;
  let firstColumn = tileColumn * ${tile.columns}u;
  ${range(groups)
    .map((q) => `let y${q} = local.y + ${q * threads[1]}u; let x${q} = local.x + ${q * threads[0]}u;`)
    .join(" ")}
  ${cells.map(([i, j]) => `var c${i}_${j} = vec4f();`).join(" ")}
  ${hasRowSums ? "var ownSum = vec4f();" : ""}
  ${[left, right].flatMap((side) => places(side, tiling)).join("\n  ")}
  let start = select(0u, depthBegin, depthBegin < depthEnd);
  ${fetch("start")}
  for (var block = depthBegin; block < depthEnd; block += ${tile.depth}u) {
    ${[...storeTile(left, stored), ...storeTile(right, stored)].join("\n    ")}
    ${hasRowSums ? addUp(left) : ""}
    workgroupBarrier();
    let next = select(block, block + ${tile.depth}u, block + ${tile.depth}u < depthEnd);
    ${fetch("next")}
    ${
      unrolls
        ? range(tile.depth)
            .map((k) => `{ ${multiply(`${k}u`)} }`)
            .join("\n    ")
        : `for (var k = 0u; k < ${tile.depth}u; k++) { ${multiply("k")} }`
    }
    workgroupBarrier();
  }`;
}

/** Groups of four rows, and of four columns, of a thread. */
const groups = perThread / 4;

/** A thread's vectors of C: its row, and its group of columns. */
const cells = range(perThread).flatMap((i) => range(groups).map((j) => [i, j] as const));

/** WGSL for where each of a thread's blocks or vectors is: vector `Edge` along C, and depth `Depth`. */
function places({ name, first, end, size, alongDepth, turns, count, width }: Side, { tile, threads }: Tiling): string[] {
  const all = threads[0] * threads[1];
  const alongLine = tile.depth / 4;
  return range(count).map((i) => {
    const at = `(thread + ${i * all}u)`;
    if (!alongDepth) {
      return wgsl`let ${name}Edge${i} = ${at} % ${size / 4}u;
  let ${name}Depth${i} = ${at} / ${size / 4}u;
  let ${name}From${i} = min(${first} + ${name}Edge${i} * 4u, (${end} - 1u) & ~3u)${width === 4 ? " / 4u" : ""};
  var ${name}${i}: vec4f;`;
    }
    const lines = range(turns ? 4 : 1).map(
      (j) => wgsl`let ${name}From${i}_${j} = min(${first} + ${name}Edge${i}${turns ? ` * 4u + ${j}u` : ""}, ${end} - 1u) * ${name}Stride;
  var ${name}${i}_${j}: vec4f;`,
    );
    return wgsl`let ${name}Edge${i} = ${at} / ${alongLine}u;
  let ${name}Depth${i} = ${at} % ${alongLine}u * 4u;
  ${lines.join("\n  ")}`;
  });
}

/** WGSL that fetches a thread's part of the block at depth `at` into registers; depth from the part's end on counts as zero. */
function fetchTile(side: Side, { isWholeDepth }: Tiling, at: string, read: Read): string[] {
  const { name, alongDepth, turns, count, width, end } = side;
  return range(count).flatMap((i) => {
    const depth = `(${at} + ${name}Depth${i})`;
    if (!alongDepth) {
      const row = isWholeDepth ? depth : `min(${depth}, depth - 1u)`;
      const load =
        width === 4
          ? read(`${row} * ${name}Stride + ${name}From${i}`)
          : vectorOf((j) => read(`${row} * ${name}Stride + min(${name}From${i} + ${j}u, ${end} - 1u)`));
      return [`${name}${i} = ${isWholeDepth ? load : `select(vec4f(), ${load}, ${depth} < depthEnd)`};`];
    }
    return range(turns ? 4 : 1).map((j) => {
      const from = `${name}From${i}_${j}`;
      const column = isWholeDepth ? depth : `min(${depth}, (depth - 1u) & ~3u)`;
      const load = width === 4 ? read(`${from} + ${column} / 4u`) : vectorOf((l) => read(`${from} + min(${depth} + ${l}u, depth - 1u)`));
      const inside = `vec4u(${depth}, ${depth} + 1u, ${depth} + 2u, ${depth} + 3u) < vec4u(depthEnd)`;
      return `${name}${i}_${j} = ${isWholeDepth ? load : `select(vec4f(), ${load}, ${inside})`};`;
    });
  });
}

const vectorOf = (element: (i: number) => string) => `vec4f(${range(4).map(element).join(", ")})`;

/** WGSL that writes a thread's part of a block to workgroup memory. */
function storeTile({ name, alongDepth, turns, count }: Side, stored: string): string[] {
  return range(count).map((i) => {
    const [edge, depth] = [`${name}Edge${i}`, `${name}Depth${i}`];
    if (!alongDepth) return `${name}[${depth}][${edge}] = ${stored}(${name}${i});`;
    if (turns) {
      const turned = `transpose(mat4x4f(${range(4)
        .map((j) => `${name}${i}_${j}`)
        .join(", ")}))`;
      return `{ let turned = ${turned}; ${range(4)
        .map((j) => `${name}[${depth} + ${j}u][${edge}] = ${stored}(turned[${j}]);`)
        .join(" ")} }`;
    }
    const scalar = stored === "vec4f" ? "f32" : "f16";
    return range(4)
      .map((j) => `${name}[${depth} + ${j}u][${edge} / 4u][${edge} % 4u] = ${scalar}(${name}${i}_0[${j}]);`)
      .join(" ");
  });
}

/** WGSL that multiplies a thread's rows and columns of both tiles at depth `k` of the block. */
function multiply(k: string): string {
  const loads = range(groups).map((q) => `let a${q} = vec4f(left[${k}][y${q}]); let b${q} = vec4f(right[${k}][x${q}]);`);
  const sums = cells.map(([i, j]) => `c${i}_${j} = fma(vec4f(a${Math.floor(i / 4)}[${i % 4}]), b${j}, c${i}_${j});`);
  return [...loads, ...sums].join(" ");
}

/** WGSL that passes a thread's vectors to `finish`: in a loop on a software adapter, which compiles each store slowly. */
function storeCells({ threads, unrolls }: Tiling, width: 1 | 4, plane: string | null): string {
  const first = plane === null ? "" : `group.z * ${plane} + `;
  const [isRow, isColumn] = plane === null ? ["row < m", "column < n"] : ["true", "true"];
  const store =
    width === 4
      ? `if (${isRow} && ${isColumn}) { finish((${first}row * stride + column) / 4u, column / 4u, value); }`
      : `for (var l = 0u; l < 4u && ${isRow} && column + l < n; l++) { finish(row * stride + column + l, column + l, value[l]); }`;
  const cell = (i: string, j: string, value: string) => wgsl`let row = firstRow + (local.y + ${i} / 4u * ${threads[1]}u) * 4u + ${i} % 4u;
    let column = firstColumn + (local.x + ${j} * ${threads[0]}u) * 4u;
    let value = ${value};
    ${store}`;
  if (unrolls) return cells.map(([i, j]) => `{ ${cell(`${i}u`, `${j}u`, `c${i}_${j}`)} }`).join("\n  ");
  return wgsl`var cells = array<vec4f, ${cells.length}>(${cells.map(([i, j]) => `c${i}_${j}`).join(", ")});
  for (var i = 0u; i < ${cells.length}u; i++) {
    ${cell(`(i / ${groups}u)`, `(i % ${groups}u)`, "cells[i]")}
  }`;
}

/** WGSL that adds up a thread's vectors of A: all are of the same four rows, at different depths. */
const addUp = ({ name, count }: Side) =>
  `ownSum += ${range(count)
    .map((i) => `${name}${i}`)
    .join(" + ")};`;

/** WGSL that adds up A's sums over the threads that have loaded the same rows, in the memory of the left tile where that holds f32. */
function joinRowSums({ left: { size }, threads, stored }: Tiling, place: string): string {
  const vectors = size / 4;
  const part = (i: string) => (stored === "vec4f" ? `left[${i} / ${vectors}u][${i} % ${vectors}u]` : `rowSumParts[${i}]`);
  return wgsl`${part("thread")} = ownSum;
  workgroupBarrier();
  if (tileColumn == 0u && thread < ${vectors}u) {
    var whole = vec4f();
    for (var i = thread; i < ${threads[0] * threads[1]}u; i += ${vectors}u) { whole += ${part("i")}; }
    for (var i = 0u; i < 4u; i++) {
      let row = firstRow + thread * 4u + i;
      if (row < m) { setRowSums(${place}, whole[i]); }
    }
  }`;
}
