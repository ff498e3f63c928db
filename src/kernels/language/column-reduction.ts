/**
 * Sums over rows, column by column: gradients of biases and norm weights. It takes two kernels: each chunk of rows is summed, then the
 * chunks. The order is fixed, so that the result does not depend on how the device schedules them. Accumulates in f32.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { wgsl } from "../../gpu/shader.ts";
import {
  type Bindings,
  blockIndex,
  fold,
  type KernelDeclaration,
  kernel,
  numbered,
  rowVectors,
  sizeOf,
  sizeParam,
  threadsPerWorkgroup,
  vectorWidth,
} from "./kernel.ts";
import { capacity, type Dimension, type Join, type Kernel, type Lowering, Scratch, type Tensor } from "./operation.ts";

/** Rows of a chunk: on a GPU few, which a thread adds one after the other while others wait for memory, but no more chunks than are quickly joined. */
const chunkRows = (rowCount: Dimension, { software }: Capabilities) => (software ? 64 : Math.max(16, Math.ceil(capacity(rowCount) / 1024)));

/** Sums over the rows of a matrix: what is read, and what is summed. */
export interface ColumnReduction {
  readonly label: string;
  readonly rowCount: Dimension;
  /** Elements per row. */
  readonly width: number;
  /** Tensors of the matrix's rows, read as vectors of the type for `width`. */
  readonly reads: Bindings;
  readonly params?: KernelDeclaration["params"];
  readonly declarations?: string;
  /** WGSL that runs once per row and column vector, before the terms; it can use `row`, `column` and `index`. `T` is the vector type. */
  readonly prepare?: string;
  readonly terms: readonly ColumnTerm[];
}

/** One sum and its output. */
export interface ColumnTerm {
  /** WGSL of type `T`, to be summed. */
  readonly expression: string;
  /** The f32 output that the sum goes to. */
  readonly output: Tensor;
  /** WGSL of the stored value, from the WGSL of the sum; the sum itself if absent. */
  readonly finish?: (sum: string) => string;
  /** Rows after the sum in `output` that become zero; none if absent. */
  readonly zeroRows?: number;
}

/** The kernels that sum the rows of a matrix, in chunks of a fixed size and then over the chunks. */
export function columnReduction(
  capabilities: Capabilities,
  { label, rowCount, width, reads, params = {}, declarations = "", prepare = "", terms }: ColumnReduction,
): Lowering {
  const { element, columns } = rowVectors(width);
  const rowsPerChunk = chunkRows(rowCount, capabilities);
  const chunks = Math.ceil(capacity(rowCount) / rowsPerChunk);
  const partial = new Scratch("f32", [chunks, terms.length, width]);
  const threads = Math.min(threadsPerWorkgroup, 2 ** Math.ceil(Math.log2(columns)));
  const alias = `alias T = ${element};\n`;
  const each = (line: (term: number) => string) => terms.map((_, term) => line(term)).join("\n    ");
  const sumChunks: Kernel = kernel({
    label: `${label} chunks`,
    workgroupSize: [threads],
    reads,
    writes: { partial: [partial, element] },
    params: { ...params, rowCount: sizeParam(rowCount) },
    declarations: alias + declarations,
    main: wgsl`let column = group.x * ${threads}u + thread;
  if (column >= ${columns}u) { return; }
  let end = min(${sizeOf("rowCount", rowCount)}, (group.y + 1u) * ${rowsPerChunk}u);
  ${each((term) => `var sum${term} = T();`)}
  for (var row = group.y * ${rowsPerChunk}u; row < end; row++) {
    let index = row * ${columns}u + column;
    ${prepare}
    ${each((term) => `sum${term} += ${terms[term]!.expression};`)}
  }
  ${each((term) => `setPartial((group.y * ${terms.length}u + ${term}u) * ${columns}u + column, sum${term});`)}`,
    workgroups: (live) => [Math.ceil(columns / threads), Math.ceil(live(rowCount) / rowsPerChunk), 1],
  });
  const join = joinChunks(capabilities, {
    label: `${label} total`,
    partial,
    parts: { of: rowCount, size: rowsPerChunk },
    width,
    terms,
  });
  return { variant: `chunks of ${rowsPerChunk} rows`, kernels: [sumChunks, join], scratch: [partial] };
}

/** The sums of chunks of rows, to be added up in the order of the chunks. */
export interface ChunkSums {
  readonly label: string;
  /** f32 [chunks, terms, width]. */
  readonly partial: Tensor;
  /** The chunks: one for each `size` rows of a dimension. */
  readonly parts: { readonly of: Dimension; readonly size: number };
  readonly width: number;
  readonly terms: readonly Omit<ColumnTerm, "expression">[];
}

/** Column vectors of a workgroup on a GPU, and threads for each of them. */
const joining = { columns: 8, threads: 32 } as const;

/** The kernel that adds up chunks: on a GPU by many threads a column and a tree, on a software adapter by one thread a column. */
export function joinChunks({ software }: Capabilities, { label, partial, parts, width, terms }: ChunkSums): Kernel {
  const chunks = `(${sizeOf("rowCount", parts.of)} + ${parts.size - 1}u) / ${parts.size}u`;
  const { element, columns } = rowVectors(width);
  const all = terms.length * columns;
  const store = terms
    .map(({ finish = (sum: string) => sum, zeroRows = 0 }, term) => {
      const zeroes = wgsl`for (var other = 1u; other <= ${zeroRows}u; other++) { setOut${term}(other * ${columns}u + column % ${columns}u, T()); }`;
      const own = `setOut${term}(column % ${columns}u, ${finish("sum")}); ${zeroRows > 0 ? zeroes : ""}`;
      return terms.length === 1 ? own : `if (column / ${columns}u == ${term}u) { ${own} }`;
    })
    .join("\n  ");
  const walk = (first: string, stride: number) =>
    `for (var chunk = ${first}; chunk < chunks; chunk += ${stride}u) { sum += partial(chunk * ${all}u + column); }`;
  const declaration = {
    label,
    reads: { partial: [partial, element] as const },
    params: { rowCount: sizeParam(parts.of) },
    writes: numbered("out", terms, ({ output }) => [output, element] as const),
  };
  const alias = `alias T = ${element};\n`;
  if (software) {
    return kernel({
      ...declaration,
      workgroupSize: [threadsPerWorkgroup],
      declarations: alias,
      main: wgsl`${blockIndex}
  let column = block * ${threadsPerWorkgroup}u + thread;
  if (column >= ${all}u) { return; }
  let chunks = ${chunks};
  var sum = T();
  ${walk("0u", 1)}
  ${store}`,
      workgroups: () => fold(Math.ceil(all / threadsPerWorkgroup)),
    });
  }
  const threads = joining.columns * joining.threads;
  return kernel({
    ...declaration,
    workgroupSize: [threads],
    declarations: `${alias}var<workgroup> part: array<T, ${threads}>;\n`,
    main: wgsl`${blockIndex}
  let column = block * ${joining.columns}u + thread % ${joining.columns}u;
  let chunks = ${chunks};
  var sum = T();
  if (column < ${all}u) { ${walk(`thread / ${joining.columns}u`, joining.threads)} }
  part[thread] = sum;
  workgroupBarrier();
  for (var half = ${threads / 2}u; half >= ${joining.columns}u; half /= 2u) {
    if (thread < half) { part[thread] += part[thread + half]; }
    workgroupBarrier();
  }
  if (thread >= ${joining.columns}u || column >= ${all}u) { return; }
  sum = part[thread];
  ${store}`,
    workgroups: () => fold(Math.ceil(all / joining.columns)),
    joins: joinsOf({ label, partial, parts, width, terms }),
  });
}

/** What the kernel adds up, if it stores the sums as they are. */
function joinsOf({ partial, parts, width, terms }: ChunkSums): readonly Join[] | undefined {
  if (vectorWidth(width) === 1 || terms.some(({ finish }) => finish !== undefined)) return undefined;
  const plane = terms.length * width;
  return terms.flatMap(({ output, zeroRows = 0 }, term) => {
    const sum = { output, outputFirst: 0, sums: partial, first: term * width, stride: width, plane, rows: 1, columns: width, parts };
    return zeroRows === 0 ? [sum] : [sum, { ...sum, outputFirst: width, rows: zeroRows, parts: 0 }];
  });
}
