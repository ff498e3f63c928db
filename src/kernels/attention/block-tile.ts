/**
 * What both passes of attention in blocks do with 32 queries and 32 keys, as WGSL: products of their tokens, products of scores with tokens,
 * the softmax's parts, and where results go.
 *
 * A thread's four rows are those at y, y + 8, y + 16 and y + 24 of a block, its keys those at x, x + 8 and so on. In workgroup memory the
 * vectors of a token are exchanged by the token's number (xor), so that neighbouring threads read from different banks.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { range, wgsl } from "../../gpu/shader.ts";
import { dropoutKeyOf, tokenField } from "../batch.ts";
import type { Kernel } from "../language/operation.ts";
import { tileBias } from "../language/relative-bias.ts";
import type { AttentionAttributes } from "./attributes.ts";
import { type AttentionInputs, type BlockDeclaration, blockKernel, blockTokens } from "./frame.ts";

/** Threads along each edge of a block, and rows, or keys, of a thread. */
export const side = 8;
export const own: readonly number[] = range(blockTokens / side);
export const threads = side * side;

/** Vectors of workgroup memory for operands and for scores: 16 KB in all, if operands are f32. */
const memory = { f32: 512, f16: 1024, scores: 512 } as const;
/** Where the second half of the scores' memory begins. */
export const second = memory.scores / 2;

/** A kernel of the variant. */
type BlocksKernel = Pick<BlockDeclaration, "label" | "reads" | "writes" | "declarations" | "beyond" | "main" | "flopPerScore">;

/** A matrix of a sentence's tokens: WGSL for the vector `quad` of the head at `row`. */
type Matrix = (row: string, quad: string) => string;

/** The tools for one node's shapes. */
export type BlockTile = ReturnType<typeof blockTile>;

/** Makes them. Their WGSL finds declared what `blockKernel` declares, and `x` and `y`; bases are WGSL for the positions of a block's first token. */
export function blockTile(inputs: AttentionInputs, attributes: AttentionAttributes, { features }: Capabilities) {
  const { heads, longest, dropout, window, starts } = attributes;
  const { qkv } = inputs;
  const width = (qkv.shape[1] as number) / 12;
  const quads = width / heads;
  const isHalf = qkv.dtype === "f16" && features.has("shader-f16");
  const stored = isHalf ? "vec4<f16>" : "vec4f";
  const vectors = isHalf ? memory.f16 : memory.f32;
  const whole = Math.ceil(quads / side) * side;
  /** Vectors of a token of which both operands of a product of tokens fit; and those of one operand. */
  const both = Math.min(vectors / (2 * blockTokens), whole);
  const single = Math.min(vectors / blockTokens, whole);
  /** A thread's vectors of a row of results: at x, x + 8 and so on. */
  const parts = range(whole / side);
  const scale = `${1 / Math.sqrt(quads * 4)}`;
  const isOneBlock = longest <= blockTokens;

  const query: Matrix = (row, quad) => `qkv(${row} * ${3 * width}u + head * ${quads}u + ${quad})`;
  const key: Matrix = (row, quad) => `qkv(${row} * ${3 * width}u + ${width}u + head * ${quads}u + ${quad})`;
  const value: Matrix = (row, quad) => `qkv(${row} * ${3 * width}u + ${2 * width}u + head * ${quads}u + ${quad})`;
  const gradient: Matrix = (row, quad) => `dContext(${row} * ${width}u + head * ${quads}u + ${quad})`;

  /** Loads `line` vectors, from vector `from` on, of each token of blocks that begin at given positions; zeros beyond a sentence or head. */
  const load = (
    operands: readonly (readonly [Matrix, base: string])[],
    line: number,
    from: string,
    exchanged: boolean,
  ) => wgsl`for (var i = thread; i < ${blockTokens * line}u; i += ${threads}u) {
      let token = i / ${line}u;
      let place = i % ${line}u;
      let quad = min(${from} + place, ${quads - 1}u);
      let to = token * ${line}u + ${exchanged ? `(place ^ (token % ${side}u))` : "place"};
      ${operands
        .map(([matrix, base], operand) => {
          const at = matrix(`(first + min(${base} + token, count - 1u))`, "quad");
          const inside = `${base} + token < count${quads % line === 0 ? "" : ` && ${from} + place < ${quads}u`}`;
          return `tiles[${operand * blockTokens * line}u + to] = ${stored}(select(vec4f(), ${at}, ${inside}));`;
        })
        .join("\n      ")}
    }`;

  /** Declares `${name}0` to `${name}3`: a thread's products of the tokens of two blocks, a vector for each of its rows. */
  const products = (name: string, left: Matrix, leftBase: string, right: Matrix, rightBase: string) => {
    const operands = [[left, leftBase] as const, [right, rightBase] as const];
    const at = (token: string, quad: string) => `vec4f(tiles[${token} * ${both}u + (${quad})])`;
    return wgsl`${own.map((i) => `var ${name}${i} = vec4f();`).join(" ")}
    for (var begin = 0u; begin < ${quads}u; begin += ${both}u) {
    workgroupBarrier();
    ${load(operands, both, "begin", true)}
    workgroupBarrier();
    for (var d = 0u; d < ${Math.min(both, quads)}u; d++) {
      ${own.map((j) => `let b${j} = ${at(`(${blockTokens + j * side}u + x)`, "d ^ x")};`).join(" ")}
      ${own.map((i) => `${name}${i} = addProducts(${name}${i}, ${at(`(${i * side}u + y)`, "d ^ y")}, b0, b1, b2, b3);`).join("\n      ")}
    }
    }`;
  };

  /** Adds to `${name}i_g` the products of weights in the scores' memory, a vector a token, with the tokens of a matrix from `base` on. */
  const accumulate = (name: string, weights: number, matrix: Matrix, base: string) =>
    range(Math.ceil(whole / single))
      .map((chunk) => {
        const groups = parts.slice((chunk * single) / side, ((chunk + 1) * single) / side);
        return wgsl`${chunk > 0 ? "workgroupBarrier();" : ""}
    ${load([[matrix, base]], single, `${chunk * single}u`, false)}
    workgroupBarrier();
    for (var t = 0u; t < min(${blockTokens}u, count - ${base}); t++) {
      let w = scores[${weights}u + t * ${side}u + y];
      ${groups
        .map(
          (g, at) =>
            `let v${g} = vec4f(tiles[t * ${single}u + ${at * side}u + x]); ${own.map((i) => `${name}${i}_${g} += w[${i}] * v${g};`).join(" ")}`,
        )
        .join("\n      ")}
    }`;
      })
      .join("\n    ");

  const sums = (name: string) => own.flatMap((i) => parts.map((g) => `var ${name}${i}_${g} = vec4f();`)).join(" ");

  /** Stores results of a thread, each as `value` of its name, for the rows of the block at \`mine\`. A loop, because stores compile slowly in software. */
  const store = (
    name: string,
    setter: string,
    at: (row: string) => string,
    value = (sum: string, _: number) => sum,
  ) => wgsl`var ${name}All = array<vec4f, ${own.length * parts.length}>(${own.flatMap((i) => parts.map((g) => value(`${name}${i}_${g}`, i))).join(", ")});
  for (var i = 0u; i < ${own.length}u; i++) {
    let position = mine + i * ${side}u + y;
    for (var g = 0u; g < ${parts.length}u && position < count; g++) {
      let quad = g * ${side}u + x;
      if (quad < ${quads}u) { ${setter}(${at("(first + position)")} + quad, ${name}All[i * ${parts.length}u + g]); }
    }
  }`;

  /** Vectors in the scores' memory: one for each key over a thread's rows, or one for each row over a thread's keys. */
  const storeByKey = (name: string, to: number) =>
    own
      .map((j) => `scores[${to}u + (${j * side}u + x) * ${side}u + y] = vec4f(${own.map((i) => `${name}${i}[${j}]`).join(", ")});`)
      .join("\n    ");
  const storeByQuery = (name: string, to: number) =>
    own.map((i) => `scores[${to}u + (${i * side}u + y) * ${side}u + x] = ${name}${i};`).join("\n    ");

  /** Declares the positions `keys` of a thread, and which of them its row `i` sees. */
  const keysFrom = (base: string) => `let keys = ${base} + x + vec4u(${own.map((j) => `${j * side}u`).join(", ")});`;
  const sees = (position: string) => {
    const near = window === null ? "" : ` & (abs(vec4i(keys) - i32(${position})) <= vec4i(${window}))`;
    return `(keys < vec4u(count))${near}`;
  };
  /**
   * The bias by relative position, in the given half of the scores' memory. A number has a whole vector, because two threads must not write
   * to one. The half's first vectors, one for each thread, have other uses.
   */
  const biasIn = (half: number) =>
    starts &&
    tileBias(
      { starts, heads, threads },
      {
        queries: blockTokens,
        keys: blockTokens,
        memory: {
          read: (at) => `scores[${half + threads}u + ${at}].x`,
          write: (at, value) => `scores[${half + threads}u + ${at}] = vec4f(${value});`,
        },
      },
    );
  /** Declares `biases0` to `biases3`, those of a thread's scores, of which few distances are different. */
  const declareBiases = (bias: ReturnType<typeof biasIn>) =>
    bias === null
      ? ""
      : wgsl`${range(2 * own.length - 1)
          .map((k) => `let biasAt${k} = ${bias.of(`x + ${k * side}u`, `(y + ${(own.length - 1) * side}u)`)};`)
          .join(" ")}
    ${own.map((i) => `let biases${i} = vec4f(${own.map((j) => `biasAt${own.length - 1 + j - i}`).join(", ")});`).join(" ")}`;
  const score = (i: number) => `s${i} * ${scale}${starts ? ` + biases${i}` : ""}`;
  const positionOf = (base: string, i: number) => `(${base} + ${i * side}u + y)`;
  const rowOf = (base: string, i: number) => `(first + min(${base} + ${i * side}u + y, count - 1u))`;
  /** Declares `stream0` to `stream3`, those of a thread's queries. */
  const streams = (base: string) =>
    dropout ? own.map((i) => `let stream${i} = dropoutRow(stepKey, tokens[${rowOf(base, i)}].${tokenField.key});`).join(" ") : "";
  const dropped = (p: string, i: number) =>
    dropout
      ? `${p} * vec4f(${own.map((j) => `dropoutFactor(stream${i}, ${dropoutKeyOf("headKey", `keys[${j}]`, longest)})`).join(", ")})`
      : p;

  /** The blocks that a block's tokens see. */
  const walk =
    window === null
      ? { first: "0u", end: "count" }
      : {
          first: `(max(mine, ${window}u) - ${window}u) / ${blockTokens}u * ${blockTokens}u`,
          end: `min(count, mine + ${blockTokens + window}u)`,
        };
  const overBlocks = (body: string) =>
    isOneBlock
      ? `{ let base = 0u;\n    ${body} }`
      : `for (var base = ${walk.first}; base < ${walk.end}; base += ${blockTokens}u) {\n    ${body} }`;

  /** `name` of a row's eight threads, joined by `join`. */
  const overRow = (name: string, from: number, join: (a: string, b: string) => string) =>
    range(side)
      .map((k) => `scores[${from + k * side}u + y]`)
      .reduce(join, name);

  const make = ({ declarations, ...declaration }: BlocksKernel): Kernel =>
    blockKernel(inputs, attributes, {
      ...declaration,
      workgroupSize: [side, side],
      enables: isHalf ? ["f16"] : [],
      element: "vec4f",
      declarations: wgsl`var<workgroup> tiles: array<${stored}, ${vectors}>;
var<workgroup> scores: array<vec4f, ${memory.scores}>;
fn addProduct(sum: f32, a: vec4f, b: vec4f) -> f32 { return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum)))); }
fn addProducts(sum: vec4f, a: vec4f, b0: vec4f, b1: vec4f, b2: vec4f, b3: vec4f) -> vec4f {
  return vec4f(addProduct(sum.x, a, b0), addProduct(sum.y, a, b1), addProduct(sum.z, a, b2), addProduct(sum.w, a, b3));
}
fn largestOf(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn sumOf(v: vec4f) -> f32 { return (v.x + v.y) + (v.z + v.w); }
${declarations}`,
      main: wgsl`let x = local.x;
  let y = local.y;
  ${declaration.main}`,
    });

  /** Where a token's head begins, from its row, in a tensor with rows of `stride` vectors and `before` of them before the first head. */
  const headIn =
    (stride: number, before = 0) =>
    (row: string) =>
      `${row} * ${stride}u + head * ${quads}u${before > 0 ? ` + ${before}u` : ""}`;

  return {
    quads,
    parts,
    scale,
    isOneBlock,
    sources: { query, key, value, gradient },
    targets: {
      context: headIn(width),
      queries: headIn(3 * width),
      keys: headIn(3 * width, width),
      values: headIn(3 * width, 2 * width),
    },
    products,
    accumulate,
    sums,
    store,
    storeByKey,
    storeByQuery,
    keysFrom,
    sees,
    biasIn,
    declareBiases,
    score,
    positionOf,
    rowOf,
    streams,
    dropped,
    overBlocks,
    overRow,
    make,
  };
}
