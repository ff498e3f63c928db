/**
 * What both passes of attention on matrix units do with a tile of 32 queries and 32 keys, as WGSL: moving a head's rows between tensors and
 * workgroup memory, products, and which scores of a thread count, with dropout.
 */
import { range, wgsl } from "../../gpu/shader.ts";
import { dropoutKeyOf, tokenField } from "../batch.ts";
import { halvesPerVector, type MatrixUnits, matrixExtensions } from "../language/matrix-units.ts";
import type { Kernel } from "../language/operation.ts";
import type { TileBias } from "../language/relative-bias.ts";
import type { AttentionAttributes } from "./attributes.ts";
import { type AttentionInputs, type BlockDeclaration, blockKernel, blockTokens } from "./frame.ts";
import { matrixBlocks } from "./matrix-blocks.ts";

/** What probabilities are multiplied by when they are stored as f16. */
const probabilityScale = 64;

/**
 * The blocks of workgroup memory. Forward, the scores of all keys follow the queries and one block of keys or values. Backward there are all
 * operands of a tile, its scores, which make room for its weights, and its products of gradients and values.
 */
export const block = { query: 0, key: 1, forwardScores: 2, value: 2, gradient: 3, scores: 4, products: 5 } as const;
/** Those of the backward pass, before they make room for its results. */
export const backwardBlocks = 6;

/** A head's rows in a tensor: WGSL for the vector i of those that a thread moves, of the block of tokens from a position on. */
type Rows = (position: string, i: number) => string;

/** Rows of a tensor, and the block of workgroup memory that they are moved to. */
export interface Source {
  readonly rows: Rows;
  readonly to: number;
}

/** A kernel on tiles. */
interface MatrixKernel extends Pick<BlockDeclaration, "label" | "reads" | "writes" | "declarations" | "beyond" | "main" | "flopPerScore"> {
  /** Blocks of workgroup memory. */
  readonly blockCount: number;
}

/** All threads of the workgroup get here before any goes on. */
export const barrier = "workgroupBarrier();";

/** The tools for one node's shapes. */
export type MatrixTile = ReturnType<typeof matrixTile>;

/** Makes them. Their WGSL finds declared what `blockKernel` and the blocks' `places` declare; positions are WGSL for those of a block's first token. */
export function matrixTile(inputs: AttentionInputs, attributes: AttentionAttributes, units: MatrixUnits, headSize: number) {
  const { heads, longest, dropout, window } = attributes;
  const blocks = matrixBlocks(units, headSize);
  const { vectors, moved, headColumns, scoreColumns } = blocks;
  const width = (heads * headSize) / halvesPerVector;
  const scale = `${1 / Math.sqrt(headSize)}`;
  const weightScale = probabilityScale * (1 - (dropout?.probability ?? 0));

  const rowsOf =
    (tensor: string, rowVectors: number, offset = 0): Rows =>
    (position, i) =>
      `${tensor}[(first + min(${position} + token${i}, count - 1u)) * ${rowVectors}u + head * ${vectors}u + ${offset}u + column${i}]`;
  const [inQueries, inKeys, inValues] = range(3).map((part) => (tensor: string) => rowsOf(tensor, 3 * width, part * width)) as [
    (tensor: string) => Rows,
    (tensor: string) => Rows,
    (tensor: string) => Rows,
  ];
  const query: Source = { rows: inQueries("qkv"), to: block.query };
  const key: Source = { rows: inKeys("qkv"), to: block.key };
  const value: Source = { rows: inValues("qkv"), to: block.value };
  const gradient: Source = { rows: rowsOf("dContext", width), to: block.gradient };

  /** Declares registers for blocks on their way into workgroup memory. */
  const declareNext = (count: number) =>
    range(count)
      .flatMap((source) => moved.map((i) => `var next${source}_${i}: vec4u;`))
      .join(" ");
  /** Fetches the blocks from a position on into registers: zeros past the sentence's end. */
  const fetch = (sources: readonly Source[], position: string) =>
    sources
      .flatMap(({ rows }, source) =>
        moved.map((i) => `next${source}_${i} = select(vec4u(), ${rows(position, i)}, ${position} + token${i} < count);`),
      )
      .join("\n    ");
  const storeNext = (sources: readonly Source[]) =>
    sources.flatMap(({ to }, source) => moved.map((i) => `${blocks.vectorAt(`${to}u`, i)} = next${source}_${i};`)).join("\n    ");
  const fill = (...sources: readonly Source[]) => `${fetch(sources, "mine")}\n    ${storeNext(sources)}`;
  /** Writes the f32 results that begin with a block to the workgroup's own tokens. */
  const write = (from: number, rows: Rows, factor: string) =>
    moved.map((i) => `if (mine + token${i} < count) { ${rows("mine", i)} = ${blocks.resultOf(from, i, factor)}; }`).join("\n    ");

  const products = (name: string, left: number, right: number) =>
    blocks.multiply({
      name,
      left: blocks.ofHead(left, true),
      right: blocks.ofHead(right, true),
      depth: headSize,
      columns: scoreColumns,
    });
  const sums = (name: string, weights: ReturnType<typeof blocks.ofWeights>, right: number) =>
    blocks.multiply({ name, left: weights, right: blocks.ofHead(right, false), depth: blockTokens, columns: headColumns });

  /** The first key of one of a thread's quads of scores. */
  const firstKey = (base: string, quad: number) => `(${base} + firstColumn + ${quad * 4}u)`;
  const sees = (base: string, quad: number, position: string) => {
    const keys = `(${firstKey(base, quad)} + vec4u(0u, 1u, 2u, 3u))`;
    const near = window === null ? "" : ` & (abs(vec4i${keys} - i32(${position})) <= vec4i(${window}))`;
    return `(${keys} < vec4u(count))${near}`;
  };
  /** A thread's quad of scores, from the products of a block; and with a bias by relative position, of keys from number `from` on in its tile. */
  const score = (block: string, quad: number, bias: TileBias | null, from = 0) => {
    const product = `${blocks.scoresOf(block, quad)} * ${scale}`;
    if (bias === null) return product;
    return `${product} + vec4f(${range(4)
      .map((i) => bias.of(`firstColumn + ${from + quad * 4 + i}u`, "row"))
      .join(", ")})`;
  };
  const rowIn = (queries: string) => `(first + min(${queries} + row, count - 1u))`;
  /** Declares the dropout stream of a thread's query. */
  const stream = (queries: string) => (dropout ? `let stream = dropoutRow(stepKey, tokens[${rowIn(queries)}].${tokenField.key});` : "");
  const dropped = (p: string, base: string, quad: number) =>
    dropout ? `${p} * dropoutFactors(stream, (${dropoutKeyOf("headKey", firstKey(base, quad), longest)}) / 4u)` : p;

  const make = ({ blockCount, declarations, main, ...declaration }: MatrixKernel): Kernel =>
    blockKernel(inputs, attributes, {
      ...declaration,
      workgroupSize: [blocks.threads],
      enables: matrixExtensions,
      element: "vec4u",
      declarations: wgsl`${blocks.declarations(blockCount)}fn largestOf(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
${declarations}`,
      main: `${blocks.places}\n  ${main}`,
    });

  return {
    blocks,
    scale,
    weightScale,
    sources: { query, key, value, gradient },
    targets: { context: rowsOf("context", width), queries: inQueries("dQkv"), keys: inKeys("dQkv"), values: inValues("dQkv") },
    declareNext,
    fetch,
    storeNext,
    fill,
    write,
    products,
    sums,
    sees,
    score,
    rowIn,
    stream,
    dropped,
    make,
  };
}
