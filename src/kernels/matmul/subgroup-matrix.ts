/**
 * Matmul, variant "subgroup matrix": f16 operands on the device's matrix units, accumulated in f32 (WGSL's
 * `chromium_experimental_subgroup_matrix`; tensor cores on NVIDIA, simdgroup matrices on Apple). Needs `shader-f16`, subgroups of one size,
 * a configuration f16 → f32, and rows of memory that divide into vectors of four.
 *
 * A workgroup of four subgroups computes a tile of C, each subgroup a quarter of it. Operands have the same layout in workgroup memory as
 * in the buffers and are loaded as row-major or column-major matrices, while the next block is fetched into registers. Results pass through
 * workgroup memory one matrix at a time, so that this variant can use the common epilogue and does not store beyond edges.
 */
import type { Capabilities, SubgroupMatrix } from "../../gpu/capabilities.ts";
import { memoryOf, range, wgsl } from "../../gpu/shader.ts";
import { kernel, paramU32, sizeOf, sizeParam, vectorWidth } from "../language/kernel.ts";
import { capacity, type Lowering, type Node, type Variant } from "../language/operation.ts";
import { needsWindows } from "../language/windows.ts";
import { type MatmulAttributes, matmulShape, matmulTensors, runsAlongDepth } from "./attributes.ts";
import { epilogue } from "./epilogue.ts";

/** Edges of the tile of C; both are divided by two among the subgroups. */
const edges = [128, 64] as const;
const depth = 32;
const subgroups = 4;

/** Padding of each line of a tile in workgroup memory, in f16 elements; without it all lines would begin in the same banks. */
const padding = 8;

/** Tiles of C that keep a GPU busy: if there are fewer, smaller tiles are better. */
const enoughWorkgroups = 128;

/** The variants for matrix units, if the device has some that suit the node; the best guess first. */
export function subgroupMatrixVariants(node: Node<MatmulAttributes>, capabilities: Capabilities): readonly Variant[] {
  const { a, b } = matmulTensors(node);
  const { m, n } = matmulShape(node);
  const { features, subgroupSize, subgroupMatrices, limits } = capabilities;
  const matrix = subgroupMatrices.find(
    ({ componentType, resultComponentType, M, N, K }) =>
      componentType === "f16" && resultComponentType === "f32" && [M, N, K].every((size) => depth % size === 0),
  );
  const fits =
    [a, b].every((operand) => operand.dtype === "f16" && !needsWindows(operand, limits.maxStorageBufferBindingSize)) &&
    vectorWidth(...[a, b].map(({ shape }) => capacity(shape[1]!))) === 4;
  if (matrix === undefined || !fits || subgroupSize === null || !features.has("shader-f16")) return [];
  if (subgroups * subgroupSize > limits.maxComputeInvocationsPerWorkgroup) return [];
  const workgroups = (edge: number) => Math.ceil(capacity(m) / edge) * Math.ceil(capacity(n) / edge);
  const possible = edges.filter((edge) => memoryBytes(edge, matrix, subgroupSize) <= limits.maxComputeWorkgroupStorageSize);
  const best = possible.find((edge) => workgroups(edge) >= enoughWorkgroups) ?? possible.at(-1);
  return [...possible.filter((edge) => edge === best), ...possible.filter((edge) => edge !== best)].map((edge) => ({
    name: `subgroup matrix ${edge}×${edge}×${depth}`,
    lower: () => lowerSubgroupMatrix(node, edge, matrix, subgroupSize),
  }));
}

/** Both operands' tiles as f16, a result matrix for each subgroup, and the partial sums of A. */
const memoryBytes = (edge: number, { M, N }: SubgroupMatrix, lanes: number) =>
  2 * edge * (depth + padding) * 2 + subgroups * M * N * 4 + subgroups * lanes * 16;

/** How one operand is loaded into workgroup memory, and from there into matrices. */
interface Side {
  readonly name: "left" | "right";
  readonly operand: "a" | "b";
  /** Whether the operand's rows run along k. Its tile then has lines of length `depth`, otherwise `edge`. */
  readonly alongDepth: boolean;
  /** WGSL for where the tile begins along C, and where C ends. */
  readonly first: string;
  readonly end: string;
  /** Lines of its tile, and the number of vectors of four and of f16 elements per line, padding included. */
  readonly lines: number;
  readonly quads: number;
  readonly stride: number;
}

/** What a workgroup computes: a tile of `edge` × `edge`, with matrices of the sizes that the device supports. */
interface Tiling {
  readonly edge: number;
  readonly matrix: SubgroupMatrix;
  readonly threads: number;
  readonly lanes: number;
  readonly left: Side;
  readonly right: Side;
  /** Matrices of C per subgroup. */
  readonly rows: number;
  readonly columns: number;
}

function tilingOf({ layout }: MatmulAttributes, edge: number, matrix: SubgroupMatrix, lanes: number): Tiling {
  const [leftAlong, rightAlong] = runsAlongDepth[layout];
  const side = (own: Pick<Side, "name" | "operand" | "alongDepth" | "first" | "end">): Side => {
    const length = own.alongDepth ? depth : edge;
    return { ...own, lines: own.alongDepth ? edge : depth, quads: length / 4, stride: length + padding };
  };
  return {
    edge,
    matrix,
    threads: subgroups * lanes,
    lanes,
    left: side({ name: "left", operand: "a", alongDepth: leftAlong, first: "firstRow", end: "m" }),
    right: side({ name: "right", operand: "b", alongDepth: rightAlong, first: "firstColumn", end: "n" }),
    rows: edge / 2 / matrix.M,
    columns: edge / 2 / matrix.N,
  };
}

function lowerSubgroupMatrix(node: Node<MatmulAttributes>, edge: number, matrix: SubgroupMatrix, lanes: number): Lowering {
  const tensors = matmulTensors(node);
  const { a, b, rowSums } = tensors;
  const { m, n, k } = matmulShape(node);
  const tiling = tilingOf(node.attributes, edge, matrix, lanes);
  const { left, right, threads } = tiling;
  const { reads, writes, params, declarations } = epilogue(tensors, node.attributes, 1);
  return {
    variant: `subgroup matrix ${edge}×${edge}×${depth}`,
    kernels: [
      kernel({
        label: `matmul ${node.attributes.layout} subgroup matrix`,
        workgroupSize: [threads],
        enables: ["f16", "subgroups", "chromium_experimental_subgroup_matrix"],
        reads: { a: [a, "vec4f"], b: [b, "vec4f"], ...reads },
        writes: { ...writes, ...(rowSums ? { rowSums: [rowSums, "f32"] as const } : {}) },
        params: {
          ...params,
          m: sizeParam(m),
          n: sizeParam(n),
          k: sizeParam(k),
          stride: paramU32(capacity(n)),
          leftStride: paramU32(capacity(left.alongDepth ? k : m) / 4),
          rightStride: paramU32(capacity(right.alongDepth ? k : n) / 4),
        },
        declarations: wgsl`${declarations}
var<workgroup> left: array<f16, ${left.lines * left.stride}>;
var<workgroup> right: array<f16, ${right.lines * right.stride}>;
var<workgroup> results: array<f32, ${subgroups * matrix.M * matrix.N}>;
${rowSums ? `var<workgroup> sums: array<vec4f, ${threads}>;` : ""}
`,
        main: mainText(tiling, { m: sizeOf("m", m), n: sizeOf("n", n), k: sizeOf("k", k) }, rowSums !== undefined),
        workgroups: (live) => [Math.ceil(live(n) / edge), Math.ceil(live(m) / edge), 1],
        flop: (live) => 2 * live(m) * live(n) * live(k),
      }),
    ],
  };
}

/** The body: the next block is fetched into registers while the matrix units work on the one in workgroup memory. */
function mainText(tiling: Tiling, size: Readonly<Record<"m" | "n" | "k", string>>, hasRowSums: boolean): string {
  const { edge, threads, lanes, left, right } = tiling;
  const vectors = range(vectorsPerThread(tiling));
  const fetchBlock = [...fetchTile(left, tiling), ...fetchTile(right, tiling)].join("\n    ");
  const storeBlock = [...storeTile(left, tiling, hasRowSums), ...storeTile(right, tiling, false)].join("\n    ");
  return wgsl`let m = ${size.m};
  let n = ${size.n};
  let depthEnd = ${size.k};
  let firstRow = group.y * ${edge}u;
  let firstColumn = group.x * ${edge}u;
  let subgroup = thread / ${lanes}u;
  let ownRow = (subgroup / 2u) * ${edge / 2}u;
  let ownColumn = (subgroup % 2u) * ${edge / 2}u;
  ${hasRowSums ? "var ownSum = vec4f();" : ""}
  var sum: array<array<subgroup_matrix_result<f32, ${tiling.matrix.N}, ${tiling.matrix.M}>, ${tiling.columns}>, ${tiling.rows}>;
  ${[left, right].map(({ name }) => vectors.map((i) => `var ${name}${i}: vec4<f16>;`).join(" ")).join(" ")}
  var next = 0u;
  ${fetchBlock}
  while (next < depthEnd) {
    ${storeBlock}
    workgroupBarrier();
    next += ${depth}u;
    ${fetchBlock}
    for (var k = 0u; k < ${depth}u; k += ${tiling.matrix.K}u) {
      ${multiply(tiling)}
    }
    workgroupBarrier();
  }
  ${storeResults(tiling)}
  ${hasRowSums ? joinRowSums(edge, threads) : ""}`;
}

/** Vectors of four of each tile that a thread loads. */
const vectorsPerThread = ({ edge, threads }: Tiling) => (edge * depth) / 4 / threads;

/** WGSL that fetches a thread's vectors of the block from `next` on into registers. */
function fetchTile({ name, operand, alongDepth, first, end, quads }: Side, tiling: Tiling): string[] {
  return range(vectorsPerThread(tiling)).map((i) => {
    const own = `(thread + ${i * tiling.threads}u)`;
    const place = wgsl`let line = ${own} / ${quads}u; let quad = ${own} % ${quads}u;`;
    return alongDepth
      ? wgsl`{ ${place} let at = next + quad * 4u;
      let inside = vec4u(at, at + 1u, at + 2u, at + 3u) < vec4u(depthEnd);
      ${name}${i} = select(vec4<f16>(), ${memoryOf(operand)}[min(${first} + line, ${end} - 1u) * params.${name}Stride + min(at, (depthEnd - 1u) & ~3u) / 4u], inside); }`
      : wgsl`{ ${place} let at = next + line;
      ${name}${i} = select(vec4<f16>(), ${memoryOf(operand)}[min(at, depthEnd - 1u) * params.${name}Stride + min(${first} / 4u + quad, params.${name}Stride - 1u)], at < depthEnd); }`;
  });
}

/** WGSL that writes a thread's vectors to workgroup memory, and adds them up if the sums of A are wanted. */
function storeTile({ name, quads, stride }: Side, tiling: Tiling, addsUp: boolean): string[] {
  return range(vectorsPerThread(tiling)).map((i) => {
    const own = `(thread + ${i * tiling.threads}u)`;
    const at = `${own} / ${quads}u * ${stride}u + ${own} % ${quads}u * 4u`;
    return `{ let at = ${at}; ${range(4)
      .map((j) => `${name}[at + ${j}u] = ${name}${i}[${j}];`)
      .join(" ")} ${addsUp ? `ownSum += vec4f(left${i});` : ""} }`;
  });
}

/** WGSL that multiplies a subgroup's matrices at depth `k` of the block. */
function multiply({ left, right, rows, columns, matrix: { M, N, K } }: Tiling): string {
  const at = ({ name, alongDepth, stride }: Side, first: string) =>
    alongDepth ? `&${name}, (${first}) * ${stride}u + k, ${stride}u` : `&${name}, k * ${stride}u + ${first}, ${stride}u`;
  const order = (rowMajor: boolean) => (rowMajor ? "row_major" : "col_major");
  const load = (side: Side, type: string, rowMajor: boolean, first: string) =>
    `subgroupMatrixLoad<${type}, ${order(rowMajor)}>(${at(side, first)})`;
  const lefts = range(rows).map((i) => {
    const matrix = load(left, `subgroup_matrix_left<f16, ${K}, ${M}>`, left.alongDepth, `ownRow + ${i * M}u`);
    return `let l${i} = ${matrix};`;
  });
  const products = range(columns).map((j) => {
    const matrix = load(right, `subgroup_matrix_right<f16, ${N}, ${K}>`, !right.alongDepth, `ownColumn + ${j * N}u`);
    const sums = range(rows).map((i) => `sum[${i}][${j}] = subgroupMatrixMultiplyAccumulate(l${i}, r, sum[${i}][${j}]);`);
    return `{ let r = ${matrix}; ${sums.join(" ")} }`;
  });
  return [...lefts, ...products].join("\n      ");
}

/** WGSL that passes each matrix through workgroup memory to the epilogue. */
function storeResults({ rows, columns, lanes, matrix: { M, N } }: Tiling): string {
  return range(rows)
    .flatMap((i) => range(columns).map((j) => [i, j] as const))
    .map(
      ([i, j]) => wgsl`subgroupMatrixStore<row_major>(&results, subgroup * ${M * N}u, sum[${i}][${j}], ${N}u);
  workgroupBarrier();
  for (var e = lane; e < ${M * N}u; e += ${lanes}u) {
    let row = firstRow + ownRow + ${i * M}u + e / ${N}u;
    let column = firstColumn + ownColumn + ${j * N}u + e % ${N}u;
    if (row < m && column < n) { finish(row * params.stride + column, column, results[subgroup * ${M * N}u + e]); }
  }
  workgroupBarrier();`,
    )
    .join("\n  ");
}

/** Threads whose numbers are equal modulo the tile's vectors have loaded the same rows of A at different depths. */
function joinRowSums(edge: number, threads: number): string {
  const quads = edge / 4;
  return wgsl`sums[thread] = ownSum;
  workgroupBarrier();
  if (group.x == 0u && thread < ${quads}u) {
    var whole = vec4f();
    for (var i = thread; i < ${threads}u; i += ${quads}u) { whole += sums[i]; }
    for (var i = 0u; i < 4u; i++) {
      let row = firstRow + thread * 4u + i;
      if (row < m) { setRowSums(row, whole[i]); }
    }
  }`;
}
