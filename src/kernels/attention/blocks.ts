/**
 * Attention, variant "blocks": 32 queries × 32 keys at a time, for GPUs. A workgroup of 8×8 threads takes a sentence, a head and 32 of its
 * tokens; a thread computes 4×4 of a block's scores in registers, so that a vector that it loads takes part in four products. Operands pass
 * through workgroup memory, a part of a head's width at a time, and so do the scores, which the threads need in another order for the
 * products that follow. It fits the 16 KB and the 256 threads of every device.
 *
 * Forward: the online softmax, one block of keys after another. Backward, where no sentence is longer than a block: all gradients of a
 * sentence and head from one pass over its scores, and a query's Σ dP·P is summed on the way. Longer sentences take two walks, one for the
 * gradients of the workgroup's queries and one for those of its keys and values.
 *
 * With a bias by relative position, the biases of a block's distances, or its sums for the bias's table, are in a part of the scores'
 * memory that is free at that time.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { wgsl } from "../../gpu/shader.ts";
import type { Kernel } from "../language/operation.ts";
import { bucketCount } from "../language/relative-bias.ts";
import type { AttentionAttributes } from "./attributes.ts";
import { type BlockTile, blockTile, own, second, side, threads } from "./block-tile.ts";
import { type AttentionBlocks, type AttentionInputs, blockTokens, sumsRow } from "./frame.ts";

/** The kernels for one node's shapes. */
export function attentionBlocks(inputs: AttentionInputs, attributes: AttentionAttributes, capabilities: Capabilities): AttentionBlocks {
  const { starts } = attributes;
  const tile = blockTile(inputs, attributes, capabilities);
  return {
    name: `blocks of ${blockTokens}`,
    fits: { forward: true, backward: starts === null || bucketCount(starts) <= threads },
    forward: (tensors) => forwardPass(tile, attributes, tensors),
    ...backwardPass(tile, attributes),
  };
}

const plus = (a: string, b: string) => `${a} + ${b}`;

/** The forward pass. */
function forwardPass(
  tile: BlockTile,
  { heads }: AttentionAttributes,
  { context, logSum }: Parameters<AttentionBlocks["forward"]>[0],
): Kernel {
  const { parts, isOneBlock, make, sums, streams, overBlocks, products, keysFrom, declareBiases, score, sees, positionOf } = tile;
  const { dropped, overRow, storeByKey, accumulate, store } = tile;
  const { query, key, value } = tile.sources;
  const bias = tile.biasIn(0);
  return make({
    label: "attention",
    declarations: bias?.declarations ?? "",
    writes: { context: [context, "vec4f"], logSum: [logSum, "f32"] },
    main: wgsl`${sums("sum")}
  ${streams("mine")}
  var largest = vec4f(-1e30);
  var total = vec4f();
  ${overBlocks(wgsl`${bias ? `${bias.fetch("mine", "base")} ${bias.keep}` : ""}
    ${products("s", query, "mine", key, "base")}
    ${keysFrom("base")}
    ${declareBiases(bias)}
    ${own.map((i) => `s${i} = select(vec4f(-1e30), ${score(i)}, ${sees(positionOf("mine", i))});`).join("\n    ")}
    scores[x * ${side}u + y] = vec4f(${own.map((i) => `largestOf(s${i})`).join(", ")});
    workgroupBarrier();
    let newLargest = ${overRow("largest", 0, (a, b) => `max(${a}, ${b})`)};
    let shrink = exp(largest - newLargest);
    largest = newLargest;
    ${own.map((i) => `let p${i} = exp(s${i} - largest[${i}]); let kept${i} = ${dropped(`p${i}`, i)};`).join("\n    ")}
    total = total * shrink + vec4f(${own.map((i) => `sumOf(p${i})`).join(", ")});
    ${isOneBlock ? "" : own.flatMap((i) => parts.map((g) => `sum${i}_${g} *= shrink[${i}];`)).join(" ")}
    ${storeByKey("kept", second)}
    ${accumulate("sum", second, value, "base")}`)}
  scores[x * ${side}u + y] = total;
  workgroupBarrier();
  total = ${overRow("vec4f()", 0, plus)};
  ${store("sum", "setContext", tile.targets.context, (sum, i) => `${sum} / total[${i}]`)}
  if (x == 0u) {
    for (var i = 0u; i < ${own.length}u; i++) {
      let position = mine + i * ${side}u + y;
      if (position < count) { setLogSum((first + position) * ${heads}u + head, largest[i] + log(total[i])); }
    }
  }`,
    flopPerScore: 4,
  });
}

/** The backward pass, where a block holds a sentence and where it does not. */
function backwardPass(tile: BlockTile, { heads, longest }: AttentionAttributes): Pick<AttentionBlocks, "backward" | "backwardByWalks"> {
  const { quads, scale, make, sums, streams, overBlocks, products, keysFrom, declareBiases, score, sees, positionOf, rowOf } = tile;
  const { dropped, overRow, storeByKey, storeByQuery, accumulate, store } = tile;
  const { query, key, value, gradient } = tile.sources;
  const { queries, keys, values } = tile.targets;
  const bias = tile.biasIn(second);

  /** Declares p, kept and ds, the block's probabilities, those after dropout, and the gradients of its scores, from `s` and `dp`. */
  const probabilities = (queries: string) =>
    own
      .map((i) => {
        const inside = `${sees(positionOf(queries, i))} & vec4<bool>(${positionOf(queries, i)} < count)`;
        return wgsl`let p${i} = select(vec4f(), exp(${score(i)} - logSums[${i}]), ${inside});
    let kept${i} = ${dropped(`p${i}`, i)};`;
      })
      .join("\n    ");
  const scoreGradients = own.map((i) => `let ds${i} = (kept${i} * dp${i} - p${i} * inner[${i}]) * ${scale};`).join("\n    ");

  /** What the backward pass has for the bias's table besides its sums. */
  const ofTable = {
    declarations: bias ? bias.declarations + bias.gradient.declarations : "",
    beyond: bias ? bias.gradient.storeZero(sumsRow(longest)) : "",
  };
  /** Adds the gradients of a block's scores, which are in memory by key, to the sums for the table. */
  const addToTable = (key: string) =>
    bias === null
      ? ""
      : wgsl`${bias.gradient.sumDistances((key, query) => `scores[${key} * ${side}u + ${query} % ${side}u][${query} / ${side}u]`, "key")}
    workgroupBarrier();
    ${bias.gradient.add("mine", key)}`;
  /** The biases aren't scaled as products are. */
  const storeTable = bias?.gradient.store(sumsRow(longest), Math.sqrt(quads * 4)) ?? "";

  return {
    backward: ({ dContext, logSum, dQkv, sums: tableSums }) =>
      make({
        ...ofTable,
        label: "attentionGradient",
        reads: { dContext: [dContext, "vec4f"], logSum: [logSum, "f32"] },
        writes: { dQkv: [dQkv, "vec4f"], sums: tableSums && [tableSums, "f32"] },
        main: wgsl`${streams("mine")}
  let logSums = vec4f(${own.map((i) => `logSum(${rowOf("mine", i)} * ${heads}u + head)`).join(", ")});
  ${bias?.fetch("mine", "mine") ?? ""}
  ${products("s", query, "mine", key, "mine")}
  ${bias?.keep ?? ""}
  ${products("dp", gradient, "mine", value, "mine")}
  ${keysFrom("mine")}
  ${declareBiases(bias)}
  ${probabilities("mine")}
  scores[${second}u + x * ${side}u + y] = vec4f(${own.map((i) => `dot(kept${i}, dp${i})`).join(", ")});
  workgroupBarrier();
  let inner = ${overRow("vec4f()", second, plus)};
  ${scoreGradients}
  ${storeByKey("ds", 0)}
  ${sums("dq")}
  ${accumulate("dq", 0, key, "mine")}
  ${store("dq", "setDQkv", queries)}
  ${bias ? `${bias.gradient.declare}\n  ${addToTable("mine")}\n  ${storeTable}\n  workgroupBarrier();` : ""}
  ${storeByQuery("ds", second)}
  workgroupBarrier();
  ${storeByQuery("kept", 0)}
  ${sums("dk")}
  ${accumulate("dk", second, query, "mine")}
  ${store("dk", "setDQkv", keys)}
  workgroupBarrier();
  ${sums("dv")}
  ${accumulate("dv", 0, gradient, "mine")}
  ${store("dv", "setDQkv", values)}`,
        flopPerScore: 10,
      }),
    backwardByWalks: ({ dContext, moments, dQkv, sums: tableSums }) => {
      const momentsOf = (
        queries: string,
      ) => wgsl`${own.map((i) => `let moments${i} = moments(${rowOf(queries, i)} * ${heads}u + head);`).join(" ")}
    let logSums = vec4f(${own.map((i) => `moments${i}.x`).join(", ")});
    let inner = vec4f(${own.map((i) => `moments${i}.y`).join(", ")});`;
      return make({
        ...ofTable,
        label: "attentionGradient",
        reads: { dContext: [dContext, "vec4f"], moments: [moments, "vec2f"] },
        writes: { dQkv: [dQkv, "vec4f"], sums: tableSums && [tableSums, "f32"] },
        main: wgsl`{ ${sums("dq")}
  ${bias?.gradient.declare ?? ""}
  ${streams("mine")}
  ${momentsOf("mine")}
  ${overBlocks(wgsl`${bias?.fetch("mine", "base") ?? ""}
    ${products("s", query, "mine", key, "base")}
    ${bias?.keep ?? ""}
    ${products("dp", gradient, "mine", value, "base")}
    ${keysFrom("base")}
    ${declareBiases(bias)}
    ${probabilities("mine")}
    ${scoreGradients}
    ${storeByKey("ds", 0)}
    workgroupBarrier();
    ${accumulate("dq", 0, key, "base")}
    ${addToTable("base")}`)}
  ${store("dq", "setDQkv", queries)}
  ${storeTable} }
  ${sums("dk")}
  ${sums("dv")}
  ${keysFrom("mine")}
  ${overBlocks(wgsl`${streams("base")}
    ${momentsOf("base")}
    ${bias?.fetch("base", "mine") ?? ""}
    ${products("s", query, "base", key, "mine")}
    ${bias?.keep ?? ""}
    ${products("dp", gradient, "base", value, "mine")}
    ${declareBiases(bias)}
    ${probabilities("base")}
    ${scoreGradients}
    ${bias ? "workgroupBarrier();" : ""}
    ${storeByQuery("ds", second)}
    ${storeByQuery("kept", 0)}
    workgroupBarrier();
    ${accumulate("dk", second, query, "base")}
    workgroupBarrier();
    ${accumulate("dv", 0, gradient, "base")}`)}
  ${store("dk", "setDQkv", keys)}
  ${store("dv", "setDQkv", values)}`,
        flopPerScore: 14,
      });
    },
  };
}
