/** Attention on matrix units, emulated: what it computes equals the float64 reference for each of a batch's sentences on its own. */
import { expect, it } from "vitest";
import type { Choose } from "../../../src/autograd/plan.ts";
import { fromHalves, toHalves } from "../../../src/float16.ts";
import type { Capabilities } from "../../../src/gpu/capabilities.ts";
import { attention } from "../../../src/kernels/attention.ts";
import { cast } from "../../../src/kernels/cast.ts";
import { float } from "../../../src/kernels/language/operation.ts";
import { openTestDevice } from "../../device.ts";
import * as reference from "../../reference/attention.ts";
import { normals } from "../data.ts";
import { emulatedLowering, lanes } from "../emulated-matrices.ts";
import { batchInputs, batchStep, type PackedBatch, packedBatch } from "../packed-batch.ts";
import { adjoint, build, execute } from "../run.ts";

const device = await openTestDevice();
const { features, limits, subgroupSize } = device.capabilities;
/** Emulating needs halves, and subgroups in which the four threads of a row can shuffle. */
const emulates = features.has("shader-f16") && subgroupSize !== null && subgroupSize >= 4;

const matrix = { componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 };
const capabilities: Capabilities = {
  ...device.capabilities,
  software: false,
  subgroupSize: lanes,
  subgroupMatrices: [matrix],
  limits: { ...limits, maxComputeWorkgroupStorageSize: 32 * 1024 },
};

const emulate: Choose = ({ operation }, variants) => {
  if (!operation.name.startsWith("attention")) return undefined;
  const { name, lower } = variants.find((variant) => variant.name.startsWith("matrix units"))!;
  return { name, lower: () => emulatedLowering(lower(), matrix) };
};

interface Case {
  readonly heads: number;
  readonly headSize: number;
  readonly probability: number;
  readonly lengths: readonly number[];
  readonly longest: number;
  readonly window?: number;
}

const cases: readonly Case[] = [
  { heads: 2, headSize: 64, probability: 0.1, lengths: [31, 1, 32, 2], longest: 32 },
  { heads: 3, headSize: 32, probability: 0, lengths: [1, 100, 33, 2, 128, 32], longest: 128 },
];
const random = { seed: 13, step: 4 };

/** Numbers that f16 holds. */
const rounded = (numbers: Float32Array) => fromHalves(toHalves(numbers));

/** The rows of one sentence of a batch. */
function rowsOf<T extends Float32Array | Uint32Array>(values: T, batch: PackedBatch, sentence: number, width: number): T {
  const start = batch.sentences[2 * sentence]!;
  return values.subarray(start * width, (start + batch.lengths[sentence]!) * width) as T;
}

/** Expects results within two roundings to f16, of the weights and of the result, of the largest number. */
function expectHalves(found: Float32Array, expected: Float64Array): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = expected.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - found[i]!) || (Number.isNaN(found[i]) ? Infinity : 0)),
    0,
  );
  expect(worst).toBeLessThanOrEqual(largest * 2 ** -10);
}

it.skipIf(!emulates).each(cases)(
  "equals the float64 reference for $heads heads of $headSize, sentences of $lengths tokens and dropout $probability",
  async ({ heads, headSize, probability, lengths, longest, window }) => {
    const hidden = heads * headSize;
    const batch = packedBatch(lengths.map((length, i) => ({ length, logical: i + 3 })));
    const program = await build(
      device,
      (tape) => {
        // The batch's end is empty.
        const inputs = batchInputs(tape, { tokens: batch.rows + 40, sentences: lengths.length + 2, longest });
        const qkv = tape.input("qkv", float("f16", tape.extent("tokens", batch.rows + 40), 3 * hidden));
        const y = attention(qkv, inputs, { heads, dropout: probability, ...(window ? { window } : {}) });
        const [dQkv] = adjoint(y, tape.input("dy", y));
        return { y: cast(y, "f32"), dQkv: cast(dQkv!, "f32") };
      },
      capabilities,
      emulate,
    );
    const qkv = rounded(normals(batch.rows * 3 * hidden, 67));
    const dy = rounded(normals(batch.rows * hidden, 68));
    const step = batchStep(batch);
    const inputs = { ...step.inputs, qkv: toHalves(qkv), dy: toHalves(dy) };
    const { y, dQkv } = await execute(program, { ...step, inputs, ...random });
    lengths.forEach((_, sentence) => {
      const mask = reference.attentionMask({ ...random, site: 0, probability }, rowsOf(batch.keys, batch, sentence, 1), heads);
      const own = Float64Array.from(rowsOf(qkv, batch, sentence, 3 * hidden));
      const options = { heads, headSize, mask, window };
      expectHalves(rowsOf(y!, batch, sentence, hidden), reference.attention(own, options));
      const expected = reference.attentionGradient(own, rowsOf(dy, batch, sentence, hidden), options);
      expectHalves(rowsOf(dQkv!, batch, sentence, 3 * hidden), expected);
    });
    program.close();
  },
);
