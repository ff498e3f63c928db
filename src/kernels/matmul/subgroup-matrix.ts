/**
 * Matmul, variant "subgroup matrix": f16 operands on the device's matrix units, accumulated in f32 (WGSL's `chromium_experimental_subgroup_matrix`; tensor
 * cores on NVIDIA, simdgroup matrices on Apple). Needs `shader-f16`, subgroups of one size, a configuration f16 → f32, and rows of memory that divide
 * into vectors of four.
 *
 * A workgroup of four subgroups computes a tile of C, each subgroup a quarter of it. Operands lie in workgroup memory as they lie in the buffers, and
 * are loaded as row-major or column-major matrices; the next block is fetched into registers meanwhile. Results go through workgroup memory, a matrix at a time, so that the epilogue is the one of all
 * variants and edges are not stored.
 */
import type { Capabilities, SubgroupMatrix } from "../../gpu/capabilities.ts";
import { memoryOf, range, wgsl } from "../../gpu/shader.ts";
import { kernel, paramU32, sizeOf, sizeParam, vectorWidth } from "../language/kernel.ts";
import { capacity, type Lowering, type Node, type Variant } from "../language/operation.ts";
import { needsWindows } from "../language/windows.ts";
import { type MatmulAttributes, matmulShape, matmulTensors, runsAlongDepth } from "./attributes.ts";
import { epilogue } from "./epilogue.ts";

/** Edges of the tile of C, both divided by two among the subgroups. */
const edges = [128, 64] as const;
const depth = 32;
const subgroups = 4;

/** Halves beyond each line of a tile in workgroup memory: lines of one length would begin in the same banks. */
const padding = 8;

/** Tiles of C that keep a GPU busy: with fewer, smaller tiles are better. */
const enoughWorkgroups = 128;

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

/** Both operands' tiles as halves, a result matrix for each subgroup, and the partial sums of A. */
const memoryBytes = (edge: number, { M, N }: SubgroupMatrix, lanes: number) =>
  2 * edge * (depth + padding) * 2 + subgroups * M * N * 4 + subgroups * lanes * 16;

function lowerSubgroupMatrix(node: Node<MatmulAttributes>, edge: number, { M, N, K }: SubgroupMatrix, lanes: number): Lowering {
  const tensors = matmulTensors(node);
  const { a, b, rowSums } = tensors;
  const { layout } = node.attributes;
  const { m, n, k } = matmulShape(node);
  const threads = subgroups * lanes;
  const { reads, writes, params, declarations } = epilogue(tensors, node.attributes, 1);
  // Whether an operand's rows run along k, and how its tile then lies in workgroup memory.
  const [leftAlong, rightAlong] = runsAlongDepth[layout];
  const quads = (along: boolean) => (along ? depth : edge) / 4;
  const stride = (along: boolean) => (along ? depth : edge) + padding;
  const perThread = range((edge * depth) / 4 / threads);
  // A thread fetches its vectors of the next block while the matrix units work on this one.
  const fetch = (name: "left" | "right", operand: "a" | "b", along: boolean, first: string, end: string) =>
    perThread.map((i) => {
      const place = wgsl`let line = (thread + ${i * threads}u) / ${quads(along)}u; let quad = (thread + ${i * threads}u) % ${quads(along)}u;`;
      return along
        ? wgsl`{ ${place} let at = next + quad * 4u;
      let inside = vec4u(at, at + 1u, at + 2u, at + 3u) < vec4u(depthEnd);
      ${name}${i} = select(vec4<f16>(), ${memoryOf(operand)}[min(${first} + line, ${end} - 1u) * params.${name}Stride + min(at, (depthEnd - 1u) & ~3u) / 4u], inside); }`
        : wgsl`{ ${place} let at = next + line;
      ${name}${i} = select(vec4<f16>(), ${memoryOf(operand)}[min(at, depthEnd - 1u) * params.${name}Stride + min(${first} / 4u + quad, params.${name}Stride - 1u)], at < depthEnd); }`;
    });
  const store = (name: "left" | "right", along: boolean) =>
    perThread.map((i) => {
      const at = `(thread + ${i * threads}u) / ${quads(along)}u * ${stride(along)}u + (thread + ${i * threads}u) % ${quads(along)}u * 4u`;
      return `{ let at = ${at}; ${range(4)
        .map((j) => `${name}[at + ${j}u] = ${name}${i}[${j}];`)
        .join(" ")} ${rowSums && name === "left" ? `ownSum += vec4f(left${i});` : ""} }`;
    });
  const fetchBlock = [...fetch("left", "a", leftAlong, "firstRow", "m"), ...fetch("right", "b", rightAlong, "firstColumn", "n")].join(
    "\n    ",
  );
  const matrices = { rows: edge / 2 / M, columns: edge / 2 / N };
  const matrixAt = (name: "left" | "right", along: boolean, first: string) =>
    along
      ? `&${name}, (${first}) * ${stride(along)}u + k, ${stride(along)}u`
      : `&${name}, k * ${stride(along)}u + ${first}, ${stride(along)}u`;
  const order = (rowMajor: boolean) => (rowMajor ? "row_major" : "col_major");
  const result = `subgroup_matrix_result<f32, ${N}, ${M}>`;
  return {
    variant: `subgroup matrix ${edge}×${edge}×${depth}`,
    kernels: [
      kernel({
        label: `matmul ${layout} subgroup matrix`,
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
          leftStride: paramU32(capacity(leftAlong ? k : m) / 4),
          rightStride: paramU32(capacity(rightAlong ? k : n) / 4),
        },
        declarations: wgsl`${declarations}
var<workgroup> left: array<f16, ${leftAlong ? edge * stride(true) : depth * stride(false)}>;
var<workgroup> right: array<f16, ${rightAlong ? edge * stride(true) : depth * stride(false)}>;
var<workgroup> results: array<f32, ${subgroups * M * N}>;
${rowSums ? `var<workgroup> sums: array<vec4f, ${threads}>;` : ""}
`,
        main: wgsl`let m = ${sizeOf("m", m)};
  let n = ${sizeOf("n", n)};
  let depthEnd = ${sizeOf("k", k)};
  let firstRow = group.y * ${edge}u;
  let firstColumn = group.x * ${edge}u;
  let subgroup = thread / ${lanes}u;
  let ownRow = (subgroup / 2u) * ${edge / 2}u;
  let ownColumn = (subgroup % 2u) * ${edge / 2}u;
  ${rowSums ? "var ownSum = vec4f();" : ""}
  var sum: array<array<${result}, ${matrices.columns}>, ${matrices.rows}>;
  ${["left", "right"].map((name) => perThread.map((i) => `var ${name}${i}: vec4<f16>;`).join(" ")).join(" ")}
  var next = 0u;
  ${fetchBlock}
  while (next < depthEnd) {
    ${[...store("left", leftAlong), ...store("right", rightAlong)].join("\n    ")}
    workgroupBarrier();
    next += ${depth}u;
    ${fetchBlock}
    for (var k = 0u; k < ${depth}u; k += ${K}u) {
      ${range(matrices.rows)
        .map(
          (i) =>
            `let l${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, ${K}, ${M}>, ${order(leftAlong)}>(${matrixAt("left", leftAlong, `ownRow + ${i * M}u`)});`,
        )
        .join("\n      ")}
      ${range(matrices.columns)
        .map((j) => {
          const right = `subgroupMatrixLoad<subgroup_matrix_right<f16, ${N}, ${K}>, ${order(!rightAlong)}>(${matrixAt("right", rightAlong, `ownColumn + ${j * N}u`)})`;
          const products = range(matrices.rows).map(
            (i) => `sum[${i}][${j}] = subgroupMatrixMultiplyAccumulate(l${i}, r, sum[${i}][${j}]);`,
          );
          return `{ let r = ${right}; ${products.join(" ")} }`;
        })
        .join("\n      ")}
    }
    workgroupBarrier();
  }
  ${range(matrices.rows)
    .flatMap((i) => range(matrices.columns).map((j) => [i, j] as const))
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
    .join("\n  ")}
  ${rowSums ? joinRowSums(edge, threads) : ""}`,
        workgroups: (live) => [Math.ceil(live(n) / edge), Math.ceil(live(m) / edge), 1],
        flop: (live) => 2 * live(m) * live(n) * live(k),
      }),
    ],
  };
}

/** Threads that are alike modulo the tile's vectors have loaded the same rows of A at different depths. */
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
