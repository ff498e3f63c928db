/**
 * Scores of queries against many stored vectors: inner products with f32, f16 or int8 rows, and for binary vectors the cosine of the sign
 * vectors, 1 − 2·(bits that differ) / width. Sums are f32, in the order of the columns, so a row's score does not depend on its neighbours.
 *
 * Rows are stored in blocks of 64: the first 16 bytes of all 64 rows, then the next 16 bytes of all, and so on. Each thread has a row, so
 * the threads of a workgroup read neighbouring addresses, which suits a GPU's memory and a software adapter's vector loads. f16 and int8
 * are unpacked from u32 words, so no variant needs a feature.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { range, wgsl } from "../../gpu/shader.ts";
import { kernel, paramF32, paramU32, sizeOf, sizeParam } from "../language/kernel.ts";
import { capacity, expectType, f32, type Kernel, type Operand, type Operation, type Type, u32, type Value } from "../language/operation.ts";
import type { Precision } from "./precision.ts";

/** Rows per block, and threads per workgroup. */
export const blockRows = 64;

/** Consecutive bytes of a row. */
const quadBytes = 16;

interface Format {
  /** Numbers in 16 bytes. */
  readonly numbers: number;
  /** WGSL type of the queries' elements, and how many of them correspond to 16 bytes of a row. */
  readonly query: "vec4f" | "vec4u";
  readonly queryElements: number;
  /** WGSL that declares the numbers in a row's 16 bytes, under names that begin with `x`. */
  readonly unpack: (x: string, packed: string) => string;
  /** WGSL for their product with the query's elements. */
  readonly term: (x: string, query: readonly string[]) => string;
  /** WGSL type of a sum, and of a score made from `sum`. */
  readonly sum: "f32" | "u32";
  readonly score: string;
}

const formats: Readonly<Record<Precision, Format>> = {
  f32: {
    numbers: 4,
    query: "vec4f",
    queryElements: 1,
    unpack: (x, packed) => wgsl`let ${x}0 = bitcast<vec4f>(${packed});`,
    term: (x, [q]) => `dot(${x}0, ${q})`,
    sum: "f32",
    score: "sum",
  },
  f16: {
    numbers: 8,
    query: "vec4f",
    queryElements: 2,
    unpack: (x, packed) => wgsl`let ${x}packed = ${packed};
    let ${x}0 = vec4f(unpack2x16float(${x}packed.x), unpack2x16float(${x}packed.y));
    let ${x}1 = vec4f(unpack2x16float(${x}packed.z), unpack2x16float(${x}packed.w));`,
    term: (x, [q0, q1]) => `dot(${x}0, ${q0}) + dot(${x}1, ${q1})`,
    sum: "f32",
    score: "sum",
  },
  int8: {
    numbers: 16,
    query: "vec4f",
    queryElements: 4,
    unpack: (x, packed) => {
      const unpacked = ["x", "y", "z", "w"].map((part, i) => `let ${x}${i} = unpack4x8snorm(${x}packed.${part});`);
      return `let ${x}packed = ${packed}; ${unpacked.join(" ")}`;
    },
    term: (x, [q0, q1, q2, q3]) => `dot(${x}0, ${q0}) + dot(${x}1, ${q1}) + (dot(${x}2, ${q2}) + dot(${x}3, ${q3}))`,
    sum: "f32",
    // unpack4x8snorm divides by 127.
    score: "sum * scales(row) * 127.0",
  },
  binary: {
    numbers: 128,
    query: "vec4u",
    queryElements: 1,
    unpack: (x, packed) => `let ${x}0 = ${packed};`,
    term: (x, [q]) => `dot(countOneBits(${x}0 ^ ${q}), vec4u(1))`,
    sum: "u32",
    score: "1.0 - 2.0 * f32(sum) / params.width",
  },
};

/** Words of memory, 32 bits each, for `rows` vectors; capacity is a whole number of blocks. */
export function vectorWords(format: Precision, width: number, rows: number): number {
  return Math.ceil(rows / blockRows) * blockRows * quadsOf(format, width) * (quadBytes / 4);
}

/** Elements of a query: numbers padded with zeros, or words of bits for `binary`. */
export function queryWidth(format: Precision, width: number): number {
  return quadsOf(format, width) * formats[format].queryElements * 4;
}

const quadsOf = (format: Precision, width: number) => Math.ceil(width / formats[format].numbers);

interface Attributes {
  readonly format: Precision;
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
  lower({ inputs: [queries, vectors, scales], outputs: [scores], attributes }, capabilities) {
    const variant = chooseVariant(attributes.format, capacity(queries!.shape[0]!), capabilities);
    return {
      variant: `${attributes.format}, ${variant.together}×${variant.rowsTogether} ${variant.lanes ? "broadcast" : "direct"}`,
      kernels: [scoreKernel(attributes, variant, queries!, vectors!, scales, scores!)],
    };
  },
};

interface Variant {
  /** Queries per thread. */
  readonly together: number;
  /** Number of lanes that each load a query and broadcast it, for software adapters; null if every thread reads all queries. */
  readonly lanes: number | null;
  /** Rows per thread. It loads the queries once for all of them. */
  readonly rowsTogether: number;
}

const subgroupSizes = [4, 8, 16];

/** Sums per thread: few on a GPU, where many threads hide the latency of loads; many on a software adapter, where every load costs. */
const direct = { together: 8, rowsTogether: 1 };
const broadcast = { together: 32, rowsTogether: 2 };

/** Comparing bits is as fast as broadcasting them, so they are always read directly. */
function chooseVariant(format: Precision, queries: number, { software, subgroupSize }: Capabilities): Variant {
  const lanes = software && subgroupSizes.includes(subgroupSize ?? 0) && queries > 1 && format !== "binary" ? subgroupSize : null;
  const { together, rowsTogether } = lanes === null ? direct : broadcast;
  return { together: Math.min(together, queries), rowsTogether, lanes };
}

function scoreKernel(
  { format, width, rows }: Attributes,
  { together, lanes, rowsTogether }: Variant,
  queries: Value,
  vectors: Value,
  scales: Value | undefined,
  scores: Value,
): Kernel {
  const { query, queryElements, unpack, term, sum, score } = formats[format];
  const each = range(together);
  const parts = range(queryElements);
  const own = range(rowsTogether);
  const count = queries.shape[0]!;
  const groupRows = blockRows * rowsTogether;
  const queryStart = (i: string) => `min(first + ${i}, queryCount - 1u) * params.quads * ${queryElements}u`;
  // Words of bits are a plain array; floats are read through a function.
  const [open, close] = query === "vec4u" ? ["[", "]"] : ["(", ")"];
  const element = (i: number, part: number) => `queries${open}query${i} + quad * ${queryElements}u + ${part}u${close}`;
  const loads = lanes === null ? each : range(Math.ceil(together / lanes));
  const load = loads.flatMap((g) => parts.map((part) => `let q${g}_${part} = ${element(g, part)};`));
  const multiply = (i: number) => {
    const values = parts.map((part) => (lanes === null ? `q${i}_${part}` : `v${part}`));
    const broadcasts =
      lanes === null ? [] : parts.map((part) => `let v${part} = subgroupBroadcast(q${Math.floor(i / lanes)}_${part}, ${i % lanes}u);`);
    return `{ ${broadcasts.join(" ")} ${own.map((r) => `sum${i}_${r} += ${term(`x${r}_`, values)};`).join(" ")} }`;
  };
  return kernel({
    label: `vectorScores ${format}`,
    workgroupSize: [blockRows],
    enables: lanes === null ? [] : ["subgroups"],
    reads: { queries: [queries, query], vectors: [vectors, "vec4u"], scales: scales && [scales, "f32"] },
    writes: { scores: [scores, "f32"] },
    params: {
      rows: paramU32(rows),
      blocks: paramU32(Math.ceil(rows / blockRows)),
      queries: sizeParam(count),
      quads: paramU32(quadsOf(format, width)),
      width: paramF32(width),
    },
    main: wgsl`let queryCount = ${sizeOf("queries", count)};
  let first = group.y * ${together}u;
  ${own.map((r) => `let start${r} = min(group.x * ${rowsTogether}u + ${r}u, params.blocks - 1u) * params.quads * ${blockRows}u + thread;`).join("\n  ")}
  ${loads.map((i) => `let query${i} = ${queryStart(lanes === null ? `${i}u` : `${i * lanes}u + lane`)};`).join("\n  ")}
  ${each.flatMap((i) => own.map((r) => `var sum${i}_${r} = ${sum}();`)).join(" ")}
  for (var quad = 0u; quad < params.quads; quad++) {
    ${own.map((r) => unpack(`x${r}_`, `vectors[start${r} + quad * ${blockRows}u]`)).join("\n    ")}
    ${load.join("\n    ")}
    ${each.map(multiply).join("\n    ")}
  }
  var sums = array<${sum}, ${together * rowsTogether}>(${each.flatMap((i) => own.map((r) => `sum${i}_${r}`)).join(", ")});
  for (var r = 0u; r < ${rowsTogether}u; r++) {
    let row = group.x * ${groupRows}u + r * ${blockRows}u + thread;
    if (row >= params.rows) { break; }
    for (var i = 0u; i < ${together}u && first + i < queryCount; i++) {
      let sum = sums[i * ${rowsTogether}u + r];
      setScores((first + i) * params.rows + row, ${score});
    }
  }`,
    workgroups: (live) => [Math.ceil(rows / groupRows), Math.ceil(live(count) / together), 1],
  });
}

/** Vectors on the device, in the layout that `vectorScores` reads. */
export interface StoredVectors {
  readonly format: Precision;
  /** Numbers of a vector. */
  readonly width: number;
  readonly rows: number;
  /** u32 [at least `vectorWords(format, width, rows)`], in blocks as above. */
  readonly vectors: Operand;
  /** Only for int8: f32 [at least rows], the scale of each row. */
  readonly scales?: Operand | undefined;
}

/** f32 [queries, rows] from `queries` [queries, `queryWidth`], f32, or u32 words of bits for `binary`. */
export function vectorScores(queries: Value, { format, width, rows, vectors, scales }: StoredVectors): Value {
  return queries.tape.append(operation, [queries, vectors, ...(scales ? [scales] : [])], { format, width, rows })[0]!;
}

/** The type of `queries` for `vectorScores`. */
export function queryType(format: Precision, width: number, queries: Type["shape"][number]): Type {
  return (formats[format].query === "vec4u" ? u32 : f32)(queries, queryWidth(format, width));
}

/**
 * Writes rows into blocks: `data` holds the bytes of consecutive rows, `rowBytes` each. Row i becomes row `first` + i of `blocks`, whose
 * size is that of `vectorWords`.
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

/** Rows as 32-bit words, each row padded to whole words. */
function wholeWords(data: Uint8Array, rowBytes: number): Uint32Array {
  if (rowBytes % 4 === 0 && data.byteOffset % 4 === 0) return new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
  const padded = Math.ceil(rowBytes / 4) * 4;
  const rows = data.length / rowBytes;
  const bytes = new Uint8Array(rows * padded);
  for (let row = 0; row < rows; row++) bytes.set(data.subarray(row * rowBytes, (row + 1) * rowBytes), row * padded);
  return new Uint32Array(bytes.buffer);
}
