/**
 * The second half of a low-rank adapter (Hu et al. 2021), for several linear layers whose outputs are columns of one matrix:
 *
 *     y[:, block i] = base[:, block i] + scale · u[:, i-th rank columns] · Bᵢᵀ
 *
 * Blocks are as wide as B has rows for each, and the columns of other blocks stay as they are: query and value are blocks 0 and 2 of the
 * matrix of query, key and value. B holds the rows of all Bᵢ. One kernel each for y, for the gradient of u, and for that of B; a rank is
 * small, so that all are limited by reading and writing `base` and its gradient. `u` and `B` are f32, also in mixed precision.
 */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { cast } from "./cast.ts";
import { kernel, paramF32, pointKernel, rows, threadsPerWorkgroup, vector, vectorWidth } from "./language/kernel.ts";
import {
  capacity,
  type Dimension,
  expectType,
  f32,
  floatOf,
  type Kernel,
  type Operand,
  type Operation,
  Scratch,
  type Type,
  type Value,
} from "./language/operation.ts";

interface Attributes {
  /** The block of `base` that each Bᵢ belongs to, ascending. */
  readonly blocks: readonly number[];
  readonly scale: number;
}

/** Sizes that follow from the operands' shapes: columns of `base`, columns of a block, rank. */
function sizesOf(base: Type, up: Type, { blocks }: Attributes) {
  const [all, rank] = up.shape as [number, number];
  return { width: base.shape[1] as number, block: all / blocks.length, rank };
}

const operation: Operation<Attributes> = {
  name: "lowRank",
  infer([base, u, up], attributes) {
    const [count] = base!.shape;
    expectType("lowRank", "base", base!, "float", [null, null]);
    expectType("lowRank", "up", up!, "f32", [null, null]);
    const { width, block, rank } = sizesOf(base!, up!, attributes);
    if (width % block !== 0 || attributes.blocks.some((own) => own >= width / block)) {
      throw new ShapeError(
        `lowRank: ${width} columns have no blocks ${attributes.blocks.join(", ")} of ${block} columns.`,
        "Give B as many rows for each block as the block has columns.",
      );
    }
    expectType("lowRank", "u", u!, "f32", [count!, rank * attributes.blocks.length]);
    return [base!];
  },
  lower({ inputs: [base, u, up], outputs: [y], attributes }) {
    const { width, block, rank } = sizesOf(base!, up!, attributes);
    const step = vectorWidth(width, block);
    const depth = vectorWidth(rank);
    const ranks = rank / depth;
    const adapters = attributes.blocks.length;
    const product = (i: number) => {
      const b = `up(at + ${i * ranks}u)`;
      return depth === 1 ? `x * ${b}` : `dot(x, ${b})`;
    };
    return {
      variant: `point ×${step}`,
      kernels: [
        pointKernel({
          label: "lowRank",
          over: y!,
          width: step,
          reads: { base: [base!, vector(step)], u: [u!, vector(depth)], up: [up!, vector(depth)] },
          writes: { y: [y!, vector(step)] },
          params: { scale: paramF32(attributes.scale) },
          main: wgsl`let place = column * ${step}u;
  let adapter = ${adapterOf(attributes.blocks, `place / ${block}u`)};
  var sum = ${vector(step)}();
  if (adapter < ${adapters}u) {
    for (var k = 0u; k < ${ranks}u; k++) {
      let x = u((row * ${adapters}u + adapter) * ${ranks}u + k);
      let at = (adapter * ${block}u + place % ${block}u) * ${ranks}u + k;
      sum += ${vector(step)}(${parts(step, (_, i) => product(i)).join(", ")});
    }
  }
  setY(index, base(index) + params.scale * sum);`,
        }),
      ],
    };
  },
  gradient({ inputs: [base, u, up], attributes }, [dy]) {
    if (!dy) return [null, null, null];
    const du = dy.tape.append(downGradient, [dy, up!], { ...attributes, type: typeOf(u!) })[0]!;
    const dUp = dy.tape.append(upGradient, [dy, u!], { ...attributes, type: typeOf(up!) })[0]!;
    return [cast(dy, floatOf(base!)), du, dUp];
  },
};

const typeOf = ({ dtype, shape }: Type): Type => ({ dtype, shape });

/** du = scale · dy[:, block i] · Bᵢ, side by side. */
const downGradient: Operation<Attributes & { readonly type: Type }> = {
  name: "lowRankDownGradient",
  infer: (_, { type }) => [type],
  lower({ inputs: [dy, up], outputs: [du], attributes }) {
    const { width, block, rank } = sizesOf(dy!, up!, attributes);
    const step = vectorWidth(width, block);
    const depth = vectorWidth(rank);
    const ranks = rank / depth;
    return {
      variant: `point ×${depth}`,
      kernels: [
        pointKernel({
          label: "lowRankDownGradient",
          over: du!,
          width: depth,
          reads: { dy: [dy!, vector(step)], up: [up!, vector(depth)] },
          writes: { du: [du!, vector(depth)] },
          params: { scale: paramF32(attributes.scale) },
          main: wgsl`let adapter = column / ${ranks}u;
  let k = column % ${ranks}u;
  let first = row * ${width / step}u + ${blockOf(attributes.blocks, "adapter")} * ${block / step}u;
  var sum = ${vector(depth)}();
  for (var c = 0u; c < ${block / step}u; c++) {
    let d = dy(first + c);
    let at = (adapter * ${block}u + c * ${step}u) * ${ranks}u + k;
    sum += ${parts(step, (part, i) => `d${part} * up(at + ${i * ranks}u)`).join(" + ")};
  }
  setDu(index, params.scale * sum);`,
        }),
      ],
    };
  },
};

/** Rows that one thread adds up for the gradient of B; their sums are added in a second kernel. */
const rowsPerChunk = 128;

/** dBᵢ = scale · dy[:, block i]ᵀ · u[:, i-th rank columns]: the sums of chunks of rows, then of the chunks, in a fixed order. */
const upGradient: Operation<Attributes & { readonly type: Type }> = {
  name: "lowRankUpGradient",
  writesOnce: true,
  infer: (_, { type }) => [f32(...type.shape)],
  lower({ inputs: [dy, u], outputs: [dUp], attributes }) {
    const { width, block, rank } = sizesOf(dy!, dUp!, attributes);
    const step = vectorWidth(width, block);
    const depth = vectorWidth(rank);
    const ranks = rank / depth;
    const adapters = attributes.blocks.length;
    const columns = (adapters * block) / step;
    const [count] = dy!.shape as [Dimension];
    const partial = new Scratch("f32", [Math.ceil(capacity(count) / rowsPerChunk), adapters * block * rank]);
    const chunks: Kernel = kernel({
      label: "lowRankUpGradient chunks",
      workgroupSize: [threadsPerWorkgroup],
      reads: { dy: [dy!, vector(step)], u: [u!, vector(depth)] },
      writes: { partial: [partial, vector(depth)] },
      main: wgsl`let index = group.x * ${threadsPerWorkgroup}u + thread;
  let column = index % ${columns}u;
  let k = index / ${columns}u;
  if (k >= ${ranks}u) { return; }
  let adapter = column * ${step}u / ${block}u;
  let place = (${blockOf(attributes.blocks, "adapter")} * ${block}u + column * ${step}u % ${block}u) / ${step}u;
  let end = min(${rows(count)}, (group.y + 1u) * ${rowsPerChunk}u);
  var sums = array<${vector(depth)}, ${step}>();
  for (var row = group.y * ${rowsPerChunk}u; row < end; row++) {
    let d = dy(row * ${width / step}u + place);
    let x = u((row * ${adapters}u + adapter) * ${ranks}u + k);
    ${parts(step, (part, i) => `sums[${i}] += d${part} * x;`).join(" ")}
  }
  for (var i = 0u; i < ${step}u; i++) {
    setPartial((group.y * ${adapters * block}u + column * ${step}u + i) * ${ranks}u + k, sums[i]);
  }`,
      workgroups: (live) => [Math.ceil((columns * ranks) / threadsPerWorkgroup), Math.ceil(live(count) / rowsPerChunk), 1],
    });
    const total = pointKernel({
      label: "lowRankUpGradient total",
      over: dUp!,
      width: depth,
      reads: { partial: [partial, vector(depth)] },
      writes: { dUp: [dUp!, vector(depth)] },
      params: { scale: paramF32(attributes.scale) },
      main: wgsl`let chunks = (${rows(count)} + ${rowsPerChunk - 1}u) / ${rowsPerChunk}u;
  var sum = ${vector(depth)}();
  for (var chunk = 0u; chunk < chunks; chunk++) { sum += partial(chunk * ${adapters * block * ranks}u + index); }
  setDUp(index, params.scale * sum);`,
    });
    return { variant: `chunks of ${rowsPerChunk} rows`, kernels: [chunks, total], scratch: [partial] };
  },
};

/** A term for each component of a vector of `width` elements: `.x`, `.y`, …; a number is its only component. */
function parts(width: 1 | 4, term: (part: string, index: number) => string): string[] {
  return width === 1 ? [term("", 0)] : [".x", ".y", ".z", ".w"].map(term);
}

/** WGSL for the adapter of a block, or the number of adapters if it has none. */
const adapterOf = (blocks: readonly number[], block: string) =>
  blocks.reduceRight((otherwise, own, i) => `select(${otherwise}, ${i}u, ${block} == ${own}u)`, `${blocks.length}u`);

/** WGSL for the block of an adapter. */
const blockOf = (blocks: readonly number[], adapter: string) =>
  blocks.reduceRight((otherwise, own, i) => (otherwise === "" ? `${own}u` : `select(${otherwise}, ${own}u, ${adapter} == ${i}u)`), "");

/**
 * `base` [rows, width], with scale · u · Bᵀ added to some of its blocks of columns, stored as `base` is. `u` is f32 [rows, adapters · rank];
 * `up` is f32 [adapters · columns of a block, rank], B of each adapter under the other; `blocks` are the blocks that they belong to.
 */
export function lowRank(base: Value, u: Value, up: Operand, attributes: Attributes): Value {
  return base.tape.append(operation, [base, u, up], attributes)[0]!;
}
