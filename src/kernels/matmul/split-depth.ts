/**
 * Split k: a product with few tiles of C and a large k (the gradient of a weight, a small batch) does not fill a GPU. Then several
 * workgroups share a tile, each with a part of k, and store their sums side by side. A second kernel adds them up, always in the same
 * order, and does what the product's epilogue does otherwise.
 */
import type { Limits } from "../../gpu/capabilities.ts";
import { wgsl } from "../../gpu/shader.ts";
import { blockIndex, fold, kernel, paramU32, sizeOf, sizeParam, vector, vectorWidth } from "../language/kernel.ts";
import { capacity, type Join, type Kernel, type Lowering, Scratch } from "../language/operation.ts";
import { needsWindows } from "../language/windows.ts";
import { matmulShape, matmulTensors, type Product } from "./attributes.ts";
import { epilogue } from "./epilogue.ts";

/** A tile of C that a workgroup computes, and the depth that it handles at a time. */
export interface TileSize {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

/** A line of a table of choices: a tile, into how many parts k is split, and the fewest workgroups with which it is the best guess. */
export interface Split<Tile extends TileSize> {
  readonly tile: Tile;
  readonly parts: number;
  readonly workgroups: number;
  /** The most tiles of C for which it is offered; any number if absent. */
  readonly mostTiles?: number;
}

/** The products of one dispatch: one, or several alike. */
type Products = readonly Product[];

/** Whether a choice is a good guess for a dispatch. Parts of less than `leastDepth` cost more to join than they save. */
export function suits(nodes: Products, { tile, parts, workgroups }: Split<TileSize>, leastDepth: number): boolean {
  const { k } = matmulShape(nodes[0]!);
  return tilesOf(nodes, tile) * parts >= workgroups && (parts === 1 || capacity(k) >= parts * leastDepth);
}

/** The number of tiles of C. */
export function tilesOf(nodes: Products, { rows, columns }: Pick<TileSize, "rows" | "columns">): number {
  return nodes.map(matmulShape).reduce((sum, { m, n }) => sum + Math.ceil(capacity(m) / rows) * Math.ceil(capacity(n) / columns), 0);
}

/** Lines of a table with the best guess, number `best` of `table`, first, then its neighbours. */
export function nearestFirst<Line>(lines: readonly Line[], table: readonly Line[], best: number): readonly Line[] {
  const distance = (line: Line) => Math.abs(table.indexOf(line) - best);
  return lines.toSorted((a, b) => distance(a) - distance(b));
}

/** Whether each part of a choice has something to do, and the device can bind them all. */
export function hasPlace(nodes: Products, { tile, parts, mostTiles = Number.POSITIVE_INFINITY }: Split<TileSize>, limits: Limits): boolean {
  if (parts === 1) return true;
  if (tilesOf(nodes, tile) > mostTiles) return false;
  return nodes.every((node) => {
    const { sums } = partialProducts(node, tile, parts);
    return capacity(matmulShape(node).k) >= parts * tile.depth && !needsWindows(sums, limits.maxStorageBufferBindingSize);
  });
}

/** The name of a choice in a plan. */
export const nameOfSplit = ({ tile: { rows, columns, depth }, parts }: Split<TileSize>): string =>
  `${rows}×${columns}×${depth}${parts > 1 ? ` in ${parts} parts` : ""}`;

/** The memory of a product's parts. */
export interface PartialProducts {
  readonly parts: number;
  /** f32 [parts, rows, columns]; rows and columns end with whole tiles. */
  readonly sums: Scratch;
  /** f32 [parts, m]: the sums of A over the parts of k; null if they are not wanted. */
  readonly rowSums: Scratch | null;
}

/** Memory for `parts` parts of a node's product. */
function partialProducts(node: Product, { rows, columns }: TileSize, parts: number): PartialProducts {
  const { m, n } = matmulShape(node);
  const whole = (size: number, edge: number) => Math.ceil(size / edge) * edge;
  return {
    parts,
    sums: new Scratch("f32", [parts, whole(capacity(m), rows), whole(capacity(n), columns)]),
    rowSums: node.attributes.rowSums ? new Scratch("f32", [parts, capacity(m)]) : null,
  };
}

/** The kernels of a choice: the products alone, or their parts and the join of each. `kernelOf` gives the first of them. */
export function lowerSplit(
  variant: string,
  nodes: Products,
  { tile, parts }: Split<TileSize>,
  kernelOf: (partials: readonly PartialProducts[] | null) => Kernel,
): Lowering {
  if (parts === 1) return { variant, kernels: [kernelOf(null)] };
  const partials = nodes.map((node) => partialProducts(node, tile, parts));
  return {
    variant,
    kernels: [kernelOf(partials), ...nodes.map((node, i) => joinParts(node, partials[i]!))],
    scratch: partials.flatMap(({ sums, rowSums }) => [sums, ...(rowSums ? [rowSums] : [])]),
  };
}

/** WGSL that declares the depths of a workgroup's part, `depthBegin` to `depthEnd` of `depth`: whole blocks of `block`, and the rest in the last part. */
export const partOfDepth = (parts: number, block: number): string =>
  parts === 1
    ? "const depthBegin = 0u;\n  let depthEnd = depth;"
    : wgsl`let depthBegin = group.z * ((depth + ${parts * block - 1}u) / ${parts * block}u) * ${block}u;
  let depthEnd = min(depth, depthBegin + (depth + ${parts * block - 1}u) / ${parts * block}u * ${block}u);`;

/** The kernel that adds up the parts and finishes the product. */
function joinParts(node: Product, { parts, sums, rowSums }: PartialProducts): Kernel {
  const tensors = matmulTensors(node);
  const { m, n } = matmulShape(node);
  const width = vectorWidth(capacity(n));
  const [, rows, columns] = sums.shape as [number, number, number];
  const { reads, writes, params, declarations } = epilogue(tensors, node.attributes, width);
  const threads = 256;
  return kernel({
    label: `matmul ${node.attributes.layout} join`,
    workgroupSize: [threads],
    reads: { ...reads, sums: [sums, vector(width)], partOfRowSums: rowSums ? [rowSums, "f32"] : undefined },
    writes: { ...writes, rowSums: tensors.rowSums && [tensors.rowSums, "f32"] },
    params: {
      ...params,
      m: sizeParam(m),
      rows: paramU32(capacity(m)),
      columns: paramU32(capacity(n) / width),
      stride: paramU32(columns / width),
      plane: paramU32((rows * columns) / width),
    },
    declarations,
    main: wgsl`${blockIndex}
  let index = block * ${threads}u + thread;
  let row = index / params.columns;
  let column = index % params.columns;
  if (row >= ${sizeOf("m", m)}) { return; }
  let at = row * params.stride + column;
  var sum = sums(at);
  for (var part = 1u; part < ${parts}u; part++) { sum += sums(part * params.plane + at); }
  finish(index, column, sum);
  ${rowSums ? joinRowSums(parts) : ""}`,
    workgroups: (live) => fold(Math.ceil((live(m) * (capacity(n) / width)) / threads)),
    joins: joinsOf(node, { parts, sums, rowSums }),
  });
}

/** What the kernel adds up, if it does nothing else: where results are stored as they are and their sizes are known. */
function joinsOf(node: Product, { parts, sums, rowSums }: PartialProducts): readonly Join[] | undefined {
  const { m, n } = matmulShape(node);
  const { scale, bias, addend, activation, dtype } = node.attributes;
  if (typeof m !== "number" || typeof n !== "number" || vectorWidth(m, n) === 1) return undefined;
  if (scale !== 1 || bias || addend || activation !== "none" || dtype !== "f32") return undefined;
  const { c, rowSums: ofRows } = matmulTensors(node);
  const [, rows, columns] = sums.shape as [number, number, number];
  const matrix = { output: c, outputFirst: 0, sums, first: 0, stride: columns, plane: rows * columns, rows: m, columns: n, parts };
  return rowSums
    ? [matrix, { output: ofRows!, outputFirst: 0, sums: rowSums, first: 0, stride: m, plane: m, rows: 1, columns: m, parts }]
    : [matrix];
}

const joinRowSums = (parts: number) => wgsl`if (column == 0u) {
    var rowSum = partOfRowSums(row);
    for (var part = 1u; part < ${parts}u; part++) { rowSum += partOfRowSums(part * params.rows + row); }
    setRowSums(row, rowSum);
  }`;
