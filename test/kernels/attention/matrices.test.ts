/**
 * Attention on matrix units, emulated where the device has none: what it computes equals the float64 reference for each of a batch's
 * sentences on its own.
 */
import { expect, it } from "vitest";
import type { Choose } from "../../../src/autograd/plan.ts";
import { fromHalves, toHalves } from "../../../src/float16.ts";
import type { Capabilities } from "../../../src/gpu/capabilities.ts";
import { attention } from "../../../src/kernels/attention.ts";
import { cast } from "../../../src/kernels/cast.ts";
import { matrixUnits } from "../../../src/kernels/language/matrix-units.ts";
import { float } from "../../../src/kernels/language/operation.ts";
import { openTestDevice } from "../../device.ts";
import * as reference from "../../reference/attention.ts";
import { expectSame } from "../close.ts";
import { normals } from "../data.ts";
import { emulatedLowering, lanes } from "../emulated-matrices.ts";
import { batchInputs, batchStep, type PackedBatch, packedBatch } from "../packed-batch.ts";
import { adjoint, build, execute } from "../run.ts";

const device = await openTestDevice();
const { features, subgroupSize } = device.capabilities;
const isReal = matrixUnits(device.capabilities) !== null;
/** Emulating needs halves, and subgroups in which the four threads of a row can shuffle. */
const runs = isReal || (features.has("shader-f16") && subgroupSize !== null && subgroupSize >= 4);

const matrix = { componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 };
const capabilities: Capabilities = isReal
  ? device.capabilities
  : { ...device.capabilities, software: false, subgroupSize: lanes, subgroupMatrices: [matrix] };

const choose: Choose = ({ operation }, variants) => {
  if (!operation.name.startsWith("attention")) return undefined;
  const variant = variants.find(({ name }) => name.startsWith("matrix units"));
  if (variant === undefined) throw new Error(`${operation.name} is not offered matrix units.`);
  return isReal ? variant : { name: variant.name, lower: () => emulatedLowering(variant.lower(), matrix) };
};

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
  const errors = expected.map((value, i) => Math.abs(value - found[i]!));
  expect(errors.findIndex((error) => !(error <= largest * 2 ** -10))).toBe(-1);
}

it.skipIf(!runs).each([
  { heads: 2, headSize: 64, dropout: 0.1, lengths: [31, 1, 32, 2], longest: 32, window: 20 },
  { heads: 1, headSize: 32, dropout: 0.1, lengths: [1, 100, 33, 2, 128, 32], longest: 128, window: undefined },
])("equals the float64 reference for $heads heads of $headSize and sentences of $lengths tokens in a window of $window", async (shape) => {
  const { heads, headSize, dropout, lengths, longest, window } = shape;
  const hidden = heads * headSize;
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  const program = await build(
    device,
    (tape) => {
      // The batch's end is empty.
      const batch = batchInputs(tape, { tokens: rows + 40, sentences: lengths.length + 2, longest });
      const qkv = tape.input("qkv", float("f16", batch.tokens.shape[0]!, 3 * hidden));
      const y = attention(qkv, batch, { heads, dropout, ...(window ? { window } : {}) });
      const [dQkv] = adjoint(y, tape.input("dy", y));
      return { y: cast(y, "f32"), dQkv: cast(dQkv!, "f32") };
    },
    capabilities,
    choose,
  );
  /** Sentences with random numbers of given sizes, each with its own wherever it stands. */
  const inputsOf = (order: readonly number[], sizes: { readonly qk: number; readonly v: number; readonly dy: number }) => {
    const numbers = (width: number, seed: number, size: (i: number) => number) =>
      Float32Array.from(order.flatMap((own) => [...normals(lengths[own]! * width, seed + own).map((value, i) => value * size(i))]));
    const qkv = numbers(3 * hidden, 67, (i) => (i % (3 * hidden) < 2 * hidden ? sizes.qk : sizes.v));
    return { qkv: rounded(qkv), dy: rounded(numbers(hidden, 167, () => sizes.dy)) };
  };
  const compute = async (order: readonly number[], { qkv, dy }: ReturnType<typeof inputsOf>) => {
    const batch = packedBatch(order.map((logical) => ({ length: lengths[logical]!, logical })));
    const step = batchStep(batch);
    const inputs = { ...step.inputs, qkv: toHalves(qkv), dy: toHalves(dy) };
    const { y, dQkv } = await execute(program, { ...step, inputs, ...random });
    return order.map((logical, i) => ({
      logical,
      mask: reference.attentionMask({ ...random, site: 0, probability: dropout }, rowsOf(batch.keys, batch, i, 1), heads),
      qkv: Float64Array.from(rowsOf(qkv, batch, i, 3 * hidden)),
      dy: rowsOf(dy, batch, i, hidden),
      y: rowsOf(y!, batch, i, hidden),
      dQkv: rowsOf(dQkv!, batch, i, 3 * hidden),
    }));
  };
  const order = [...lengths.keys()];
  // Of size one; and such that the gradients of scores, but neither inputs nor results, are beyond f16.
  for (const sizes of [
    { qk: 1, v: 1, dy: 1 },
    { qk: 2 ** -6, v: 2 ** 6, dy: 2 ** 10 },
  ]) {
    const found = await compute(order, inputsOf(order, sizes));
    for (const { mask, qkv, dy, y, dQkv } of found) {
      expectHalves(y, reference.attention(qkv, { heads, headSize, mask, window }));
      expectHalves(dQkv, reference.attentionGradient(qkv, dy, { heads, headSize, mask, window }));
    }
    // The same bits wherever a sentence stands.
    const backwards = order.toReversed();
    for (const { logical, y, dQkv } of await compute(backwards, inputsOf(backwards, sizes))) {
      expectSame(y, found[logical]!.y);
      expectSame(dQkv, found[logical]!.dQkv);
    }
  }
  program.close();
});
