/**
 * Attention, variant "matrix units": f16 products on the device's matrix units, for sentences of at most 128 tokens. Scores, the softmax
 * and all sums are f32. A workgroup takes a sentence, a head and 32 of its queries (`matrix-blocks.ts`).
 *
 * Forward, the scores of all keys are in workgroup memory at once, so that one softmax is enough and few barriers are needed. Backward,
 * where no sentence is longer than a block of 32, one pass over its scores gives all gradients, and a query's Σ dP·P is summed on the way.
 * Longer sentences take two walks over blocks, one for the gradients of the workgroup's queries and one for those of its keys and values.
 * Rows past a sentence's end are zeros, not the next sentence.
 *
 * With a bias by relative position, the biases are in workgroup memory by distance: forward all of them in the queries' place, when these
 * are done with; backward those of a tile in 252 bytes of their own, which then have the tile's sums for the table. What these are sums of,
 * in f32, takes the place of the products of gradients and values.
 *
 * f16 has a small range. Probabilities are stored times 64, so that small ones stay normal numbers, and divided by 1 − p of dropout only
 * in the result. The gradients of scores are stored times the power of two that brings the largest of a block just below 2¹⁵.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { range, wgsl } from "../../gpu/shader.ts";
import { matrixUnits } from "../language/matrix-units.ts";
import type { Kernel } from "../language/operation.ts";
import { bucketCount, tileBias } from "../language/relative-bias.ts";
import { needsWindows } from "../language/windows.ts";
import type { AttentionAttributes } from "./attributes.ts";
import {
  type AttentionBlocks,
  type AttentionGradients,
  type AttentionInputs,
  type BlockDeclaration,
  blocksOf,
  blockTokens,
  sumsRow,
} from "./frame.ts";
import { suitsBlocks } from "./matrix-blocks.ts";
import { backwardBlocks, barrier, block, type MatrixTile, matrixTile, type Source } from "./matrix-tile.ts";

/** The variant's name. */
export const matricesName = `matrix units, blocks of ${blockTokens}`;

/** The longest sentence. */
const longestTokens = 128;

/** The power of two below which the gradients of scores are stored as f16, and the bias of f32's exponents. */
const largestExponent = 15;
const exponentBias = 127;

/** The variant for one node's shapes, if the device has matrix units that suit them. */
export function attentionMatrices(
  inputs: AttentionInputs,
  attributes: AttentionAttributes,
  capabilities: Capabilities,
): AttentionBlocks | null {
  const { qkv } = inputs;
  const { heads, starts, longest } = attributes;
  const { maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize: memory } = capabilities.limits;
  const units = matrixUnits(capabilities);
  const headSize = (qkv.shape[1] as number) / 3 / heads;
  const suits =
    units !== null &&
    suitsBlocks(units, headSize) &&
    qkv.dtype === "f16" &&
    longest <= longestTokens &&
    !needsWindows(qkv, maxStorageBufferBindingSize);
  if (!suits) return null;
  const tile = matrixTile(inputs, attributes, units, headSize);
  const [forward, backward] = [forwardPass(tile, attributes), backwardPass(tile, attributes)];
  const bytesOfSizes = blockTokens * 4;
  const bytesOfDistances = starts ? tileDistances * 4 : 0;
  return {
    name: matricesName,
    fits: {
      forward: tile.blocks.bytes(forward.blockCount) <= memory,
      backward:
        tile.blocks.bytes(backward.blockCount) + bytesOfSizes + bytesOfDistances <= memory &&
        (starts === null || bucketCount(starts) <= tile.blocks.threads),
    },
    forward: forward.kernel,
    backward: backward.kernel,
    backwardByWalks: backward.kernelByWalks,
  };
}

/** Distances from the queries of a tile to its keys. */
const tileDistances = 2 * blockTokens - 1;

const larger = (a: string, b: string) => `max(${a}, ${b})`;
const plus = (a: string, b: string) => `${a} + ${b}`;

/** The forward pass. */
function forwardPass(tile: MatrixTile, { heads, longest, starts }: AttentionAttributes) {
  const { blocks, weightScale } = tile;
  const { headColumns, scoreColumns, resultBlocks } = blocks;
  const { query, key } = tile.sources;
  // The keys are done with when the values come.
  const value: Source = { ...tile.sources.value, to: key.to };
  const keyBlocks = blocksOf(longest);
  const isOneBlock = keyBlocks === 1;
  /** `body` for each block of keys, whose number is b. */
  const overKeys = (body: string) =>
    isOneBlock ? `{ let b = 0u;\n    ${body} }` : `for (var b = 0u; b * ${blockTokens}u < count; b++) {\n    ${body} }`;
  const scoreBlock = (b: string) => `${b} + ${block.forwardScores}u`;
  const scores = range(keyBlocks).flatMap((b) => blocks.quads.map((quad) => ({ b, quad, name: `x${b}_${quad}` })));
  const names = scores.map(({ name }) => name);
  // The queries are done with when all scores are there. Their place has the biases of all distances.
  const bias =
    starts &&
    tileBias(
      { starts, heads, threads: blocks.threads },
      { queries: blockTokens, keys: keyBlocks * blockTokens, memory: blocks.numbersOf(block.query) },
    );
  /** Fetches the block after b, while the products of b are computed. */
  const fetchNext = (source: Source) => {
    const position = `((b + 1u) * ${blockTokens}u)`;
    return isOneBlock ? "" : `if (${position} < count) { ${tile.fetch([source], position)} }`;
  };

  const main = wgsl`${tile.declareNext(1)}
  ${tile.fill(query)}
  ${tile.fetch([key], "0u")}
  ${bias?.fetch("mine", "0u") ?? ""}
  ${overKeys(wgsl`${tile.storeNext([key])}
    ${barrier}
    ${fetchNext(key)}
    ${blocks.declare("s", scoreColumns)}
    ${tile.products("s", block.query, block.key)}
    ${blocks.store("s", scoreColumns, `(${scoreBlock("b")})`)}
    ${barrier}`)}
  ${tile.fetch([value], "0u")}
  ${tile.stream("mine")}
  ${bias ? `${bias.keep}\n  ${barrier}` : ""}
  ${scores
    .map(({ b, quad, name }) => {
      const score = tile.score(scoreBlock(`${b}u`), quad, bias, b * blockTokens);
      return `var ${name} = select(vec4f(-1e30), ${score}, ${tile.sees(`${b * blockTokens}u`, quad, "(mine + row)")});`;
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
      const kept = blocks.quads.map((quad) => tile.dropped(`x${b}_${quad} * weight`, first, quad));
      return `if (${first} < count) { ${blocks.storeWeights(scoreBlock(`${b}u`), 0, kept)} }`;
    })
    .join("\n  ")}
  ${blocks.declare("o", headColumns)}
  ${overKeys(wgsl`${tile.storeNext([value])}
    ${barrier}
    ${fetchNext(value)}
    ${tile.sums("o", blocks.ofWeights(scoreBlock("b"), 0, true), block.key)}
    ${barrier}`)}
  ${blocks.store("o", headColumns, "0u")}
  if (firstColumn == 0u && mine + row < count) { setLogSum((first + mine + row) * ${heads}u + head, largest + log(total)); }
  ${barrier}
  ${tile.write(0, tile.targets.context, `${1 / weightScale}`)}`;

  const blockCount = Math.max(block.forwardScores + keyBlocks, resultBlocks);
  return {
    blockCount,
    kernel: ({ context, logSum }: Parameters<AttentionBlocks["forward"]>[0]): Kernel =>
      tile.make({
        label: "attention",
        writes: { context: [context, "vec4u"], logSum: [logSum, "f32"] },
        main,
        flopPerScore: 4,
        blockCount,
        declarations: bias?.declarations ?? "",
      }),
  };
}

/** A tile of the backward pass. */
interface TileWeights {
  /** Positions of its first query and key. */
  readonly queries: string;
  readonly keys: string;
  /** WGSL that declares `logSumOf`, a query's log Σ exp(score). */
  readonly moments: string;
  /** WGSL that declares `inner`, a query's Σ dP·P, unless that did. */
  readonly inner: string;
  /** WGSL that declares or changes `exponent`, with f32's bias that of the power of two for the gradients of scores; `fresh` suits this tile. */
  readonly rescale: string;
  /** Whether its gradients are for the bias's table. */
  readonly isForTable: boolean;
}

/** The backward pass, where a block holds a sentence and where it does not. */
function backwardPass(tile: MatrixTile, { heads, longest, starts }: AttentionAttributes) {
  const { blocks, scale, weightScale } = tile;
  const { headColumns, scoreColumns, resultBlocks } = blocks;
  const { query, key, value, gradient } = tile.sources;

  /** The biases of a tile's distances, and then its sums for the table, have memory of their own. */
  const bias =
    starts &&
    tileBias(
      { starts, heads, threads: blocks.threads },
      {
        queries: blockTokens,
        keys: blockTokens,
        memory: { read: (at) => `distances[${at}]`, write: (at, sum) => `distances[${at}] = ${sum};` },
      },
    );
  /** Sums of a tile's gradients by distance, which `weights` left in the place of its products. */
  const sumDistances = bias?.gradient.sumDistances((key, query) => blocks.scoreOf(`${block.products}u`, query, key), "query") ?? "";
  /** The biases aren't scaled as products are. */
  const storeTable = bias?.gradient.store(sumsRow(longest), 1 / Number(scale)) ?? "";

  /** From a tile's operands to its weights: kept probabilities, and the gradients of its scores. */
  const weights = ({ queries, keys, moments, inner, rescale, isForTable }: TileWeights) => wgsl`${bias?.fetch(queries, keys) ?? ""}
    ${barrier}
    { ${blocks.declare("s", scoreColumns)} ${blocks.declare("dp", scoreColumns)}
    ${tile.products("s", block.query, block.key)}
    ${tile.products("dp", block.gradient, block.value)}
    ${blocks.store("s", scoreColumns, `${block.scores}u`)}
    ${blocks.store("dp", scoreColumns, `${block.products}u`)} }
    ${bias?.keep ?? ""}
    ${barrier}
    ${tile.stream(queries)}
    ${moments}
    ${blocks.quads
      .map((quad) => {
        const inside = `${tile.sees(keys, quad, `(${queries} + row)`)} & vec4<bool>(${queries} + row < count)`;
        const score = tile.score(`${block.scores}u`, quad, bias);
        return wgsl`let p${quad} = select(vec4f(), exp(${score} - logSumOf), ${inside});
    let kept${quad} = ${tile.dropped(`p${quad}`, keys, quad)};
    let dKept${quad} = kept${quad} * ${blocks.scoresOf(`${block.products}u`, quad)};`;
      })
      .join("\n    ")}
    ${inner}
    ${blocks.quads.map((quad) => `let ds${quad} = (dKept${quad} - p${quad} * inner) * ${scale};`).join(" ")}
    ${bias && isForTable ? blocks.quads.map((quad) => blocks.storeScores(`${block.products}u`, quad, `ds${quad}`)).join(" ") : ""}
    var size = largestOf(${blocks.quads.map((quad) => `abs(ds${quad})`).reduce(larger)});
    ${blocks.overRow("size", larger)}
    if (firstColumn == 0u) { sizes[row] = size; }
    ${barrier}
    var most = 0.0;
    for (var i = 0u; i < ${blockTokens}u; i++) { most = max(most, sizes[i]); }
    let fresh = clamp(${exponentBias + largestExponent - 1 + exponentBias} - i32(bitcast<u32>(most) >> 23u), 1, 253);
    ${rescale}
    ${blocks.storeWeights(
      `${block.scores}u`,
      0,
      blocks.quads.map((quad) => `kept${quad} * ${weightScale}`),
    )}
    ${blocks.storeWeights(
      `${block.scores}u`,
      1,
      blocks.quads.map((quad) => `ds${quad} * power(exponent)`),
    )}
    ${barrier}`;
  const kept = blocks.ofWeights(`${block.scores}u`, 0, false);
  const dScores = (alongDepth: boolean) => blocks.ofWeights(`${block.scores}u`, 1, alongDepth);
  /** WGSL that adds to the gradients of a tile's queries, keys and values; and how they are written. */
  const of = {
    dq: { add: tile.sums("dq", dScores(true), block.key), rows: tile.targets.queries, unscaled: `power(${2 * exponentBias} - exponent)` },
    dk: { add: tile.sums("dk", dScores(false), block.query), rows: tile.targets.keys, unscaled: `power(${2 * exponentBias} - exponent)` },
    dv: { add: tile.sums("dv", kept, block.gradient), rows: tile.targets.values, unscaled: `${1 / weightScale}` },
  } as const;
  type Gradient = keyof typeof of;
  const declared = (gradients: readonly Gradient[]) => gradients.map((name) => blocks.declare(name, headColumns)).join(" ");
  const added = (gradients: readonly Gradient[]) => gradients.map((name) => of[name].add).join("\n    ");
  /** Writes gradients, which take the place of everything else. */
  const finished = (gradients: readonly Gradient[]) => wgsl`${gradients
    .map((name, at) => blocks.store(name, headColumns, `${at * resultBlocks}u`))
    .join("\n    ")}
    ${barrier}
    ${gradients.map((name, at) => tile.write(at * resultBlocks, of[name].rows, of[name].unscaled)).join("\n    ")}`;
  const whole: readonly Gradient[] = ["dq", "dk", "dv"];
  const main = wgsl`${tile.declareNext(4)}
    ${tile.fill(query, key, value, gradient)}
    ${weights({
      queries: "mine",
      keys: "mine",
      moments: `let logSumOf = logSum(${tile.rowIn("mine")} * ${heads}u + head);`,
      inner: `var inner = dot(${blocks.quads.map((quad) => `dKept${quad}`).reduce(plus)}, vec4f(1.0)); ${blocks.overRow("inner", plus)}`,
      rescale: "let exponent = fresh;",
      isForTable: true,
    })}
    ${sumDistances}
    ${declared(whole)}
    ${added(whole)}
    ${barrier}
    ${bias ? `${bias.gradient.declare}\n    ${bias.gradient.add("mine", "mine")}\n    ${storeTable}` : ""}
    ${finished(whole)}`;

  /** A walk over the blocks of the other side. The gradients of scores keep one power of two, which only falls; `scaled` is their sum. */
  const walk = (
    { queries, keys }: Pick<TileWeights, "queries" | "keys">,
    {
      others,
      gradients,
      scaled,
      isForTable,
    }: {
      readonly others: readonly Source[];
      readonly gradients: readonly Gradient[];
      readonly scaled: Gradient;
      readonly isForTable: boolean;
    },
  ) => wgsl`${declared(gradients)}
    ${tile.fetch(others, "0u")}
    var exponent = 253;
    for (var base = 0u; base < count; base += ${blockTokens}u) {
    ${tile.storeNext(others)}
    let next = base + ${blockTokens}u;
    if (next < count) {
    ${tile.fetch(others, "next")} }
    ${weights({
      queries,
      keys,
      moments: `let momentsOf = moments(${tile.rowIn(queries)} * ${heads}u + head); let logSumOf = momentsOf.x; let inner = momentsOf.y;`,
      inner: "",
      rescale: wgsl`let shrink = power(min(fresh - exponent, 0) + ${exponentBias});
    exponent = min(exponent, fresh);
    ${blocks.multiplyBy(scaled, headColumns, "shrink")}`,
      isForTable,
    })}
    ${isForTable ? sumDistances : ""}
    ${added(gradients)}
    ${barrier}
    ${isForTable ? (bias?.gradient.add(queries, keys) ?? "") : ""}
    }
    ${isForTable ? storeTable : ""}
    ${finished(gradients)}`;
  const byWalks = wgsl`${tile.declareNext(2)}
    { ${tile.fill(query, gradient)}
    ${bias?.gradient.declare ?? ""}
    ${walk({ queries: "mine", keys: "base" }, { others: [key, value], gradients: ["dq"], scaled: "dq", isForTable: true })}
    ${barrier} }
    ${tile.fill(key, value)}
    ${walk({ queries: "base", keys: "mine" }, { others: [query, gradient], gradients: ["dk", "dv"], scaled: "dk", isForTable: false })}`;

  const blockCount = Math.max(backwardBlocks, (longest <= blockTokens ? 3 : 2) * resultBlocks);
  const make = ({ dQkv, sums, ...declaration }: Pick<BlockDeclaration, "reads" | "main" | "flopPerScore"> & AttentionGradients): Kernel =>
    tile.make({
      ...declaration,
      writes: { dQkv: [dQkv, "vec4u"], sums: sums && [sums, "f32"] },
      beyond: bias?.gradient.storeZero(sumsRow(longest)) ?? "",
      label: "attentionGradient",
      blockCount,
      declarations: wgsl`var<workgroup> sizes: array<f32, ${blockTokens}>;
// 2 to the power of a number, which is given with the bias of f32's exponents.
fn power(biased: i32) -> f32 { return bitcast<f32>(u32(max(biased, 0)) << 23u); }
${bias ? `var<workgroup> distances: array<f32, ${tileDistances}>;${bias.declarations}${bias.gradient.declarations}` : ""}`,
    });
  return {
    blockCount,
    kernel: ({ dContext, logSum, ...gradients }: Parameters<AttentionBlocks["backward"]>[0]): Kernel =>
      make({
        ...gradients,
        reads: { dContext: [dContext, "vec4u"], logSum: [logSum, "f32"] },
        main,
        flopPerScore: 10,
      }),
    kernelByWalks: ({ dContext, moments, ...gradients }: Parameters<AttentionBlocks["backwardByWalks"]>[0]): Kernel =>
      make({
        ...gradients,
        reads: { dContext: [dContext, "vec4u"], moments: [moments, "vec2f"] },
        main: byWalks,
        flopPerScore: 14,
      }),
  };
}
