import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/errors.ts";
import { dropout, dropoutAt } from "../../src/kernels/dropout.ts";
import { f32, type Value } from "../../src/kernels/language/operation.ts";
import { openTestDevice } from "../device.ts";
import { dropoutMask } from "../reference/random.ts";
import { expectClose } from "./close.ts";
import { normals, shapes } from "./data.ts";
import { batchInputs, batchOfRows, batchStep, packedBatch } from "./packed-batch.ts";
import { adjoint, build, execute } from "./run.ts";

const device = await openTestDevice();

/** A program that shows the mask of each given site and probability: dropout of ones. */
function masks(width: number, sites: readonly { site: number; probability: number }[]) {
  return build(device, (tape) => {
    const batch = batchInputs(tape, { tokens: 1003, sentences: 1003 });
    const ones = tape.input("ones", f32(tape.extent("tokens", 1003), width));
    return Object.fromEntries(sites.map((at, i) => [`mask${i}`, dropoutAt(ones, at, batch.tokens)])) as Record<string, Value>;
  });
}

function inputs(batch: ReturnType<typeof packedBatch>, width: number) {
  const step = batchStep(batch);
  return { ...step, inputs: { ...step.inputs, ones: new Float32Array(batch.rows * width).fill(1) } };
}

describe("dropout", () => {
  it.each(shapes)("applies exactly the reference's mask, forward and backward, at width $width", async ({ width, capacity, live }) => {
    const program = await build(device, (tape) => {
      const batch = batchInputs(tape, { tokens: capacity, sentences: capacity });
      tape.dropoutSite();
      const y = dropout(tape.input("x", f32(tape.extent("tokens", capacity), width)), 0.3, { tokens: batch.tokens });
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    });
    for (const rows of live) {
      const batch = batchOfRows(rows, 31);
      const step = batchStep(batch);
      const x = normals(rows * width, 17);
      const dy = normals(rows * width, 18);
      const { y, dx } = await execute(program, { ...step, inputs: { ...step.inputs, x, dy }, seed: 42, step: 7 });
      const mask = dropoutMask({ seed: 42, step: 7, site: 1, probability: 0.3 }, batch.keys, width);
      // One product, and the rounding of 1/(1−p).
      expectClose(
        y!,
        Array.from(x, (v, i) => v * mask[i]!),
        { c: 2 },
      );
      expectClose(
        dx!,
        Array.from(dy, (v, i) => v * mask[i]!),
        { c: 2 },
      );
    }
    program.close();
  });

  it("drops a share p of the elements", async () => {
    // The last one drops all of so few.
    const probabilities = [0.1, 0.5, 0.9, 1 - 2 ** -40];
    const width = 64;
    const program = await masks(
      width,
      probabilities.map((probability, site) => ({ site, probability })),
    );
    const batch = batchOfRows(1001, 32);
    const drawn = await execute(program, { ...inputs(batch, width), seed: 3, step: 11 });
    probabilities.forEach((p, i) => {
      const count = batch.rows * width;
      const dropped = drawn[`mask${i}`]!.subarray(0, count).reduce((sum, v) => sum + (v === 0 ? 1 : 0), 0);
      // Four standard deviations of a binomial count: a fair hash fails one seed in 16,000, and this seed is fixed.
      expect(Math.abs(dropped - p * count)).toBeLessThan(4 * Math.sqrt(count * p * (1 - p)));
    });
    program.close();
  });

  it("draws independent masks for each site, step, seed and sentence", async () => {
    const width = 64;
    const sites = [0, 1, 2].map((site) => ({ site, probability: 0.5 }));
    const program = await masks(width, sites);
    const batch = batchOfRows(128, 16);
    const count = batch.rows * width;
    const draws: Float32Array[] = [];
    for (const [seed, step] of [
      [1, 0],
      [1, 1],
      [2, 0],
      [0, 1],
    ] as const) {
      const drawn = await execute(program, { ...inputs(batch, width), seed, step });
      draws.push(...sites.map((_, i) => drawn[`mask${i}`]!.subarray(0, count)));
    }
    const sentence = (mask: Float32Array, i: number) => mask.subarray(i * 16 * width, (i + 1) * 16 * width);
    const parts = [...draws, ...Array.from({ length: 8 }, (_, i) => sentence(draws[0]!, i))];
    for (const [i, a] of parts.entries()) {
      for (const b of parts.slice(i + 1)) {
        if (a.length !== b.length) continue;
        const equal = a.reduce((sum, v, j) => sum + (v === b[j] ? 1 : 0), 0);
        // Independent fair bits agree in half of all places, give or take. Five deviations: a hundred pairs are compared.
        expect(Math.abs(equal - a.length / 2)).toBeLessThan(5 * Math.sqrt(a.length / 4));
      }
    }
    program.close();
  });

  it("gives a sentence the same mask wherever it stands in the batch", async () => {
    const width = 7;
    const program = await masks(width, [{ site: 5, probability: 0.4 }]);
    const orders = [[0, 1, 2, 3], [3, 1, 0, 2], [2]];
    const lengths = [1, 31, 7, 57];
    const seen = new Map<number, Float32Array>();
    for (const order of orders) {
      const batch = packedBatch(order.map((logical) => ({ length: lengths[logical]!, logical })));
      const { mask0 } = await execute(program, { ...inputs(batch, width), seed: 9, step: 2 });
      order.forEach((logical, i) => {
        const start = batch.sentences[2 * i]! * width;
        const mask = mask0!.slice(start, start + lengths[logical]! * width);
        expect(mask).toEqual(seen.get(logical) ?? mask);
        seen.set(logical, mask);
      });
    }
    expect(seen.size).toBe(4);
    program.close();
  });

  it("records nothing for a probability of zero, but uses up its site", async () => {
    await build(device, (tape) => {
      const batch = batchInputs(tape, { tokens: 4, sentences: 4 });
      const x = tape.input("x", f32(tape.extent("tokens", 4), 3));
      expect(dropout(x, 0, { tokens: batch.tokens })).toBe(x);
      expect(tape.dropoutSite()).toBe(1);
      return {};
    });
  });

  it("numbers the rows of a tensor that is no packed batch", async () => {
    const program = await build(device, (tape) => {
      const y = dropout(tape.input("x", f32(57, 3, 4)), 0.3);
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    });
    const [x, dy] = [normals(57 * 12, 17), normals(57 * 12, 18)];
    const { y, dx } = await execute(program, { inputs: { x, dy }, seed: 42, step: 7 });
    const mask = dropoutMask({ seed: 42, step: 7, site: 0, probability: 0.3 }, [...Array(57).keys()], 12);
    const masked = (values: Float32Array) => Array.from(values, (v, i) => v * mask[i]!);
    expectClose(y!, masked(x), { c: 2 });
    expectClose(dx!, masked(dy), { c: 2 });
    program.close();
  });

  it.each([1, 2, -1, Number.NaN])("refuses a probability of %f", async (probability) => {
    await expect(build(device, (tape) => ({ y: dropout(tape.input("x", f32(4, 3)), probability) }))).rejects.toThrow(OptionError);
  });
});
