/**
 * Attention on matrix units, emulated where the device has none: what it computes equals the float64 reference for each of a batch's
 * sentences on its own.
 */
import { expect, it } from "vitest";
import type { Choose } from "../../../src/autograd/plan.ts";
import { Tape } from "../../../src/autograd/tape.ts";
import { fromHalves, toHalves } from "../../../src/float16.ts";
import type { Capabilities } from "../../../src/gpu/capabilities.ts";
import { attention } from "../../../src/kernels/attention.ts";
import { cast } from "../../../src/kernels/cast.ts";
import { matrixUnits } from "../../../src/kernels/language/matrix-units.ts";
import { f32, float } from "../../../src/kernels/language/operation.ts";
import { openTestDevice } from "../../device.ts";
import * as reference from "../../reference/attention.ts";
import { expectSame } from "../close.ts";
import { normals } from "../data.ts";
import { emulatedLowering, lanes } from "../emulated-matrices.ts";
import { batchInputs, batchStep, packedBatch, rowsOf } from "../packed-batch.ts";
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

/** Expects results within two roundings to f16, of the weights and of the result or of what is summed, of the largest number. */
function expectHalves(found: Float32Array, expected: Float64Array): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value), `${i}`).toBeLessThanOrEqual(largest * 2 ** -10);
}

interface Case {
  readonly heads: number;
  readonly headSize: number;
  readonly dropout: number;
  readonly lengths: readonly number[];
  readonly longest: number;
  readonly window?: number;
  /** Where the buckets of a bias by relative position begin. */
  readonly starts?: readonly number[];
}

const cases: readonly Case[] = [
  { heads: 2, headSize: 64, dropout: 0.1, lengths: [31, 1, 32, 2], longest: 32 },
  { heads: 1, headSize: 32, dropout: 0.1, lengths: [1, 100, 33, 2, 128, 32], longest: 128, window: 45, starts: [0, 1, 2, 3, 6, 11, 40] },
];

it.skipIf(!runs).each(cases.map((shape) => [JSON.stringify(shape), shape] as const))(
  "equals the float64 reference for %s",
  async (_, shape) => {
    const { heads, headSize, dropout, lengths, longest, window, starts } = shape;
    const hidden = heads * headSize;
    const rows = lengths.reduce((sum, length) => sum + length, 0);
    const program = await build(
      device,
      (tape) => {
        // The batch's end is empty.
        const batch = batchInputs(tape, { tokens: rows + 40, sentences: lengths.length + 2, longest });
        const qkv = tape.input("qkv", float("f16", batch.tokens.shape[0]!, 3 * hidden));
        const bias = starts && { table: tape.input("table", f32(2 * starts.length, heads)), starts };
        const y = attention(qkv, batch, { heads, dropout, ...(window ? { window } : {}), ...(bias ? { bias } : {}) });
        const [dQkv, , , dTable] = adjoint(y, tape.input("dy", y));
        return { y: cast(y, "f32"), dQkv: cast(dQkv!, "f32"), ...(dTable ? { dTable } : {}) };
      },
      capabilities,
      choose,
    );
    const table = normals(starts ? 2 * starts.length * heads : 0, 69);
    const placeOf = (head: number, relative: number) => reference.bucketOf(starts!, relative) * heads + head;
    const bias = starts && ((head: number, relative: number) => table[placeOf(head, relative)]!);
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
      const inputs = { ...step.inputs, qkv: toHalves(qkv), dy: toHalves(dy), ...(starts ? { table } : {}) };
      const { y, dQkv, dTable } = await execute(program, { ...step, inputs, ...random });
      const own = order.map((logical, i) => ({
        logical,
        mask: reference.attentionMask({ ...random, site: 0, probability: dropout }, rowsOf(batch.keys, batch, i, 1), heads),
        qkv: Float64Array.from(rowsOf(qkv, batch, i, 3 * hidden)),
        dy: rowsOf(dy, batch, i, hidden),
        y: rowsOf(y!, batch, i, hidden),
        dQkv: rowsOf(dQkv!, batch, i, 3 * hidden),
      }));
      return { own, dTable };
    };
    const order = [...lengths.keys()];
    // Of size one; and such that the gradients of scores, but neither inputs nor results, are beyond f16.
    for (const sizes of [
      { qk: 1, v: 1, dy: 1 },
      { qk: 2 ** -6, v: 2 ** 6, dy: 2 ** 10 },
    ]) {
      const found = await compute(order, inputsOf(order, sizes));
      const sums = new Float64Array(table.length);
      for (const { mask, qkv, dy, y, dQkv } of found.own) {
        const options = { heads, headSize, mask, window, bias };
        expectHalves(y, reference.attention(qkv, options));
        const add = (head: number, relative: number, gradient: number) => {
          if (starts) sums[placeOf(head, relative)]! += gradient;
        };
        expectHalves(dQkv, reference.attentionGradient(qkv, dy, options, add));
      }
      if (starts) expectHalves(found.dTable!, sums);
      // The same bits wherever a sentence stands.
      const backwards = order.toReversed();
      for (const { logical, y, dQkv } of (await compute(backwards, inputsOf(backwards, sizes))).own) {
        expectSame(y, found.own[logical]!.y);
        expectSame(dQkv, found.own[logical]!.dQkv);
      }
    }
    program.close();
  },
);

it.each([32, 64, 100, 128])(
  "is offered to MPNet where it is to BERT, for sentences of %i tokens and the 32 KB of many devices",
  (longest) => {
    const limits = { ...capabilities.limits, maxComputeWorkgroupStorageSize: 32 * 1024 };
    const device: Capabilities = {
      ...capabilities,
      features: new Set([...features, "shader-f16"]),
      software: false,
      subgroupSize: lanes,
      subgroupMatrices: [matrix],
      limits,
    };
    const offered = (starts?: readonly number[]) => {
      const tape = new Tape();
      const batch = batchInputs(tape, { tokens: 300, sentences: 7, longest });
      const bias = starts && { table: tape.input("table", f32(2 * starts.length, 2)), starts };
      const y = attention(tape.input("qkv", float("f16", batch.tokens.shape[0]!, 3 * 2 * 64)), batch, {
        heads: 2,
        dropout: 0,
        ...(bias ? { bias } : {}),
      });
      adjoint(y, tape.input("dy", y));
      const own = tape.nodes.filter(({ operation }) => operation.name.startsWith("attention"));
      return own.map((node) => node.operation.variants!(node, device).map(({ name }) => name));
    };
    const buckets = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
    const found = offered(buckets);
    expect(found).toEqual(offered());
    expect(found.map((names) => names.length)).toEqual([3, 3]);
  },
);
