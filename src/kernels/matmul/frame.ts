/**
 * What surrounds the loop of a product that is computed in tiles, the same for all variants that do so: what the kernel binds, which tile a
 * workgroup computes, and where its results go. These are the results of one product after its epilogue, parts of its sums (`split-depth.ts`),
 * or those of several products, which share a dispatch (`grouped.ts`).
 */
import { range, wgsl } from "../../gpu/shader.ts";
import {
  type Bindings,
  blockIndex,
  fold,
  type KernelDeclaration,
  numbered,
  type Parameter,
  paramU32,
  sizeOf,
  sizeParam,
  vectorWidth,
} from "../language/kernel.ts";
import { capacity } from "../language/operation.ts";
import { matmulShape, matmulTensors, type Product, runsAlongDepth } from "./attributes.ts";
import { epilogue } from "./epilogue.ts";
import { type PartialProducts, partOfDepth, type TileSize } from "./split-depth.ts";

/** How a kernel reads an operand. */
export interface OperandElement {
  /** WGSL type of an element. */
  readonly type: "f32" | "vec4f" | "vec4u";
  /** Numbers in it. */
  readonly size: number;
}

/** What a kernel computes, in which tiles. */
export interface Framed {
  /** One product, or several that depend on nothing of each other: then all are alike but for m and n (`grouped.ts`). */
  readonly nodes: readonly Product[];
  readonly tile: TileSize;
  readonly left: OperandElement;
  readonly right: OperandElement;
  /** Memory for parts of each product's sums, and the WGSL type in which they are stored; null if the products are finished. */
  readonly partial: { readonly products: readonly PartialProducts[]; readonly type: "f32" | "vec4f" } | null;
}

/** WGSL for an element of an operand, given the WGSL of its index. */
export type Read = (index: string) => string;

/** The parts of a kernel around its loop. */
export interface Frame extends Required<Pick<KernelDeclaration, "reads" | "writes" | "params" | "declarations" | "workgroups" | "flop">> {
  /**
   * WGSL that declares `m`, `n` and `depth`; `tileRow` and `tileColumn`, the workgroup's tile; `depthBegin` and `depthEnd`; `leftStride` and
   * `rightStride`, counted in elements of the operands; and `stride`, numbers from one row of the results to the next.
   */
  readonly place: string;
  /**
   * `text` for the operands of the product that the workgroup computes. In a group there is a branch for each product, around the whole text:
   * a branch at each load would take longer than the loads.
   */
  readonly withOperands: (text: (a: Read, b: Read) => string) => string;
  /** Numbers that `finish(index, column, product)` stores at a time. */
  readonly width: 1 | 4;
  /** WGSL for the numbers of a part of a product's sums, if it is split. */
  readonly plane: string;
  /** WGSL for the index of `setRowSums` for `row`. */
  readonly rowSumAt: string;
}

export function frameOf(framed: Framed): Frame {
  return framed.nodes.length === 1 ? frameOfOne(framed, framed.nodes[0]!) : frameOfGroup(framed);
}

/** WGSL that reads element `i` of an operand through a binding. */
const readerOf =
  (binding: string, { type }: OperandElement): Read =>
  (i) =>
    type === "vec4u" ? `${binding}[${i}]` : `${binding}(${i})`;

function frameOfOne({ tile, left, right, partial: own }: Framed, node: Product): Frame {
  const partial = own && { ...own.products[0]!, type: own.type };
  const tensors = matmulTensors(node);
  const { m, n, k } = matmulShape(node);
  const [leftAlong, rightAlong] = runsAlongDepth[node.attributes.layout];
  // Writes beyond a live edge are undefined anyway; packed f16 can only be written in fours.
  const width = partial ? 4 : vectorWidth(capacity(n));
  const end: Pick<Frame, "reads" | "writes" | "declarations" | "params"> = partial
    ? { reads: {}, writes: { sums: [partial.sums, partial.type] }, declarations: storePart(partial.type), params: {} }
    : epilogue(tensors, node.attributes, width);
  const rowSums = partial ? partial.rowSums : tensors.rowSums;
  const parts = partial?.parts ?? 1;
  const [, planeRows = 0, planeColumns = 0] = (partial?.sums.shape ?? []) as number[];
  return {
    reads: { ownA: [tensors.a, left.type], ownB: [tensors.b, right.type], ...end.reads },
    writes: { ...end.writes, rowSums: rowSums ? [rowSums, "f32"] : undefined },
    params: {
      ...end.params,
      m: sizeParam(m),
      n: sizeParam(n),
      k: sizeParam(k),
      rows: paramU32(capacity(m)),
      stride: paramU32(partial ? planeColumns : capacity(n)),
      plane: paramU32(planeRows * planeColumns),
      leftStride: paramU32(capacity(leftAlong ? k : m) / left.size),
      rightStride: paramU32(capacity(rightAlong ? k : n) / right.size),
    },
    declarations: end.declarations,
    withOperands: (text) => text(readerOf("ownA", left), readerOf("ownB", right)),
    place: wgsl`let m = ${sizeOf("m", m)};
  let n = ${sizeOf("n", n)};
  let depth = ${sizeOf("k", k)};
  let tileRow = group.y;
  let tileColumn = group.x;
  let leftStride = params.leftStride;
  let rightStride = params.rightStride;
  let stride = params.stride;
  ${partOfDepth(parts, tile.depth)}`,
    width,
    plane: "params.plane",
    rowSumAt: partial ? "group.z * params.rows + row" : "row",
    workgroups: (live) => [Math.ceil(live(n) / tile.columns), Math.ceil(live(m) / tile.rows), parts],
    flop: (live) => 2 * live(m) * live(n) * live(k),
  };
}

/** WGSL `finish` of a part of a product, which another kernel finishes. Matrix units store their sums themselves. */
const storePart = (type: "f32" | "vec4f") =>
  type === "vec4f" ? "fn finish(index: u32, column: u32, product: vec4f) { setSums(index, product); }\n" : "";

/** The tiles of all products stand in one row, those of the first product first. */
function frameOfGroup({ nodes, tile, left, right, partial }: Framed): Frame {
  const members = nodes.map((node, i) => {
    const { a, b, c, rowSums } = matmulTensors(node);
    const { m, n } = matmulShape(node) as { m: number; n: number };
    const own = partial?.products[i];
    const [, rows, columns] = (own?.sums.shape ?? [1, m, n]) as [number, number, number];
    return {
      a,
      b,
      m,
      n,
      sums: own?.sums ?? c,
      rowSums: own ? (own.rowSums ?? undefined) : rowSums,
      stride: columns,
      plane: rows * columns,
    };
  });
  const { k } = matmulShape(nodes[0]!);
  const parts = partial === null ? 1 : partial.products[0]!.parts;
  const hasRowSums = nodes[0]!.attributes.rowSums;
  const bind = (role: "a" | "b" | "sums" | "rowSums", element: string, name: string = role): Bindings =>
    numbered(name, members, ({ [role]: tensor }) => tensor && ([tensor, element] as const));
  const ends: number[] = [];
  for (const { m, n } of members) ends.push((ends.at(-1) ?? 0) + Math.ceil(m / tile.rows) * Math.ceil(n / tile.columns));
  const params: Record<string, Parameter> = { k: sizeParam(k) };
  members.forEach(({ m, n, stride, plane }, i) => {
    const own = { m, n, end: ends[i]!, ...(partial && { stride, plane }) };
    for (const [name, value] of Object.entries(own)) params[`${name}${i}`] = paramU32(value);
  });
  const last = nodes.length - 1;
  const fields = ["m", "n", ...(partial ? ["stride", "plane"] : [])];
  const made = (i: number) => {
    const own = fields.map((field) => `params.${field}${i}`).join(", ");
    return `return Product(${i}u, ${own}, ${i === 0 ? "0u" : `params.end${i - 1}`});`;
  };
  const store = (name: string) =>
    range(nodes.length)
      .map((i) => `if (member == ${i}u) { set${name}${i}(index, value); }`)
      .join(" ");
  return {
    reads: { ...bind("a", left.type), ...bind("b", right.type) },
    writes: { ...bind("sums", partial?.type ?? "vec4f", "c"), ...bind("rowSums", "f32") },
    params,
    declarations: wgsl`var<private> member: u32;
struct Product { member: u32, ${fields.map((field) => `${field}: u32`).join(", ")}, begin: u32 }
fn productOf(block: u32) -> Product {
  ${range(last)
    .map((i) => `if (block < params.end${i}) { ${made(i)} }`)
    .join("\n  ")}
  ${made(last)}
}
fn finish(index: u32, column: u32, value: vec4f) { ${store("C")} }
${hasRowSums ? `fn setRowSums(index: u32, value: f32) { ${store("RowSums")} }` : ""}
`,
    place: wgsl`${blockIndex}
  if (block >= params.end${last}) { return; }
  let product = productOf(block);
  member = product.member;
  let m = product.m;
  let n = product.n;
  let depth = ${sizeOf("k", k)};
  let across = (n + ${tile.columns - 1}u) / ${tile.columns}u;
  let tileRow = (block - product.begin) / across;
  let tileColumn = (block - product.begin) % across;
  let leftStride = m / ${left.size}u;
  let rightStride = n / ${right.size}u;
  let stride = ${partial ? "product.stride" : "n"};
  ${partOfDepth(parts, tile.depth)}`,
    withOperands: (text) =>
      `switch member { ${range(nodes.length)
        .map((i) => `${i === last ? "default" : `case ${i}u`}: { ${text(readerOf(`a${i}`, left), readerOf(`b${i}`, right))} }`)
        .join(" ")} }`,
    width: 4,
    plane: "product.plane",
    rowSumAt: partial ? "group.z * m + row" : "row",
    workgroups: () => {
      const [x, y] = fold(ends.at(-1)!);
      return [x, y, parts];
    },
    flop: (live) => members.reduce((sum, { m, n }) => sum + 2 * m * n * live(k), 0),
  };
}
