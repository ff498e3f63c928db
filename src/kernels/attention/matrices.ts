/**
 * Attention, variant "matrix units": f16 products on the device's matrix units, for sentences of at most 128 tokens. Scores, the softmax
 * and all sums are f32. A workgroup of 128 threads takes a sentence, a head and 32 of its queries.
 *
 * Forward, the scores of all keys are in workgroup memory at once, so that one softmax is enough and few barriers are needed. Backward,
 * where no sentence is longer than a block of 32, one pass over its scores gives all gradients, and a query's Σ dP·P is summed on the way.
 * Longer sentences take two walks over blocks, one for the gradients of the workgroup's queries and one for those of its keys and values.
 *
 * Workgroup memory consists of blocks of 32 tokens, each in four quarters of 16 rows and half of the columns: a matrix is loaded from a
 * quarter at a constant offset and stride, because computed ones are bounds-checked. A block holds a head's halves, or 32×32 scores, whose
 * place the weights made of them take over. Rows past a sentence's end are zeros, not the next sentence.
 *
 * f16 has a small range. Probabilities are stored times 64, so that small ones stay normal numbers, and divided by 1 − p of dropout only
 * in the result. The gradients of scores are stored times the power of two that brings the largest of a block just below 2¹⁵.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { range, wgsl } from "../../gpu/shader.ts";
import { dropoutKeyOf, tokenField } from "../batch.ts";
import {
  addProduct,
  halvesPerVector,
  loadOperand,
  type MatrixUnits,
  matrixExtensions,
  matrixUnits,
  resultType,
  storeResult,
} from "../language/matrix-units.ts";
import type { Kernel } from "../language/operation.ts";
import { needsWindows } from "../language/windows.ts";
import type { AttentionAttributes } from "./attributes.ts";
import { type AttentionBlocks, type AttentionInputs, blockKernel, blockTokens } from "./frame.ts";

/** The variant's name. */
export const matricesName = `matrix units, blocks of ${blockTokens}`;

/** The longest sentence. */
const longestTokens = 128;

const threads = 128;

/** Rows of a quarter, and columns of a quarter of scores: a subgroup computes such a part of a block, or several. */
const edge = blockTokens / 2;

/** Threads that share a row of scores: each has eight keys of a block, one vector of weights. */
const threadsPerRow = threads / blockTokens;

/** What probabilities are multiplied by when they are stored as f16. */
const probabilityScale = 64;

/**
 * Where a tile's operands and scores are in workgroup memory: numbers of blocks. Forward, the scores of all keys follow the queries and one
 * block of keys or values.
 */
const place = { query: 0, key: 1, value: 2, gradient: 3, scores: 4, products: 5 } as const;

/** The variant for one node's shapes, if the device has matrix units that suit them. */
export function attentionMatrices(
  inputs: AttentionInputs,
  attributes: AttentionAttributes,
  capabilities: Capabilities,
): AttentionMatrices | null {
  const units = matrixUnits(capabilities);
  const { qkv } = inputs;
  const headSize = (qkv.shape[1] as number) / 3 / attributes.heads;
  const { maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize: memory } = capabilities.limits;
  const fits =
    units !== null &&
    [2, 4].includes(threads / units.lanes) &&
    edge % units.matrix.M === 0 &&
    edge % units.matrix.N === 0 &&
    edge % units.matrix.K === 0 &&
    qkv.dtype === "f16" &&
    headSize % blockTokens === 0 &&
    attributes.starts === null &&
    attributes.longest <= longestTokens &&
    !needsWindows(qkv, maxStorageBufferBindingSize);
  return fits ? kernelsFor(inputs, attributes, { units, headSize, memory }) : null;
}

/** Its kernels, and whether the device has the workgroup memory for each pass. */
export interface AttentionMatrices extends AttentionBlocks {
  readonly fits: Readonly<Record<"forward" | "backward", boolean>>;
}

interface Sizes {
  readonly units: MatrixUnits;
  readonly headSize: number;
  /** Bytes of workgroup memory. */
  readonly memory: number;
}

/** An operand in a block of workgroup memory. */
interface Operand {
  /** WGSL for the number of its block. */
  readonly block: string;
  /** Whether its rows run along the dimension that is summed over. */
  readonly alongDepth: boolean;
  /** Numbers in half of a row: of a head's halves, or of weights. */
  readonly halfRow: number;
  /** Vectors before its rows. */
  readonly from?: number;
}

function kernelsFor(
  inputs: AttentionInputs,
  attributes: AttentionAttributes,
  { units: { matrix, lanes }, headSize, memory }: Sizes,
): AttentionMatrices {
  const { heads, longest, dropout, window } = attributes;
  const { M, N, K } = matrix;
  /** Vectors of a row of the context, of a head, and of half a head. */
  const width = (heads * headSize) / halvesPerVector;
  const vectors = headSize / halvesPerVector;
  const half = vectors / 2;
  /** Vectors from one row of a quarter to the next, an odd number, so that rows begin in different banks; those of both halves do too. */
  const stride = Math.max(half, edge / 4) + 1;
  const quarter = edge * stride + 4;
  const keyBlocks = Math.ceil(longest / blockTokens);
  const isOneBlock = keyBlocks === 1;
  /** f32 results of a head take several blocks. */
  const resultBlocks = headSize / blockTokens;
  const scale = `${1 / Math.sqrt(headSize)}`;
  const weightScale = probabilityScale * (1 - (dropout?.probability ?? 0));

  const forwardBlocks = Math.max(2 + keyBlocks, resultBlocks);
  const backwardBlocks = Math.max(6, (isOneBlock ? 3 : 2) * resultBlocks);
  const bytes = (blocks: number) => blocks * 4 * quarter * 16;
  const bytesOfSizes = blockTokens * 4;

  const barrier = "workgroupBarrier();";
  const moved = range((blockTokens * vectors) / threads);
  /** The halves of a block's columns that a subgroup computes. */
  const columnHalves = threads / lanes === 4 ? ["ownColumn"] : ["0u", "1u"];
  const rowsOfMatrices = range(edge / M);
  const load = (vector: string, position: string, i: number) => `select(vec4u(), ${vector} + column${i}], ${position} + token${i} < count)`;
  /** A tensor's vector of a token, without its column: where the token's row and head begin. */
  const rowOf = (position: string, i: number) => `(first + min(${position} + token${i}, count - 1u))`;
  const query = (position: string, i: number) => `qkv[${rowOf(position, i)} * ${3 * width}u + head * ${vectors}u`;
  const key = (position: string, i: number) => `${query(position, i)} + ${width}u`;
  const value = (position: string, i: number) => `${query(position, i)} + ${2 * width}u`;
  const gradient = (position: string, i: number) => `dContext[${rowOf(position, i)} * ${width}u + head * ${vectors}u`;
  type Rows = typeof query;

  /** Fills a block with a head's rows of the tokens from a position on. */
  const fill = (block: string, rows: Rows, position: string) =>
    moved.map((i) => `memory[4u * (${block}) + quarter${i}][inner${i}] = ${load(rows(position, i), position, i)};`).join("\n    ");

  const operandAt = (
    side: "left" | "right",
    { block, alongDepth, halfRow, from = 0 }: Operand,
    ownHalf: string,
    own: number,
    depth: number,
  ) => {
    const halfDepth = alongDepth ? halfRow : edge;
    const depthHalf = Math.floor(depth / halfDepth);
    const [row, column] = alongDepth ? [own, depth % halfDepth] : [depth % halfDepth, own];
    const at = alongDepth ? `2u * ${ownHalf} + ${depthHalf}u` : `${2 * depthHalf}u + ${ownHalf}`;
    return loadOperand(side, matrix, alongDepth, {
      array: `memory[4u * (${block}) + ${at}]`,
      offset: `${row * stride + from + column / halvesPerVector}u`,
      stride: `${stride}u`,
    });
  };
  /** A result's matrices: `name_half_i_j`, of rows i and columns j of each of the halves that a subgroup computes. */
  const resultsOf = (name: string, columns: number) =>
    columnHalves.flatMap((half, a) =>
      rowsOfMatrices.flatMap((i) => range(columns / N).map((j) => ({ half, i, j, result: `${name}_${a}_${i}_${j}` }))),
    );
  /** New results, zeros. In a loop, Dawn does not set variables without a value to zeros again. */
  const declare = (name: string, columns: number) =>
    resultsOf(name, columns)
      .map(({ result }) => `var ${result} = ${resultType(matrix)}();`)
      .join(" ");
  /** Adds a product to a result; `right` has `columns` in each half. */
  const multiply = (name: string, left: Operand, right: Operand, depth: number, columns: number) =>
    range(depth / K)
      .map((step) => {
        const lefts = rowsOfMatrices.map((i) => `let l${i} = ${operandAt("left", left, "ownRow", i * M, step * K)};`);
        const products = columnHalves.flatMap((ownHalf, a) =>
          range(columns / N).map((j) => {
            const sums = rowsOfMatrices.map((i) => addProduct(`${name}_${a}_${i}_${j}`, `l${i}`, "r"));
            return `{ let r = ${operandAt("right", right, ownHalf, j * N, step * K)}; ${sums.join(" ")} }`;
          }),
        );
        return `{ ${[...lefts, ...products].join(" ")} }`;
      })
      .join("\n    ");
  /** Stores a result in blocks of 32 columns, 16 of each half. */
  const store = (name: string, columns: number, block: string) =>
    resultsOf(name, columns)
      .map(({ half, i, j, result }) => {
        const column = j * N;
        return storeResult(result, {
          array: `memory[4u * (${block} + ${Math.floor(column / edge)}u) + 2u * ownRow + ${half}]`,
          offset: `${i * M * stride + (column % edge) / 4}u`,
          stride: `${stride}u`,
        });
      })
      .join("\n    ");

  const ofHead = (block: string, alongDepth: boolean): Operand => ({ block, alongDepth, halfRow: headSize / 2 });
  const ofWeights = (block: string, alongDepth: boolean, from = 0): Operand => ({ block, alongDepth, halfRow: edge, from });
  const ownColumns = headSize / 2;

  /** Writes a head's results, f32 in blocks, as halves; `to` is the tensor's vector of a token, without its column. */
  const write = (block: number, rows: Rows, factor: string) =>
    moved
      .map(
        (i) => wgsl`if (mine + token${i} < count) {
      let quarter = 4u * (${block}u + column${i} % ${half}u / 2u) + quarter${i};
      let at = row${i} + column${i} % 2u * 2u;
      ${rows("mine", i)} + column${i}] = halves(bitcast<vec4f>(memory[quarter][at]) * ${factor}, bitcast<vec4f>(memory[quarter][at + 1u]) * ${factor});
    }`,
      )
      .join("\n    ");
  const inContext: Rows = (position, i) => gradient(position, i).replace("dContext", "context");
  const [inQueries, inKeys, inValues] = [query, key, value].map(
    (rows): Rows =>
      (position, i) =>
        rows(position, i).replace("qkv", "dQkv"),
  ) as [Rows, Rows, Rows];

  /** A thread's place: its subgroup's part of a block, the vectors that it moves, and its eight keys of a row of scores. */
  const places = wgsl`let own = thread % ${lanes}u;
  let ownRow = thread / ${lanes}u${columnHalves.length === 1 ? " / 2u" : ""};
  ${columnHalves.length === 1 ? `let ownColumn = thread / ${lanes}u % 2u;` : ""}
  ${moved
    .map(
      (i) => wgsl`let token${i} = (thread + ${i * threads}u) / ${vectors}u;
  let column${i} = (thread + ${i * threads}u) % ${vectors}u;
  let quarter${i} = token${i} / ${edge}u * 2u + column${i} / ${half}u;
  let row${i} = token${i} % ${edge}u * ${stride}u;
  let inner${i} = row${i} + column${i} % ${half}u;`,
    )
    .join("\n  ")}
  let row = thread / ${threadsPerRow}u;
  let part = thread % ${threadsPerRow}u;
  let scoreQuarter = row / ${edge}u * 2u + part / 2u;
  let scoreAt = row % ${edge}u * ${stride}u + part % 2u * 2u;
  let weightAt = row % ${edge}u * ${stride}u + part % 2u;`;

  const quads = range(2);
  /** WGSL for four of a thread's numbers of a block of scores. */
  const scoresAt = (block: string, quad: number) => `bitcast<vec4f>(memory[4u * (${block}) + scoreQuarter][scoreAt + ${quad}u])`;
  const firstKey = (base: string, quad: number) => `(${base} + part * 8u + ${quad * 4}u)`;
  const sees = (base: string, quad: number, position: string) => {
    const keys = `(${firstKey(base, quad)} + vec4u(0u, 1u, 2u, 3u))`;
    const near = window === null ? "" : ` & (abs(vec4i${keys} - i32(${position})) <= vec4i(${window}))`;
    return `(${keys} < vec4u(count))${near}`;
  };
  const rowIn = (position: string) => `(first + min(${position} + row, count - 1u))`;
  /** Declares the dropout stream of a thread's query. */
  const stream = (queries: string) => (dropout ? `let stream = dropoutRow(stepKey, tokens[${rowIn(queries)}].${tokenField.key});` : "");
  const dropped = (p: string, base: string, quad: number) =>
    dropout ? `${p} * dropoutFactors(stream, (${dropoutKeyOf("headKey", firstKey(base, quad), longest)}) / 4u)` : p;
  /** `name` of a row's threads, joined. */
  const overRow = (name: string, join: (a: string, b: string) => string) =>
    [1, 2].map((distance) => `${name} = ${join(name, `subgroupShuffleXor(${name}, ${distance}u)`)};`).join(" ");
  const larger = (a: string, b: string) => `max(${a}, ${b})`;
  const plus = (a: string, b: string) => `${a} + ${b}`;

  const make = (
    declaration: Pick<Parameters<typeof blockKernel>[2], "label" | "reads" | "writes" | "main" | "flopPerScore">,
    blocks: number,
    declarations = "",
  ): Kernel =>
    blockKernel(inputs, attributes, {
      ...declaration,
      workgroupSize: [threads],
      enables: matrixExtensions,
      element: "vec4u",
      declarations: wgsl`var<workgroup> memory: array<array<vec4u, ${quarter}>, ${4 * blocks}>;
${declarations}fn halves(low: vec4f, high: vec4f) -> vec4u { return vec4u(bitcast<vec2u>(vec4<f16>(low)), bitcast<vec2u>(vec4<f16>(high))); }
fn largestOf(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
// 2 to the power of a number, which is given with f32's bias of 127.
fn power(biased: i32) -> f32 { return bitcast<f32>(u32(max(biased, 0)) << 23u); }
`,
      main: `${places}\n  ${declaration.main}`,
    });

  /** `body` for each block of keys, whose number is b. */
  const overKeys = (body: string) =>
    isOneBlock ? `{ let b = 0u;\n    ${body} }` : `for (var b = 0u; b * ${blockTokens}u < count; b++) {\n    ${body} }`;
  const inEach = range(keyBlocks).flatMap((b) => quads.map((quad) => ({ b, quad, name: `x${b}_${quad}` })));
  const scoreBlock = (b: string) => `${b} + 2u`;
  /** Fetches the keys or values of a block into registers. In workgroup memory they take the place of those before. */
  const fetch = (rows: Rows, position: string) => moved.map((i) => `next${i} = ${load(rows(position, i), position, i)};`).join(" ");
  const fetchNext = (rows: Rows) => {
    const position = `((b + 1u) * ${blockTokens}u)`;
    return isOneBlock ? "" : `if (${position} < count) { ${fetch(rows, position)} }`;
  };
  const storeNext = moved.map((i) => `memory[${4 * place.key}u + quarter${i}][inner${i}] = next${i};`).join(" ");

  const forward = wgsl`${moved.map((i) => `var next${i}: vec4u;`).join(" ")}
  ${fill(`${place.query}u`, query, "mine")}
  ${fetch(key, "0u")}
  ${overKeys(wgsl`${storeNext}
    ${barrier}
    ${fetchNext(key)}
    ${declare("s", edge)}
    ${multiply("s", ofHead(`${place.query}u`, true), ofHead(`${place.key}u`, true), headSize, edge)}
    ${store("s", edge, `(${scoreBlock("b")})`)}
    ${barrier}`)}
  ${fetch(value, "0u")}
  ${stream("mine")}
  ${inEach
    .map(
      ({ b, quad, name }) =>
        `var ${name} = select(vec4f(-1e30), ${scoresAt(scoreBlock(`${b}u`), quad)} * ${scale}, ${sees(`${b * blockTokens}u`, quad, "(mine + row)")});`,
    )
    .join("\n  ")}
  var largest = largestOf(${inEach.map(({ name }) => name).reduce(larger)});
  ${overRow("largest", larger)}
  ${inEach.map(({ name }) => `${name} = exp(${name} - largest);`).join(" ")}
  var total = dot(${inEach.map(({ name }) => name).reduce(plus)}, vec4f(1.0));
  ${overRow("total", plus)}
  let weight = ${weightScale} / total;
  ${barrier}
  ${range(keyBlocks)
    .map((b) => {
      const kept = quads.map((quad) => dropped(`x${b}_${quad} * weight`, `${b * blockTokens}u`, quad));
      const stored = `memory[4u * (${scoreBlock(`${b}u`)}) + scoreQuarter][weightAt] = halves(${kept.join(", ")});`;
      return b === 0 ? stored : `if (${b * blockTokens}u < count) { ${stored} }`;
    })
    .join("\n  ")}
  ${declare("o", ownColumns)}
  ${overKeys(wgsl`${storeNext}
    ${barrier}
    ${fetchNext(value)}
    ${multiply("o", ofWeights(scoreBlock("b"), true), ofHead(`${place.key}u`, false), blockTokens, ownColumns)}
    ${barrier}`)}
  ${store("o", ownColumns, "0u")}
  if (part == 0u && mine + row < count) { setLogSum((first + mine + row) * ${heads}u + head, largest + log(total)); }
  ${barrier}
  ${write(0, inContext, `${1 / weightScale}`)}`;

  /** Fills the blocks of keys and values, or of queries and gradients. */
  const fillKeys = (position: string) => `${fill(`${place.key}u`, key, position)}\n    ${fill(`${place.value}u`, value, position)}`;
  const fillQueries = (position: string) =>
    `${fill(`${place.query}u`, query, position)}\n    ${fill(`${place.gradient}u`, gradient, position)}`;

  /** What the backward pass knows of a thread's query: `logSumOf`, and `inner`, its Σ dP·P, unless it is summed here. */
  interface Tile {
    /** Positions of the tile's first query and key. */
    readonly queries: string;
    readonly keys: string;
    readonly moments: string;
    readonly inner: string;
    /** WGSL after `fresh`, the power of two for the gradients of scores, with f32's bias: it declares or changes `exponent`. */
    readonly rescale: string;
  }
  /** From a tile's operands to its weights: kept probabilities, and the gradients of its scores. */
  const weights = ({ queries, keys, moments, inner, rescale }: Tile) => wgsl`${barrier}
    { ${declare("s", edge)} ${declare("dp", edge)}
    ${multiply("s", ofHead(`${place.query}u`, true), ofHead(`${place.key}u`, true), headSize, edge)}
    ${multiply("dp", ofHead(`${place.gradient}u`, true), ofHead(`${place.value}u`, true), headSize, edge)}
    ${store("s", edge, `${place.scores}u`)}
    ${store("dp", edge, `${place.products}u`)} }
    ${barrier}
    ${stream(queries)}
    ${moments}
    ${quads
      .map((quad) => {
        const inside = `${sees(keys, quad, `(${queries} + row)`)} & vec4<bool>(${queries} + row < count)`;
        return wgsl`let p${quad} = select(vec4f(), exp(${scoresAt(`${place.scores}u`, quad)} * ${scale} - logSumOf), ${inside});
    let kept${quad} = ${dropped(`p${quad}`, keys, quad)};
    let dKept${quad} = kept${quad} * ${scoresAt(`${place.products}u`, quad)};`;
      })
      .join("\n    ")}
    ${inner}
    ${quads.map((quad) => `let ds${quad} = (dKept${quad} - p${quad} * inner) * ${scale};`).join(" ")}
    var size = largestOf(max(abs(ds0), abs(ds1)));
    ${overRow("size", larger)}
    if (part == 0u) { sizes[row] = size; }
    ${barrier}
    var most = 0.0;
    for (var i = 0u; i < ${blockTokens}u; i++) { most = max(most, sizes[i]); }
    let fresh = clamp(${127 + 14 + 127} - i32(bitcast<u32>(most) >> 23u), 1, 253);
    ${rescale}
    memory[${4 * place.scores}u + scoreQuarter][weightAt] = halves(kept0 * ${weightScale}, kept1 * ${weightScale});
    memory[${4 * place.scores}u + scoreQuarter][weightAt + 2u] = halves(ds0 * power(exponent), ds1 * power(exponent));
    ${barrier}`;

  const [kept, dScores] = [0, 2].map((from) => (alongDepth: boolean) => ofWeights(`${place.scores}u`, alongDepth, from)) as [
    (alongDepth: boolean) => Operand,
    (alongDepth: boolean) => Operand,
  ];
  /** The products of a tile's weights, added to the gradients of its queries, keys and values. */
  const addTo = {
    dq: multiply("dq", dScores(true), ofHead(`${place.key}u`, false), blockTokens, ownColumns),
    dk: multiply("dk", dScores(false), ofHead(`${place.query}u`, false), blockTokens, ownColumns),
    dv: multiply("dv", kept(false), ofHead(`${place.gradient}u`, false), blockTokens, ownColumns),
  } as const;
  const unscaled = { scores: "power(254 - exponent)", values: `${1 / weightScale}` } as const;
  const sizes = `var<workgroup> sizes: array<f32, ${blockTokens}>;\n`;

  const backward = wgsl`${fillQueries("mine")}
    ${fillKeys("mine")}
    ${weights({
      queries: "mine",
      keys: "mine",
      moments: `let logSumOf = logSum(${rowIn("mine")} * ${heads}u + head);`,
      inner: `var inner = dot(dKept0 + dKept1, vec4f(1.0)); ${overRow("inner", plus)}`,
      rescale: "let exponent = fresh;",
    })}
    ${declare("dq", ownColumns)} ${declare("dk", ownColumns)} ${declare("dv", ownColumns)}
    ${addTo.dq} ${addTo.dk} ${addTo.dv}
    ${barrier}
    ${["dq", "dk", "dv"].map((name, i) => store(name, ownColumns, `${i * resultBlocks}u`)).join("\n    ")}
    ${barrier}
    ${write(0, inQueries, unscaled.scores)}
    ${write(resultBlocks, inKeys, unscaled.scores)}
    ${write(2 * resultBlocks, inValues, unscaled.values)}`;

  /** A walk over blocks at `base`; the gradients of scores that `names` add up keep one power of two, which only falls. */
  const walk = (names: readonly string[], tile: Pick<Tile, "queries" | "keys">, fillOther: string, products: string) => {
    const shrink = names.flatMap((name) =>
      resultsOf(name, ownColumns).map(({ result }) => `${result} = subgroupMatrixScalarMultiply(${result}, shrink);`),
    );
    return wgsl`var exponent = 253;
    for (var base = 0u; base < count; base += ${blockTokens}u) {
    ${fillOther}
    ${weights({
      ...tile,
      moments: `let momentsOf = moments(${rowIn(tile.queries)} * ${heads}u + head); let logSumOf = momentsOf.x; let inner = momentsOf.y;`,
      inner: "",
      rescale: wgsl`let shrink = power(min(fresh - exponent, 0) + 127);
    exponent = min(exponent, fresh);
    ${shrink.join(" ")}`,
    })}
    ${products}
    ${barrier}
    }`;
  };
  const backwardByWalks = wgsl`{ ${declare("dq", ownColumns)}
    ${fillQueries("mine")}
    ${walk(["dq"], { queries: "mine", keys: "base" }, fillKeys("base"), addTo.dq)}
    ${store("dq", ownColumns, "0u")}
    ${barrier}
    ${write(0, inQueries, unscaled.scores)}
    ${barrier} }
    ${declare("dk", ownColumns)} ${declare("dv", ownColumns)}
    ${fillKeys("mine")}
    ${walk(["dk"], { queries: "base", keys: "mine" }, fillQueries("base"), `${addTo.dk} ${addTo.dv}`)}
    ${["dk", "dv"].map((name, i) => store(name, ownColumns, `${i * resultBlocks}u`)).join("\n    ")}
    ${barrier}
    ${write(0, inKeys, unscaled.scores)}
    ${write(resultBlocks, inValues, unscaled.values)}`;

  return {
    name: matricesName,
    fits: { forward: bytes(forwardBlocks) <= memory, backward: bytes(backwardBlocks) + bytesOfSizes <= memory },
    forward: ({ context, logSum }) =>
      make(
        {
          label: "attention",
          writes: { context: [context, "vec4u"], logSum: [logSum, "f32"] },
          main: forward,
          flopPerScore: 4,
        },
        forwardBlocks,
      ),
    backward: ({ dContext, logSum, dQkv }) =>
      make(
        {
          label: "attentionGradient",
          reads: { dContext: [dContext, "vec4u"], logSum: [logSum, "f32"] },
          writes: { dQkv: [dQkv, "vec4u"] },
          main: backward,
          flopPerScore: 10,
        },
        backwardBlocks,
        sizes,
      ),
    backwardByWalks: ({ dContext, moments, dQkv }) =>
      make(
        {
          label: "attentionGradient",
          reads: { dContext: [dContext, "vec4u"], moments: [moments, "vec2f"] },
          writes: { dQkv: [dQkv, "vec4u"] },
          main: backwardByWalks,
          flopPerScore: 14,
        },
        backwardBlocks,
        sizes,
      ),
  };
}
