/**
 * Attention, variant "matrix units": f16 products on the device's matrix units, for sentences of at most 128 tokens. Scores, the softmax
 * and all sums are f32. A workgroup of 128 threads takes a sentence, a head and 32 of its queries (`matrix-blocks.ts`).
 *
 * Forward, the scores of all keys are in workgroup memory at once, so that one softmax is enough and few barriers are needed. Backward,
 * where no sentence is longer than a block of 32, one pass over its scores gives all gradients, and a query's Σ dP·P is summed on the way.
 * Longer sentences take two walks over blocks, one for the gradients of the workgroup's queries and one for those of its keys and values.
 * Rows past a sentence's end are zeros, not the next sentence.
 *
 * f16 has a small range. Probabilities are stored times 64, so that small ones stay normal numbers, and divided by 1 − p of dropout only
 * in the result. The gradients of scores are stored times the power of two that brings the largest of a block just below 2¹⁵.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { range, wgsl } from "../../gpu/shader.ts";
import { dropoutKeyOf, tokenField } from "../batch.ts";
import { halvesPerVector, type MatrixUnits, matrixExtensions, matrixUnits } from "../language/matrix-units.ts";
import type { Kernel } from "../language/operation.ts";
import { needsWindows } from "../language/windows.ts";
import type { AttentionAttributes } from "./attributes.ts";
import { type AttentionBlocks, type AttentionInputs, type BlockDeclaration, blockKernel, blockTokens } from "./frame.ts";
import { matrixBlocks, suitsBlocks, threads } from "./matrix-blocks.ts";

/** The variant's name. */
export const matricesName = `matrix units, blocks of ${blockTokens}`;

/** The longest sentence. */
const longestTokens = 128;

/** What probabilities are multiplied by when they are stored as f16. */
const probabilityScale = 64;

/** The power of two below which the gradients of scores are stored as f16, and the bias of f32's exponents. */
const largestExponent = 15;
const bias = 127;

/**
 * The blocks of workgroup memory. Forward, the scores of all keys follow the queries and one block of keys or values. Backward there are all
 * operands of a tile, its scores, which make room for its weights, and its products of gradients and values.
 */
const block = { query: 0, key: 1, forwardScores: 2, value: 2, gradient: 3, scores: 4, products: 5 } as const;
const backwardBlocks = 6;

/** The kernels, and whether the device has the workgroup memory for each pass. */
export interface AttentionMatrices extends AttentionBlocks {
  readonly fits: Readonly<Record<"forward" | "backward", boolean>>;
}

/** The variant for one node's shapes, if the device has matrix units that suit them. */
export function attentionMatrices(
  inputs: AttentionInputs,
  attributes: AttentionAttributes,
  capabilities: Capabilities,
): AttentionMatrices | null {
  const { qkv } = inputs;
  const { heads, starts, longest } = attributes;
  const { maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize: memory } = capabilities.limits;
  const units = matrixUnits(capabilities);
  const headSize = (qkv.shape[1] as number) / 3 / heads;
  const suits =
    units !== null &&
    suitsBlocks(units, headSize) &&
    qkv.dtype === "f16" &&
    starts === null &&
    longest <= longestTokens &&
    !needsWindows(qkv, maxStorageBufferBindingSize);
  return suits ? kernelsFor(inputs, attributes, { units, headSize, memory }) : null;
}

interface Sizes {
  readonly units: MatrixUnits;
  readonly headSize: number;
  /** Bytes of workgroup memory. */
  readonly memory: number;
}

interface MatrixKernel extends Pick<BlockDeclaration, "label" | "reads" | "writes" | "declarations" | "main" | "flopPerScore"> {
  /** Blocks of workgroup memory. */
  readonly blockCount: number;
}

/** A head's rows in a tensor: WGSL for the vector i of those that a thread moves, of the block of tokens from a position on. */
type Rows = (position: string, i: number) => string;

/** Rows of a tensor, and the block of workgroup memory that they are moved to. */
interface Source {
  readonly rows: Rows;
  readonly to: number;
}

/** A tile of the backward pass. */
interface Tile {
  /** Positions of its first query and key. */
  readonly queries: string;
  readonly keys: string;
  /** WGSL that declares `logSumOf`, a query's log Σ exp(score). */
  readonly moments: string;
  /** WGSL that declares `inner`, a query's Σ dP·P, unless that did. */
  readonly inner: string;
  /** WGSL that declares or changes `exponent`, with f32's bias that of the power of two for the gradients of scores; `fresh` suits this tile. */
  readonly rescale: string;
}

const barrier = "workgroupBarrier();";
const larger = (a: string, b: string) => `max(${a}, ${b})`;
const plus = (a: string, b: string) => `${a} + ${b}`;

function kernelsFor(inputs: AttentionInputs, attributes: AttentionAttributes, { units, headSize, memory }: Sizes): AttentionMatrices {
  const { heads, longest, dropout, window } = attributes;
  const blocks = matrixBlocks(units, headSize);
  const { vectors, moved, headColumns, scoreColumns, resultBlocks } = blocks;
  const width = (heads * headSize) / halvesPerVector;
  const scale = `${1 / Math.sqrt(headSize)}`;
  const weightScale = probabilityScale * (1 - (dropout?.probability ?? 0));
  const unweighted = `${1 / weightScale}`;

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
  /** Values: backward in a block of their own, forward in that of the keys, which are done with then. */
  const value: Source = { rows: inValues("qkv"), to: block.value };
  const valueForward: Source = { ...value, to: key.to };
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

  /** A thread has eight scores of a block, those of two vectors of keys. */
  const quads = range(2);
  const firstKey = (base: string, quad: number) => `(${base} + part * 8u + ${quad * 4}u)`;
  const sees = (base: string, quad: number, position: string) => {
    const keys = `(${firstKey(base, quad)} + vec4u(0u, 1u, 2u, 3u))`;
    const near = window === null ? "" : ` & (abs(vec4i${keys} - i32(${position})) <= vec4i(${window}))`;
    return `(${keys} < vec4u(count))${near}`;
  };
  const rowIn = (queries: string) => `(first + min(${queries} + row, count - 1u))`;
  /** Declares the dropout stream of a thread's query. */
  const stream = (queries: string) => (dropout ? `let stream = dropoutRow(stepKey, tokens[${rowIn(queries)}].${tokenField.key});` : "");
  const dropped = (p: string, base: string, quad: number) =>
    dropout ? `${p} * dropoutFactors(stream, (${dropoutKeyOf("headKey", firstKey(base, quad), longest)}) / 4u)` : p;

  const make = ({ blockCount, declarations, main, ...declaration }: MatrixKernel): Kernel =>
    blockKernel(inputs, attributes, {
      ...declaration,
      workgroupSize: [threads],
      enables: matrixExtensions,
      element: "vec4u",
      declarations: wgsl`${blocks.declarations(blockCount)}fn largestOf(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
${declarations}`,
      main: `${blocks.places}\n  ${main}`,
    });

  const keyBlocks = Math.ceil(longest / blockTokens);
  const isOneBlock = keyBlocks === 1;
  const forwardBlocks = Math.max(block.forwardScores + keyBlocks, resultBlocks);
  /** `body` for each block of keys, whose number is b. */
  const overKeys = (body: string) =>
    isOneBlock ? `{ let b = 0u;\n    ${body} }` : `for (var b = 0u; b * ${blockTokens}u < count; b++) {\n    ${body} }`;
  const scoreBlock = (b: string) => `${b} + ${block.forwardScores}u`;
  const scores = range(keyBlocks).flatMap((b) => quads.map((quad) => ({ b, quad, name: `x${b}_${quad}` })));
  const names = scores.map(({ name }) => name);
  /** Fetches the block after b, while the products of b are computed. */
  const fetchNext = (source: Source) => {
    const position = `((b + 1u) * ${blockTokens}u)`;
    return isOneBlock ? "" : `if (${position} < count) { ${fetch([source], position)} }`;
  };

  const forward = wgsl`${declareNext(1)}
  ${fill(query)}
  ${fetch([key], "0u")}
  ${overKeys(wgsl`${storeNext([key])}
    ${barrier}
    ${fetchNext(key)}
    ${blocks.declare("s", scoreColumns)}
    ${products("s", block.query, block.key)}
    ${blocks.store("s", scoreColumns, `(${scoreBlock("b")})`)}
    ${barrier}`)}
  ${fetch([valueForward], "0u")}
  ${stream("mine")}
  ${scores
    .map(({ b, quad, name }) => {
      const score = `${blocks.scoresOf(scoreBlock(`${b}u`), quad)} * ${scale}`;
      return `var ${name} = select(vec4f(-1e30), ${score}, ${sees(`${b * blockTokens}u`, quad, "(mine + row)")});`;
    })
    .join("\n  ")}
  var largest = largestOf(${names.reduce(larger)});
  ${blocks.overRow("largest", larger)}
  ${names.map((name) => `${name} = exp(${name} - largest);`).join(" ")}
  var total = dot(${names.reduce(plus)}, vec4f(1.0));
  ${blocks.overRow("total", plus)}
  let weight = ${weightScale} / total;
  ${barrier}
  ${range(keyBlocks)
    .map((b) => {
      const first = `${b * blockTokens}u`;
      const kept = quads.map((quad) => dropped(`x${b}_${quad} * weight`, first, quad));
      return `if (${first} < count) { ${blocks.storeWeights(scoreBlock(`${b}u`), 0, kept)} }`;
    })
    .join("\n  ")}
  ${blocks.declare("o", headColumns)}
  ${overKeys(wgsl`${storeNext([valueForward])}
    ${barrier}
    ${fetchNext(valueForward)}
    ${sums("o", blocks.ofWeights(scoreBlock("b"), 0, true), block.key)}
    ${barrier}`)}
  ${blocks.store("o", headColumns, "0u")}
  if (part == 0u && mine + row < count) { setLogSum((first + mine + row) * ${heads}u + head, largest + log(total)); }
  ${barrier}
  ${write(0, rowsOf("context", width), unweighted)}`;

  /** From a tile's operands to its weights: kept probabilities, and the gradients of its scores. */
  const weights = ({ queries, keys, moments, inner, rescale }: Tile) => wgsl`${barrier}
    { ${blocks.declare("s", scoreColumns)} ${blocks.declare("dp", scoreColumns)}
    ${products("s", block.query, block.key)}
    ${products("dp", block.gradient, block.value)}
    ${blocks.store("s", scoreColumns, `${block.scores}u`)}
    ${blocks.store("dp", scoreColumns, `${block.products}u`)} }
    ${barrier}
    ${stream(queries)}
    ${moments}
    ${quads
      .map((quad) => {
        const inside = `${sees(keys, quad, `(${queries} + row)`)} & vec4<bool>(${queries} + row < count)`;
        const score = `${blocks.scoresOf(`${block.scores}u`, quad)} * ${scale}`;
        return wgsl`let p${quad} = select(vec4f(), exp(${score} - logSumOf), ${inside});
    let kept${quad} = ${dropped(`p${quad}`, keys, quad)};
    let dKept${quad} = kept${quad} * ${blocks.scoresOf(`${block.products}u`, quad)};`;
      })
      .join("\n    ")}
    ${inner}
    ${quads.map((quad) => `let ds${quad} = (dKept${quad} - p${quad} * inner) * ${scale};`).join(" ")}
    var size = largestOf(max(abs(ds0), abs(ds1)));
    ${blocks.overRow("size", larger)}
    if (part == 0u) { sizes[row] = size; }
    ${barrier}
    var most = 0.0;
    for (var i = 0u; i < ${blockTokens}u; i++) { most = max(most, sizes[i]); }
    let fresh = clamp(${bias + largestExponent - 1 + bias} - i32(bitcast<u32>(most) >> 23u), 1, 253);
    ${rescale}
    ${blocks.storeWeights(
      `${block.scores}u`,
      0,
      quads.map((quad) => `kept${quad} * ${weightScale}`),
    )}
    ${blocks.storeWeights(
      `${block.scores}u`,
      1,
      quads.map((quad) => `ds${quad} * power(exponent)`),
    )}
    ${barrier}`;
  const kept = blocks.ofWeights(`${block.scores}u`, 0, false);
  const dScores = (alongDepth: boolean) => blocks.ofWeights(`${block.scores}u`, 1, alongDepth);
  /** WGSL that adds to the gradients of a tile's queries, keys and values; and how they are written. */
  const of = {
    dq: { add: sums("dq", dScores(true), block.key), rows: inQueries("dQkv"), unscaled: `power(${2 * bias} - exponent)` },
    dk: { add: sums("dk", dScores(false), block.query), rows: inKeys("dQkv"), unscaled: `power(${2 * bias} - exponent)` },
    dv: { add: sums("dv", kept, block.gradient), rows: inValues("dQkv"), unscaled: unweighted },
  } as const;
  type Gradient = keyof typeof of;
  const declared = (gradients: readonly Gradient[]) => gradients.map((name) => blocks.declare(name, headColumns)).join(" ");
  const added = (gradients: readonly Gradient[]) => gradients.map((name) => of[name].add).join("\n    ");
  /** Writes gradients, which take the place of everything else. */
  const finished = (gradients: readonly Gradient[]) => wgsl`${gradients
    .map((name, at) => blocks.store(name, headColumns, `${at * resultBlocks}u`))
    .join("\n    ")}
    ${barrier}
    ${gradients.map((name, at) => write(at * resultBlocks, of[name].rows, of[name].unscaled)).join("\n    ")}`;
  const whole: readonly Gradient[] = ["dq", "dk", "dv"];
  const backward = wgsl`${declareNext(4)}
    ${fill(query, key, value, gradient)}
    ${weights({
      queries: "mine",
      keys: "mine",
      moments: `let logSumOf = logSum(${rowIn("mine")} * ${heads}u + head);`,
      inner: `var inner = dot(dKept0 + dKept1, vec4f(1.0)); ${blocks.overRow("inner", plus)}`,
      rescale: "let exponent = fresh;",
    })}
    ${declared(whole)}
    ${added(whole)}
    ${barrier}
    ${finished(whole)}`;

  /** A walk over the blocks of the other side. The gradients of scores keep one power of two, which only falls; `scaled` is their sum. */
  const walk = (
    { queries, keys }: Pick<Tile, "queries" | "keys">,
    {
      others,
      gradients,
      scaled,
    }: { readonly others: readonly Source[]; readonly gradients: readonly Gradient[]; readonly scaled: Gradient },
  ) => wgsl`${declared(gradients)}
    ${fetch(others, "0u")}
    var exponent = 253;
    for (var base = 0u; base < count; base += ${blockTokens}u) {
    ${storeNext(others)}
    let next = base + ${blockTokens}u;
    if (next < count) {
    ${fetch(others, "next")} }
    ${weights({
      queries,
      keys,
      moments: `let momentsOf = moments(${rowIn(queries)} * ${heads}u + head); let logSumOf = momentsOf.x; let inner = momentsOf.y;`,
      inner: "",
      rescale: wgsl`let shrink = power(min(fresh - exponent, 0) + ${bias});
    exponent = min(exponent, fresh);
    ${blocks.multiplyBy(scaled, headColumns, "shrink")}`,
    })}
    ${added(gradients)}
    ${barrier}
    }
    ${finished(gradients)}`;
  const backwardByWalks = wgsl`${declareNext(2)}
    { ${fill(query, gradient)}
    ${walk({ queries: "mine", keys: "base" }, { others: [key, value], gradients: ["dq"], scaled: "dq" })}
    ${barrier} }
    ${fill(key, value)}
    ${walk({ queries: "base", keys: "mine" }, { others: [query, gradient], gradients: ["dk", "dv"], scaled: "dk" })}`;

  const gradientBlocks = Math.max(backwardBlocks, (isOneBlock ? 3 : 2) * resultBlocks);
  const makeGradient = (declaration: Pick<BlockDeclaration, "reads" | "writes" | "main" | "flopPerScore">): Kernel =>
    make({
      ...declaration,
      label: "attentionGradient",
      blockCount: gradientBlocks,
      declarations: wgsl`var<workgroup> sizes: array<f32, ${blockTokens}>;
// 2 to the power of a number, which is given with the bias of f32's exponents.
fn power(biased: i32) -> f32 { return bitcast<f32>(u32(max(biased, 0)) << 23u); }
`,
    });
  return {
    name: matricesName,
    fits: {
      forward: blocks.bytes(forwardBlocks) <= memory,
      backward: blocks.bytes(gradientBlocks) + blockTokens * 4 <= memory,
    },
    forward: ({ context, logSum }) =>
      make({
        label: "attention",
        writes: { context: [context, "vec4u"], logSum: [logSum, "f32"] },
        main: forward,
        flopPerScore: 4,
        blockCount: forwardBlocks,
        declarations: "",
      }),
    backward: ({ dContext, logSum, dQkv }) =>
      makeGradient({
        reads: { dContext: [dContext, "vec4u"], logSum: [logSum, "f32"] },
        writes: { dQkv: [dQkv, "vec4u"] },
        main: backward,
        flopPerScore: 10,
      }),
    backwardByWalks: ({ dContext, moments, dQkv }) =>
      makeGradient({
        reads: { dContext: [dContext, "vec4u"], moments: [moments, "vec2f"] },
        writes: { dQkv: [dQkv, "vec4u"] },
        main: backwardByWalks,
        flopPerScore: 14,
      }),
  };
}
