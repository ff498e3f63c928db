/**
 * Sums over rows, column by column: gradients of biases and norm weights. It takes two kernels: each chunk of rows is summed, then the
 * chunks. The order is fixed, so that the result does not depend on how the device schedules them. Accumulates in f32.
 */
import { wgsl } from "../../gpu/shader.ts";
import { blockIndex, kernel, rows, threadsPerWorkgroup, vector, vectorWidth } from "./kernel.ts";
import { capacity, type Dimension, type Kernel, type Lowering, Scratch, type Tensor } from "./operation.ts";

const rowsPerChunk = 64;

/** Sums over the rows of a matrix: what is read, and what is summed. */
export interface ColumnReduction {
  readonly label: string;
  readonly rowCount: Dimension;
  /** Elements per row. */
  readonly width: number;
  /** Tensors of the matrix's rows: name → [tensor, WGSL element type], the vector type of `width`. */
  readonly reads: Record<string, readonly [Tensor, string]>;
  readonly params?: Parameters<typeof kernel>[0]["params"];
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
export function columnReduction({
  label,
  rowCount,
  width,
  reads,
  params = {},
  declarations = "",
  prepare = "",
  terms,
}: ColumnReduction): Lowering {
  const step = vectorWidth(width);
  const element = vector(step);
  const columns = width / step;
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
    params,
    declarations: alias + declarations,
    main: wgsl`let column = group.x * ${threads}u + thread;
  if (column >= ${columns}u) { return; }
  let end = min(${rows(rowCount)}, (group.y + 1u) * ${rowsPerChunk}u);
  ${each((term) => `var sum${term} = T();`)}
  for (var row = group.y * ${rowsPerChunk}u; row < end; row++) {
    let index = row * ${columns}u + column;
    ${prepare}
    ${each((term) => `sum${term} += ${terms[term]!.expression};`)}
  }
  ${each((term) => `setPartial((group.y * ${terms.length}u + ${term}u) * ${columns}u + column, sum${term});`)}`,
    workgroups: (live) => [Math.ceil(columns / threads), Math.ceil(live(rowCount) / rowsPerChunk), 1],
  });
  const joinChunks: Kernel = kernel({
    label: `${label} total`,
    workgroupSize: [threadsPerWorkgroup],
    reads: { partial: [partial, element] },
    writes: Object.fromEntries(terms.map(({ output }, term) => [`out${term}`, [output, element] as const])),
    declarations: alias,
    main: wgsl`${blockIndex}
  let column = block * ${threadsPerWorkgroup}u + thread;
  if (column >= ${columns}u) { return; }
  let chunks = (${rows(rowCount)} + ${rowsPerChunk - 1}u) / ${rowsPerChunk}u;
  ${each((term) => `var sum${term} = T();`)}
  for (var chunk = 0u; chunk < chunks; chunk++) {
    ${each((term) => `sum${term} += partial((chunk * ${terms.length}u + ${term}u) * ${columns}u + column);`)}
  }
  ${each((term) => `setOut${term}(column, ${terms[term]!.finish?.(`sum${term}`) ?? `sum${term}`});`)}
  ${terms.map(({ zeroRows = 0 }, term) => zeroes(zeroRows, term, columns)).join("\n  ")}`,
    workgroups: () => [Math.ceil(columns / threadsPerWorkgroup), 1, 1],
  });
  return { variant: `chunks of ${rowsPerChunk} rows`, kernels: [sumChunks, joinChunks], scratch: [partial] };
}

function zeroes(rowCount: number, term: number, columns: number): string {
  if (rowCount === 0) return "";
  return `for (var other = 1u; other <= ${rowCount}u; other++) { setOut${term}(other * ${columns}u + column, T()); }`;
}
