/**
 * Tensors stored as halves: every operation on them gives the same as on f32, except for the rounding of stored values. On a device without
 * `shader-f16`, as in the core project, halves are packed in words.
 */
import { describe, expect, it } from "vitest";
import { gradient } from "../../src/autograd/gradient.ts";
import { ShapeError } from "../../src/errors.ts";
import { attention } from "../../src/kernels/attention.ts";
import { cast } from "../../src/kernels/cast.ts";
import { concat } from "../../src/kernels/concat.ts";
import { dropout } from "../../src/kernels/dropout.ts";
import { gated } from "../../src/kernels/gated.ts";
import { gatherRows } from "../../src/kernels/gather-rows.ts";
import { elementCount, type FloatType, float, floatOf, u32, type Value } from "../../src/kernels/language/operation.ts";
import { layerNorm, residualLayerNorm } from "../../src/kernels/layer-norm.ts";
import { lowRank } from "../../src/kernels/low-rank.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { scale } from "../../src/kernels/pointwise/operation.ts";
import { gelu, mul, relu, sigmoid, weightedSum } from "../../src/kernels/pointwise/pointwise.ts";
import { pool } from "../../src/kernels/pool.ts";
import { rmsNorm } from "../../src/kernels/rms-norm.ts";
import { rotary } from "../../src/kernels/rotary.ts";
import { slice } from "../../src/kernels/slice.ts";
import { spreadHeads } from "../../src/kernels/spread-heads.ts";
import { sum } from "../../src/kernels/sum.ts";
import { openTestDevice } from "../device.ts";
import { expectClose } from "./close.ts";
import { normals } from "./data.ts";
import { batchInputs, batchStep, packedBatch } from "./packed-batch.ts";
import { build, execute, tensor } from "./run.ts";
import { matmulVariants } from "./variants.ts";

const device = await openTestDevice();

const batch = packedBatch([7, 31, 1, 18].map((length) => ({ length })));
const width = 24;
const rows = batch.rows;
const capacity = { tokens: rows, sentences: batch.lengths.length, longest: 32 };
const { inputs, live } = batchStep(batch);
/** All rows are live, in their order. */
const step = { inputs: { ...inputs, numbers: Uint32Array.from({ length: rows }, (_, row) => row) }, live, seed: 3, step: 5 };

interface Inputs {
  readonly x: Value;
  readonly other: Value;
  /** Columns of both. */
  readonly qkv: Value;
  readonly weight: Value;
  readonly vector: Value;
  readonly batch: ReturnType<typeof batchInputs>;
}

/** What is computed of x [57, 24], another such matrix, both side by side, a weight [24, 24] and a vector [24]. */
const operations: Record<string, (inputs: Inputs) => Value> = {
  "matmul nt with bias": ({ x, weight, vector }) => matmul(x, weight, "nt", { bias: vector }),
  "matmul nn": ({ x, weight }) => matmul(x, weight, "nn"),
  "matmul tn": ({ x, other }) => matmul(x, other, "tn"),
  // As a masked language model's logits: f32, and of any number, which on the way back meet rows of halves.
  "matmul nt to 57 columns": ({ x, other }) => matmul(x, other, "nt", { dtype: "f32" }),
  "matmul and relu": ({ x, weight, vector }) => relu(matmul(x, weight, "nt", { bias: vector })),
  "matmul and gelu": ({ x, weight, vector }) => gelu(matmul(x, weight, "nt", { bias: vector })),
  lowRank: ({ x, other, weight }) => lowRank(x, cast(other, "f32"), slice(cast(weight, "f32"), 1, 0, 8), { blocks: [0, 1, 2], scale: 2 }),
  gelu: ({ x }) => gelu(x),
  layerNorm: ({ x, vector, batch }) => layerNorm(x, vector, vector, 1e-5, { dropout: 0.2, tokens: batch.tokens }),
  residualLayerNorm: ({ x, other, vector, batch }) =>
    residualLayerNorm(x, other, vector, vector, { epsilon: 1e-5, dropout: 0.2, tokens: batch.tokens }),
  rmsNorm: ({ x, vector }) => rmsNorm(x, vector, 1e-5),
  attention: ({ qkv, batch }) => attention(qkv, batch, { heads: 6, dropout: 0.1 }),
  "attention in a window, with a bias": ({ qkv, weight, batch }) => {
    const bias = { table: slice(slice(cast(weight, "f32"), 0, 0, 6), 1, 0, 6), starts: [0, 1, 5] };
    return attention(qkv, batch, { heads: 6, dropout: 0.1, window: 9, bias });
  },
  "attention with heads that four does not divide": ({ qkv, batch }) => attention(qkv, batch, { heads: 4, dropout: 0.1 }),
  rotary: ({ x, batch }) => rotary(x, batch.tokens, { heads: 1, theta: 10_000 }),
  spreadHeads: ({ x, other }) => spreadHeads(x, other, { heads: 6, groups: 3 }),
  gated: ({ x }) => gated(x, "gelu"),
  dropout: ({ x, batch }) => dropout(x, 0.3, { tokens: batch.tokens }),
  "pool first": ({ x, batch }) => pool(x, batch, "first"),
  "pool mean": ({ x, batch }) => pool(x, batch, "mean"),
  weightedSum: ({ x, other }) => weightedSum(x, other, 0.5, 0.25),
  scale: ({ x }) => scale(x, 3),
  sigmoid: ({ x }) => sigmoid(x),
  "mul by a vector": ({ x, vector }) => mul(x, cast(vector, floatOf(x))),
  "mul by a column": ({ x, other }) => mul(x, sum(other, 1, { keepDims: true })),
  "sum over rows": ({ x }) => sum(x, 0),
};

const held = Object.fromEntries(
  (
    [
      ["x", [rows, width]],
      ["other", [rows, width]],
      ["weight", [width, width]],
      ["vector", [width]],
    ] as const
  ).map(([name, shape], i) => [
    name,
    tensor(
      device,
      [...shape],
      normals(elementCount(shape), 200 + i).map((v) => Math.round(v * 256) / 256),
      name,
    ),
  ]),
);

/** The operation's value and its gradients, computed with tensors stored as `dtype` and read as f32. */
async function results(operation: (typeof operations)[string], dtype: FloatType, variant: ReturnType<typeof matmulVariants>[number]) {
  const program = await build(
    device,
    (tape) => {
      const batch = batchInputs(tape, capacity);
      const numbers = tape.input("numbers", u32(tape.extent("tokens", capacity.tokens)));
      const rowsOf = (name: string) => cast(gatherRows(held[name]!, numbers), dtype);
      const [x, other] = [rowsOf("x"), rowsOf("other")];
      const inputs: Inputs = {
        x,
        other,
        qkv: concat([x, other, x], 1),
        weight: cast(tape.use(held.weight!), dtype),
        vector: tape.use(held.vector!),
        batch,
      };
      const y = operation(inputs);
      const outputs: Record<string, Value> = { y: cast(y, "f32") };
      const targets = ["x", "other", "weight", "vector"];
      gradient(
        tape,
        sum(cast(y, "f32")),
        targets.map((name) => held[name]!),
      ).forEach((value, i) => {
        if (value !== null) outputs[`d${targets[i]}`] = value;
      });
      return outputs;
    },
    variant.capabilities,
    variant.choose,
  );
  const outputs = await execute(program, step);
  program.close();
  return outputs;
}

const variants = matmulVariants(device);
/** Operations without a product need no more than one of its variants. */
const cases = Object.entries(operations).flatMap(([name, operation]) =>
  (name.startsWith("matmul") ? variants : variants.slice(-1)).map((variant) => ({ name, operation, variant, product: variant.name })),
);

describe("stored as halves", () => {
  it.each(cases)("$name, with products in $product, is what it is on f32", async ({ operation, variant }) => {
    const single = await results(operation, "f32", variant);
    const half = await results(operation, "f16", variant);
    for (const [name, expected] of Object.entries(single)) {
      // f16 has 13 bits less: a few roundings of values and of their operands.
      expectClose(half[name]!, expected, { c: 8 * 2 ** 13 });
    }
  });
});

it.skipIf(device.capabilities.features.has("shader-f16"))("are refused by name in rows that words do not divide into", async () => {
  const tripled = build(device, (tape) => ({ y: scale(tape.input("x", float("f16", 4, 3)), 3) }));
  await expect(tripled).rejects.toThrow(ShapeError);
  await expect(tripled).rejects.toThrow("scale: x is stored as f16 and used one number at a time");
});
