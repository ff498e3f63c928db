/**
 * Matmul, variant "subgroup matrix": f16 operands on the device's matrix units, accumulated in f32 (WGSL's
 * `chromium_experimental_subgroup_matrix`, `language/matrix-units.ts`). Needs rows of memory that divide into vectors of eight halves.
 *
 * A workgroup computes a tile of C, each of its subgroups a part of it. Operands have the same layout in workgroup memory as in the buffers
 * and are loaded as row-major or column-major matrices, while the next block is fetched into registers. What was measured on an H100, and
 * read in the code that its driver makes, decides the details:
 * - Memory is moved in vectors of 16 bytes. A matrix is loaded from an array of its subgroup's own at a constant offset and stride: computed
 *   ones are bounds-checked, which costs up to half of the speed.
 * - The next block is fetched inside an `if`. Outside of one, the compiler moves the loads down to the place where they are stored, past all
 *   the products that they should overlap with, and a third of the speed is gone. What is loaded is not used in the `if`, or the products
 *   would wait for it: zeros for depth past the end are selected only in the first block, which alone may be smaller than the others.
 * - Results pass through the memory of the operands, as many at a time as fit, so that vectors are stored and few barriers are needed.
 */
import type { Capabilities, SubgroupMatrix } from "../../gpu/capabilities.ts";
import { memoryOf, range, wgsl } from "../../gpu/shader.ts";
import { kernel } from "../language/kernel.ts";
import {
  addProduct,
  halvesPerVector,
  loadOperand,
  type MatrixUnits,
  matrixExtensions,
  matrixUnits,
  resultType,
  storeResult,
} from "../language/matrix-units.ts";
import { capacity, type Kernel, type Variant } from "../language/operation.ts";
import { needsWindows } from "../language/windows.ts";
import { type Layout, type MatmulAttributes, matmulShape, matmulTensors, type Product, runsAlongDepth } from "./attributes.ts";
import { finishOf } from "./finish.ts";
import { type Frame, frameOf, type OperandElement, type Read } from "./frame.ts";
import { hasPlace, lowerSplit, nameOfSplit, nearestFirst, type PartialProducts, type Split, suits } from "./split-depth.ts";

/** A tile of C, the depth that is handled at a time, and the subgroups that share the tile along its two edges. */
interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly subgroups: readonly [down: number, across: number];
}

/** A way to compute a product. */
type Choice = Split<Tile>;

const tile = (rows: number, columns: number, depth: number, ...subgroups: [down: number, across: number]): Tile => ({
  rows,
  columns,
  depth,
  subgroups,
});

/** Large tiles move fewer bytes, small ones leave fewer of the GPU's cores idle. */
const forward: readonly Choice[] = [
  { tile: tile(128, 256, 32, 2, 4), parts: 1, workgroups: Number.POSITIVE_INFINITY },
  { tile: tile(128, 128, 32, 2, 2), parts: 1, workgroups: 512 },
  { tile: tile(128, 192, 32, 2, 4), parts: 1, workgroups: 90 },
  { tile: tile(64, 128, 32, 1, 2), parts: 1, workgroups: 256 },
  { tile: tile(64, 64, 32, 2, 2), parts: 1, workgroups: 192 },
  { tile: tile(64, 64, 64, 1, 2), parts: 1, workgroups: 0 },
];

/** The gradient of a weight has a small C and a large k, so its k is split. */
const ofWeights: readonly Choice[] = [
  { tile: tile(128, 256, 32, 2, 4), parts: 1, workgroups: Number.POSITIVE_INFINITY },
  { tile: tile(128, 128, 32, 2, 2), parts: 1, workgroups: 264 },
  { tile: tile(128, 128, 32, 2, 2), parts: 3, workgroups: 264 },
  { tile: tile(128, 128, 32, 2, 2), parts: 6, workgroups: 132 },
  { tile: tile(64, 128, 32, 1, 2), parts: 1, workgroups: 132 },
  { tile: tile(64, 64, 32, 2, 2), parts: 8, workgroups: 0, mostTiles: 64 },
  { tile: tile(64, 64, 32, 2, 2), parts: 4, workgroups: 0, mostTiles: 512 },
  { tile: tile(64, 64, 32, 2, 2), parts: 1, workgroups: 0 },
];

/** The table of choices, measured on an H100. One of each layout, 64×64×32, fits every device with subgroups of 8 lanes or more. */
const choices: Record<Layout, readonly Choice[]> = { nt: forward, nn: forward, tn: ofWeights };

/** The least depth of a part that is worth joining. */
const leastDepth = 512;

/** The variants for matrix units, if the device has some that suit all the nodes; the best guess first. Several products are not split. */
export function subgroupMatrixVariants(nodes: readonly Product[], capabilities: Capabilities): readonly Variant[] {
  const { limits } = capabilities;
  const units = matrixUnits(capabilities);
  if (units === null || !nodes.every((node) => fits(node, capabilities))) return [];
  const [node] = nodes as [Product];
  const offered = choices[node.attributes.layout].filter(({ parts }) => nodes.length === 1 || parts === 1);
  const possible = offered
    .map((choice) => tilingOf(node, choice, units))
    .filter((tiling) => fitsDevice(tiling, capabilities) && hasPlace(nodes, tiling.choice, limits));
  const best = possible.find(({ choice }) => suits(nodes, choice, leastDepth)) ?? possible.at(-1);
  return nearestFirst(possible, possible, possible.indexOf(best!)).map((tiling) => ({
    name: nameOf(tiling.choice),
    lower: () => lowerSplit(nameOf(tiling.choice), nodes, tiling.choice, (partials) => productKernel(nodes, tiling, partials)),
  }));
}

const nameOf = (choice: Choice) => `subgroup matrix ${nameOfSplit(choice)}`;

function fits(node: Product, { limits }: Capabilities): boolean {
  const { a, b } = matmulTensors(node);
  const { k } = matmulShape(node);
  const operands = [a, b];
  // Rows that run along k are read in whole vectors, so their end must be known.
  return (
    (typeof k === "number" || node.attributes.layout === "tn") &&
    operands.every(({ dtype }) => dtype === "f16") &&
    operands.every((operand) => !needsWindows(operand, limits.maxStorageBufferBindingSize)) &&
    operands.every(({ shape }) => capacity(shape[1]!) % halvesPerVector === 0)
  );
}

/** How one operand is loaded into workgroup memory, and from there into matrices. All sizes are vectors of eight halves unless noted. */
interface Side {
  readonly name: "left" | "right";
  /** Whether the operand's rows run along k. Each line of its tile is then along k, otherwise along the edge of C. */
  readonly alongDepth: boolean;
  /** WGSL for where the tile begins along C, and where C ends, in elements. */
  readonly first: string;
  readonly end: string;
  /** The edge of the tile, and of a subgroup's part of it, in elements. */
  readonly edge: number;
  readonly part: number;
  /** Vectors of a line of the whole tile. */
  readonly line: number;
  /** Vectors from one line of a piece to the next: one more than it needs, or lines would begin in the same banks. */
  readonly stride: number;
  /** Vectors of a piece. */
  readonly size: number;
  /** Vectors that a thread moves. */
  readonly perThread: number;
  /** The piece of workgroup memory with the first part, and WGSL for the one with a subgroup's own. */
  readonly firstPiece: number;
  readonly ownPiece: string;
}

/** All that determines a kernel's WGSL. */
interface Tiling {
  readonly choice: Choice;
  readonly matrix: SubgroupMatrix;
  readonly lanes: number;
  readonly threads: number;
  readonly left: Side;
  readonly right: Side;
  /** Matrices of C per subgroup. */
  readonly rows: number;
  readonly columns: number;
  /** Whether k consists of whole blocks, so that nothing beyond it is read. */
  readonly isWholeDepth: boolean;
  readonly hasRowSums: boolean;
  /** Vectors of a piece of workgroup memory: it holds a subgroup's part of an operand, later some of its results. */
  readonly piece: number;
  readonly slab: Slab;
}

/** The results of a subgroup that pass through workgroup memory at a time: lines of matrices, and columns of numbers. */
interface Slab {
  readonly lines: number;
  readonly columns: number;
}

function tilingOf(node: Product, choice: Choice, { matrix, lanes }: MatrixUnits): Tiling {
  const { tile, parts } = choice;
  const [down, across] = tile.subgroups;
  const threads = down * across * lanes;
  const [leftAlong, rightAlong] = runsAlongDepth[node.attributes.layout];
  const side = (own: Omit<Side, "line" | "stride" | "size" | "perThread">): Side => {
    const inVectors = (elements: number) => elements / halvesPerVector;
    const stride = inVectors(own.alongDepth ? tile.depth : own.part) + 1;
    return {
      ...own,
      line: inVectors(own.alongDepth ? tile.depth : own.edge),
      stride,
      size: stride * (own.alongDepth ? own.part : tile.depth),
      perThread: inVectors(own.edge * tile.depth) / threads,
    };
  };
  const left = side({
    name: "left",
    alongDepth: leftAlong,
    first: "firstRow",
    end: "m",
    edge: tile.rows,
    part: tile.rows / down,
    firstPiece: 0,
    ownPiece: "ownRow",
  });
  const right = side({
    name: "right",
    alongDepth: rightAlong,
    first: "firstColumn",
    end: "n",
    edge: tile.columns,
    part: tile.columns / across,
    firstPiece: down,
    ownPiece: `${down}u + ownColumn`,
  });
  const { k } = matmulShape(node);
  const { rowSums: hasRowSums } = node.attributes;
  const rows = left.part / matrix.M;
  const columns = right.part / matrix.N;
  const least = vectorsOf({ lines: 1, columns: matrix.N }, matrix);
  const piece = Math.max(left.size, right.size, parts > 1 ? 0 : least, hasRowSums ? 2 * lanes : 0);
  return {
    choice,
    matrix,
    lanes,
    threads,
    left,
    right,
    rows,
    columns,
    isWholeDepth: typeof k === "number" && k % tile.depth === 0,
    hasRowSums,
    piece,
    slab: slabOf(rows, columns, piece, matrix),
  };
}

/** The largest slab that fits a piece and divides a subgroup's results. */
function slabOf(rows: number, columns: number, piece: number, matrix: SubgroupMatrix): Slab {
  const divisors = (count: number) =>
    range(count)
      .map((i) => count - i)
      .filter((part) => count % part === 0);
  const slabs = divisors(columns).flatMap((across) => divisors(rows).map((lines) => ({ lines, columns: across * matrix.N })));
  return slabs.find((slab) => vectorsOf(slab, matrix) <= piece) ?? { lines: 1, columns: matrix.N };
}

/** Vectors of four results from one row of a slab to the next: one more than it needs, for the banks. */
const slabStride = ({ columns }: Slab) => columns / 4 + 1;

const vectorsOf = (slab: Slab, { M }: SubgroupMatrix) => slab.lines * M * slabStride(slab);

/** Pieces of workgroup memory: one for each part of an operand, and for each subgroup's results. */
function piecesOf({ choice }: Tiling): number {
  const [down, across] = choice.tile.subgroups;
  return Math.max(down + across, down * across);
}

/**
 * Registers for results and for the next block that a thread may take: no GPU gives it more than 256, and the rest hold the operands that
 * are multiplied and their places. Subgroups of 16 lanes (Intel) have room for the smallest parts only.
 */
const mostRegisters = 192;

/** The registers that a thread takes for its results and for the vectors of the next block. */
const registersOf = ({ left, right, lanes }: Tiling) => (left.part * right.part) / lanes + 4 * (left.perThread + right.perThread);

function fitsDevice(tiling: Tiling, { limits }: Capabilities): boolean {
  const { choice, left, right, matrix, threads } = tiling;
  return (
    registersOf(tiling) <= mostRegisters &&
    16 * tiling.piece * piecesOf(tiling) <= limits.maxComputeWorkgroupStorageSize &&
    threads <= limits.maxComputeInvocationsPerWorkgroup &&
    [left, right].every(({ perThread, line }) => Number.isInteger(perThread) && (!tiling.hasRowSums || threads % line === 0)) &&
    left.part % matrix.M === 0 &&
    right.part % matrix.N === 0 &&
    choice.tile.depth % matrix.K === 0
  );
}

/** The products: finished, or the parts of one. */
function productKernel(nodes: readonly Product[], tiling: Tiling, partials: readonly PartialProducts[] | null): Kernel {
  const { threads, choice, hasRowSums } = tiling;
  const { tile } = choice;
  const element: OperandElement = { type: "vec4u", size: halvesPerVector };
  const { place, withOperands, width, rowSumAt, declarations, ...frame } = frameOf({
    nodes,
    tile,
    left: element,
    right: element,
    partial: partials && { products: partials, type: "f32" },
  });
  return kernel({
    ...frame,
    label: `matmul ${nodes[0]!.attributes.layout} subgroup matrix`,
    workgroupSize: [threads],
    enables: matrixExtensions,
    declarations: wgsl`${declarations}
var<workgroup> pieces: array<array<vec4u, ${tiling.piece}>, ${piecesOf(tiling)}>;
`,
    main: wgsl`${place}
  ${mainText(tiling, withOperands)}
  ${partials ? storeParts(tiling) : storeResults(tiling, nodes[0]!.attributes, width)}
  ${hasRowSums ? joinRowSums(tiling, rowSumAt) : ""}`,
  });
}

/**
 * The product: the next block is fetched into registers while the matrix units work on the one in workgroup memory. If k does not consist
 * of whole blocks, the first one is smaller.
 */
function mainText(tiling: Tiling, withOperands: Frame["withOperands"]): string {
  const { choice, lanes, left, right, matrix, rows, columns, isWholeDepth, hasRowSums } = tiling;
  const { tile } = choice;
  const { depth } = tile;
  const across = tile.subgroups[1];
  const sums = range(rows).flatMap((i) => range(columns).map((j) => `var c${i}_${j}: ${resultType(matrix)};`));
  const fetch = (at: string, isWhole: boolean) =>
    withOperands((a, b) => [...fetchTile(left, at, isWhole, a), ...fetchTile(right, at, isWhole, b)].join("\n    "));
  return wgsl`let firstRow = tileRow * ${tile.rows}u;
  let firstColumn = tileColumn * ${tile.columns}u;
  let subgroup = thread / ${lanes}u;
  let own = thread % ${lanes}u;
  let ownRow = subgroup / ${across}u;
  let ownColumn = subgroup % ${across}u;
  ${sums.join(" ")}
  ${hasRowSums ? "var lowSum = vec4f(); var highSum = vec4f();" : ""}
  ${[left, right].flatMap((side) => places(side, tiling)).join("\n  ")}
  ${isWholeDepth ? `const rest = ${depth}u;` : `let rest = (depthEnd - depthBegin - 1u) % ${depth}u + 1u;`}
  let start = select(0u, depthBegin, depthBegin < depthEnd);
  ${fetch("start", isWholeDepth)}
  for (var next = select(depthEnd + ${depth}u, depthBegin + rest, depthBegin < depthEnd); next < depthEnd + ${depth}u; next += ${depth}u) {
    ${[...storeTile(left, tiling), ...storeTile(right, tiling)].join("\n    ")}
    workgroupBarrier();
    if (next < depthEnd) {
    ${fetch("next", true)} }
    ${range(depth / matrix.K)
      .map((step) => multiply(tiling, step))
      .join("\n    ")}
    workgroupBarrier();
  }`;
}

/** WGSL for where each of a thread's vectors is in memory and in workgroup memory. They do not depend on k. */
function places({ name, alongDepth, first, end, line, part, stride, perThread }: Side, { threads }: Tiling): string[] {
  return range(perThread).map((i) => {
    const at = `(thread + ${i * threads}u)`;
    const [row, vector] = [`${at} / ${line}u`, `${at} % ${line}u`];
    const columns = part / halvesPerVector;
    const text = alongDepth
      ? wgsl`let ${name}Depth${i} = ${vector} * ${halvesPerVector}u;
  let ${name}From${i} = min(${first} + ${row}, ${end} - 1u) * ${name}Stride;
  let ${name}Part${i} = ${row} / ${part}u;
  let ${name}To${i} = ${row} % ${part}u * ${stride}u + ${vector};`
      : wgsl`let ${name}Depth${i} = ${row};
  let ${name}From${i} = min(${first} / ${halvesPerVector}u + ${vector}, ${name}Stride - 1u);
  let ${name}Part${i} = ${vector} / ${columns}u;
  let ${name}To${i} = ${row} * ${stride}u + ${vector} % ${columns}u;`;
    return `${text}\n  var ${name}${i}: vec4u;`;
  });
}

/** WGSL that fetches a thread's vectors of the block at depth `at` into registers. If it is not whole, depth past its `rest` counts as zero. */
function fetchTile({ name, alongDepth, perThread }: Side, at: string, isWhole: boolean, read: Read): string[] {
  return range(perThread).map((i) => {
    const depth = `${at} + ${name}Depth${i}`;
    const load = (from: string) =>
      alongDepth ? read(`${name}From${i} + (${from}) / ${halvesPerVector}u`) : read(`(${from}) * ${name}Stride + ${name}From${i}`);
    if (isWhole) return `${name}${i} = ${load(depth)};`;
    return `${name}${i} = select(vec4u(), ${load(`min(${depth}, depth - 1u)`)}, ${name}Depth${i} < rest);`;
  });
}

/** WGSL that writes a thread's vectors to workgroup memory, and adds up those of A if its sums are wanted. */
function storeTile({ name, perThread, firstPiece }: Side, { hasRowSums }: Tiling): string[] {
  const halves = (words: string) => `vec4f(bitcast<vec4<f16>>(${words}))`;
  return range(perThread).map((i) => {
    const value = `${name}${i}`;
    const store = `pieces[${firstPiece}u + ${name}Part${i}][${name}To${i}] = ${value};`;
    return hasRowSums && name === "left" ? `${store} lowSum += ${halves(`${value}.xy`)}; highSum += ${halves(`${value}.zw`)};` : store;
  });
}

/** WGSL that multiplies a subgroup's matrices at one depth of the block. */
function multiply({ left, right, rows, columns, matrix }: Tiling, step: number): string {
  const { M, N, K } = matrix;
  const load = ({ name, alongDepth, stride, ownPiece }: Side, edge: number) => {
    const at = alongDepth ? edge * stride + (step * K) / halvesPerVector : step * K * stride + edge / halvesPerVector;
    return loadOperand(name, matrix, alongDepth, { array: `pieces[${ownPiece}]`, offset: `${at}u`, stride: `${stride}u` });
  };
  const lefts = range(rows).map((i) => `let l${i} = ${load(left, i * M)};`);
  const products = range(columns).map((j) => {
    const sums = range(rows).map((i) => addProduct(`c${i}_${j}`, `l${i}`, "r"));
    return `{ let r = ${load(right, j * N)}; ${sums.join(" ")} }`;
  });
  return `{ ${[...lefts, ...products].join("\n    ")} }`;
}

/** WGSL that stores a part's matrices, whose memory ends with whole tiles. */
function storeParts({ rows, columns, left, right, matrix: { M, N } }: Tiling): string {
  const stores = range(rows).flatMap((i) =>
    range(columns).map((j) => {
      const row = `(firstRow + ownRow * ${left.part}u + ${i * M}u)`;
      const at = `group.z * params.plane + ${row} * stride + firstColumn + ownColumn * ${right.part}u + ${j * N}u`;
      return storeResult(`c${i}_${j}`, { array: memoryOf("sums"), offset: at, stride: "stride" });
    }),
  );
  return stores.join("\n  ");
}

/** Vectors of a thread that are on their way to the epilogue together: several where it reads, or each would wait for what it reads. */
const vectorsTogether = ({ addend, activation }: MatmulAttributes) => (addend || finishOf(activation)?.isGradient ? 4 : 1);

/** WGSL that passes the results through workgroup memory to the epilogue, as vectors of `width`. */
function storeResults(
  { choice: { tile }, rows, left, right, lanes, slab, matrix: { M, N } }: Tiling,
  attributes: MatmulAttributes,
  width: 1 | 4,
): string {
  const together = vectorsTogether(attributes);
  const stride = slabStride(slab);
  const quads = slab.columns / 4;
  const vectors = slab.lines * M * quads;
  const takesSeveral = width === 4 && together > 1 && vectors % (lanes * together) === 0;
  const each = (line: (i: number) => string) => range(4).map(line).join(" ");
  const finish =
    width === 4
      ? "finish((row * stride + column) / 4u, column / 4u, value);"
      : each((i) => `if (column + ${i}u < n) { finish(row * stride + column + ${i}u, column + ${i}u, value[${i}]); }`);
  const passes = range(rows / slab.lines).flatMap((i) => range(right.part / slab.columns).map((j) => ({ i: i * slab.lines, j })));
  const texts = passes.map(({ i, j }) => {
    const stores = range(slab.lines).flatMap((line) =>
      range(slab.columns / N).map((across) =>
        storeResult(`c${i + line}_${(j * slab.columns) / N + across}`, {
          array: "pieces[subgroup]",
          offset: `${line * M * stride + (across * N) / 4}u`,
          stride: `${stride}u`,
        }),
      ),
    );
    const at = (e: string) => wgsl`let row = firstRow + ownRow * ${left.part}u + ${i * M}u + (${e}) / ${quads}u;
      let column = firstColumn + ownColumn * ${right.part}u + ${j * slab.columns}u + (${e}) % ${quads}u * 4u;
      let value = bitcast<vec4f>(pieces[subgroup][(${e}) / ${quads}u * ${stride}u + (${e}) % ${quads}u]);`;
    const several = wgsl`if (isInside) { for (var e = own; e < ${vectors}u; e += ${lanes * together}u) {
      ${range(together)
        .map((i) => `{ ${at(`e + ${i * lanes}u`)} ${finish} }`)
        .join("\n      ")}
    } } else`;
    return wgsl`${stores.join(" ")}
  workgroupBarrier();
  ${takesSeveral ? several : ""} { for (var e = own; e < ${vectors}u; e += ${lanes}u) {
    ${at("e")}
    if (row < m && column < n) { ${finish} }
  } }
  workgroupBarrier();`;
  });
  const isInside = `let isInside = firstRow + ${tile.rows}u <= m && firstColumn + ${tile.columns}u <= n;`;
  return [...(takesSeveral ? [isInside] : []), ...texts].join("\n  ");
}

/** WGSL that adds up A's sums: threads whose numbers are equal modulo the vectors of a line have loaded the same rows at different depths. */
function joinRowSums({ left: { line }, lanes, threads }: Tiling, place: string): string {
  return wgsl`pieces[subgroup][own * 2u] = bitcast<vec4u>(lowSum);
  pieces[subgroup][own * 2u + 1u] = bitcast<vec4u>(highSum);
  workgroupBarrier();
  if (tileColumn == 0u && thread < ${line * 2}u) {
    var whole = vec4f();
    for (var i = thread / 2u; i < ${threads}u; i += ${line}u) { whole += bitcast<vec4f>(pieces[i / ${lanes}u][i % ${lanes}u * 2u + thread % 2u]); }
    for (var i = 0u; i < 4u; i++) {
      let row = firstRow + thread * 4u + i;
      if (row < m) { setRowSums(${place}, whole[i]); }
    }
  }`;
}
