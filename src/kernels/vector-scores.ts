/**
 * Scores of queries against many stored vectors: inner products with f32, f16 or int8 rows, and for bits the cosine of the vectors of signs,
 * 1 − 2·(bits that differ) / width. Sums are f32, in the order of the columns, so a row's score does not depend on what stands beside it.
 *
 * Rows lie in blocks of 64: the first 16 bytes of all 64 rows, then the next 16 bytes of all, and so on. A thread has a row; what the threads of a
 * workgroup read at a time stands side by side, which a GPU's memory wants, and a software adapter's vector loads too. Halves and bytes are
 * unpacked from u32 words, so no variant needs a feature.
 */
import { wgsl } from "../gpu/shader.ts";
import { type Kernel, kernel, paramF32, paramU32, sizeOf, sizeParam } from "./kernel.ts";
import { capacity, expectType, f32, type Operand, type Operation, type Type, u32, type Value } from "./operation.ts";

export type VectorFormat = "f32" | "f16" | "int8" | "binary";

/** Rows of a block, and threads of a workgroup. */
export const blockRows = 64;

/** Bytes of a row that lie together. */
export const quadBytes = 16;

interface Format {
  /** Numbers in 16 bytes. */
  readonly numbers: number;
  /** WGSL type of the queries' elements, and how many of them meet 16 bytes of a row. */
  readonly query: "vec4f" | "vec4u";
  readonly queryElements: number;
  /** WGSL for the summand of the query's elements at `q`, given the row's 16 bytes as `packed`. */
  readonly unpack: string;
  readonly term: string;
  /** WGSL type of a sum, and of a score made from `sum`. */
  readonly sum: "f32" | "u32";
  readonly score: string;
}

const formats: Readonly<Record<VectorFormat, Format>> = {
  f32: {
    numbers: 4,
    query: "vec4f",
    queryElements: 1,
    unpack: wgsl`let x = bitcast<vec4f>(packed);`,
    term: "dot(x, queries[q])",
    sum: "f32",
    score: "sum",
  },
  f16: {
    numbers: 8,
    query: "vec4f",
    queryElements: 2,
    unpack: wgsl`let x0 = vec4f(unpack2x16float(packed.x), unpack2x16float(packed.y));
    let x1 = vec4f(unpack2x16float(packed.z), unpack2x16float(packed.w));`,
    term: "dot(x0, queries[q]) + dot(x1, queries[q + 1u])",
    sum: "f32",
    score: "sum",
  },
  int8: {
    numbers: 16,
    query: "vec4f",
    queryElements: 4,
    unpack: ["x", "y", "z", "w"].map((part, i) => `let x${i} = unpack4x8snorm(packed.${part});`).join(" "),
    term: "dot(x0, queries[q]) + dot(x1, queries[q + 1u]) + (dot(x2, queries[q + 2u]) + dot(x3, queries[q + 3u]))",
    sum: "f32",
    // unpack4x8snorm divides by 127.
    score: "sum * scales[row] * 127.0",
  },
  binary: {
    numbers: 128,
    query: "vec4u",
    queryElements: 1,
    unpack: "",
    term: "dot(countOneBits(packed ^ queries[q]), vec4u(1))",
    sum: "u32",
    score: "1.0 - 2.0 * f32(sum) / params.width",
  },
};

/** Words of memory, 32 bits each, that `rows` vectors take; capacity counts in whole blocks. */
export function vectorWords(format: VectorFormat, width: number, rows: number): number {
  return Math.ceil(rows / blockRows) * blockRows * quadsOf(format, width) * (quadBytes / 4);
}

/** Elements of a query: numbers filled up with zeros, or for `binary` words of bits. */
export function queryWidth(format: VectorFormat, width: number): number {
  return quadsOf(format, width) * formats[format].queryElements * 4;
}

const quadsOf = (format: VectorFormat, width: number) => Math.ceil(width / formats[format].numbers);

interface Attributes {
  readonly format: VectorFormat;
  readonly width: number;
  readonly rows: number;
}

const operation: Operation<Attributes> = {
  name: "vectorScores",
  infer([queries, vectors, scales], { format, width, rows }) {
    const dtype = formats[format].query === "vec4u" ? "u32" : "f32";
    expectType("vectorScores", "queries", queries!, dtype, [queries!.shape[0]!, queryWidth(format, width)]);
    expectType("vectorScores", "vectors", vectors!, "u32", [null]);
    if (format === "int8") expectType("vectorScores", "scales", scales!, "f32", [null]);
    return [f32(queries!.shape[0]!, rows)];
  },
  lower: ({ inputs: [queries, vectors, scales], outputs: [scores], attributes }) => {
    const together = queriesTogether(queries!);
    return {
      variant: `${attributes.format}, ${together} at a time`,
      kernels: [scoreKernel(attributes, together, queries!, vectors!, scales, scores!)],
    };
  },
};

/** Queries that a thread holds sums for: each vector it reads serves them all. */
const mostTogether = 8;
const queriesTogether = ({ shape: [queries] }: Type) => Math.min(mostTogether, capacity(queries!));

function scoreKernel(
  { format, width, rows }: Attributes,
  together: number,
  queries: Value,
  vectors: Value,
  scales: Value | undefined,
  scores: Value,
): Kernel {
  const { query, queryElements, unpack, term, sum, score } = formats[format];
  const each = Array.from({ length: together }, (_, i) => i);
  const count = queries.shape[0]!;
  return kernel({
    label: `vectorScores ${format}`,
    workgroupSize: [blockRows],
    reads: { queries: [queries, query], vectors: [vectors, "vec4u"], ...(scales ? { scales: [scales, "f32"] as const } : {}) },
    writes: { scores: [scores, "f32"] },
    params: { rows: paramU32(rows), queries: sizeParam(count), quads: paramU32(quadsOf(format, width)), width: paramF32(width) },
    main: wgsl`let row = group.x * ${blockRows}u + thread;
  let queryCount = ${sizeOf("queries", count)};
  let first = group.y * ${together}u;
  let start = group.x * params.quads * ${blockRows}u + thread;
  ${each.map((i) => `let query${i} = min(first + ${i}u, queryCount - 1u) * params.quads * ${queryElements}u;`).join("\n  ")}
  ${each.map((i) => `var sum${i} = ${sum}();`).join(" ")}
  for (var quad = 0u; quad < params.quads; quad++) {
    let packed = vectors[start + quad * ${blockRows}u];
    ${unpack}
    ${each.map((i) => `{ let q = query${i} + quad * ${queryElements}u; sum${i} += ${term}; }`).join("\n    ")}
  }
  if (row >= params.rows) { return; }
  var sums = array<${sum}, ${together}>(${each.map((i) => `sum${i}`).join(", ")});
  for (var i = 0u; i < ${together}u && first + i < queryCount; i++) {
    let sum = sums[i];
    scores[(first + i) * params.rows + row] = ${score};
  }`,
    workgroups: (live) => [Math.ceil(rows / blockRows), Math.ceil(live(count) / together), 1],
  });
}

export interface StoredVectors {
  readonly format: VectorFormat;
  /** Numbers of a vector. */
  readonly width: number;
  readonly rows: number;
  /** u32 [at least `vectorWords(format, width, rows)`], in blocks as above. */
  readonly vectors: Operand;
  /** int8 alone, f32 [at least rows]. */
  readonly scales?: Operand;
}

/** f32 [queries, rows] from `queries` [queries, `queryWidth`], f32, or u32 words of bits for `binary`. */
export function vectorScores(queries: Value, { format, width, rows, vectors, scales }: StoredVectors): Value {
  return queries.tape.append(operation, [queries, vectors, ...(scales ? [scales] : [])], { format, width, rows })[0]!;
}

/** The type of `queries` for `vectorScores`. */
export function queryType(format: VectorFormat, width: number, queries: Type["shape"][number]): Type {
  return (formats[format].query === "vec4u" ? u32 : f32)(queries, queryWidth(format, width));
}

/**
 * Writes rows into blocks: `data` holds the bytes of rows one after another, `rowBytes` each, and row i becomes row `first` + i of `blocks`, a
 * memory as `vectorWords` counts it.
 */
export function layInBlocks(blocks: Uint32Array, data: Uint8Array, rowBytes: number, first: number): void {
  const words = wholeWords(data, rowBytes);
  const rowWords = Math.ceil(rowBytes / 4);
  const quads = Math.ceil(rowBytes / quadBytes);
  const rows = data.length / rowBytes;
  for (let i = 0; i < rows; i++) {
    const row = first + i;
    const start = (Math.floor(row / blockRows) * quads * blockRows + (row % blockRows)) * 4;
    for (let word = 0; word < rowWords; word++) {
      blocks[start + (word >> 2) * blockRows * 4 + (word & 3)] = words[i * rowWords + word]!;
    }
  }
}

/** Rows as 32-bit words, each row filled up to whole ones. */
function wholeWords(data: Uint8Array, rowBytes: number): Uint32Array {
  if (rowBytes % 4 === 0 && data.byteOffset % 4 === 0) return new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
  const padded = Math.ceil(rowBytes / 4) * 4;
  const rows = data.length / rowBytes;
  const bytes = new Uint8Array(rows * padded);
  for (let row = 0; row < rows; row++) bytes.set(data.subarray(row * rowBytes, (row + 1) * rowBytes), row * padded);
  return new Uint32Array(bytes.buffer);
}
