import { describe, it } from "vitest";
import { f32, u32 } from "../../src/kernels/language/operation.ts";
import { type Pooling, pool } from "../../src/kernels/pool.ts";
import { openTestDevice } from "../device.ts";
import * as reference from "../reference/pool.ts";
import { expectAdjoint, expectClose } from "./close.ts";
import { normals } from "./data.ts";
import { batchInputs, batchStep, packedBatch } from "./packed-batch.ts";
import { adjoint, build, execute } from "./run.ts";

const device = await openTestDevice();

const batches = [[1, 2, 7, 31, 57, 128, 512], [57], [7, 1], [1]].map((lengths) => packedBatch(lengths.map((length) => ({ length }))));
const ways: readonly (readonly Pooling[])[] = [
  ["first"],
  ["last"],
  ["mean"],
  ["meanSqrtLength"],
  ["weightedMean"],
  ["max"],
  ["max", "first", "mean"],
];
const cases = ways.flatMap((poolings) =>
  (poolings.length === 1 ? [1, 7, 57, 64] : [7, 64]).map((width) => ({ poolings, width, name: poolings.join(" and ") })),
);

/** Raises one token of each sentence and feature far above the others, so that finite differences do not change which one is the largest. */
function raiseOne(x: Float32Array, width: number, lengths: readonly number[]): void {
  let start = 0;
  for (const length of lengths) {
    for (let c = 0; c < width; c++) x[(start + (c % length)) * width + c]! += 10;
    start += length;
  }
}

describe("pool", () => {
  it.each(cases)("$name equals the float64 reference, forward and backward, at width $width", async ({ poolings, width }) => {
    const capacity = { tokens: 1001, sentences: 9 };
    const program = await build(device, (tape) => {
      const batch = batchInputs(tape, capacity);
      const y = pool(tape.input("x", f32(tape.extent("tokens", capacity.tokens), width)), batch, poolings);
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    });
    for (const batch of batches) {
      const step = batchStep(batch);
      const x = normals(batch.rows * width, 60);
      if (poolings.includes("max")) raiseOne(x, width, batch.lengths);
      const dy = normals(batch.lengths.length * poolings.length * width, 61);
      const { y, dx } = await execute(program, { ...step, inputs: { ...step.inputs, x, dy } });
      const f = (at: ArrayLike<number>) => reference.pool(at, width, batch.lengths, poolings);
      // Sums of 512 rows of deviation one, divided by their number.
      expectClose(y!, f(x), { terms: Math.max(...batch.lengths) });
      expectAdjoint(dx!, x, dy, f);
    }
    program.close();
  });

  it("counts positions from the beginning of a sentence whose first rows are left out", async () => {
    const width = 7;
    const poolings = ["weightedMean", "max"] as const;
    const program = await build(device, (tape) => {
      const count = tape.extent("sentences", 3);
      const sentences = tape.input("sentences", u32(count, 2));
      const whole = tape.input("whole", u32(count, 2));
      const y = pool(tape.input("x", f32(tape.extent("rows", 40), width)), { sentences, whole }, poolings);
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    });
    const lengths = [3, 30, 5];
    const x = normals(38 * width, 64);
    raiseOne(x, width, lengths);
    const dy = normals(3 * poolings.length * width, 65);
    const inputs = { x, dy, whole: Uint32Array.of(0, 3, 3, 30, 33, 5), sentences: Uint32Array.of(2, 1, 5, 28, 35, 3) };
    const { y, dx } = await execute(program, { inputs, live: { rows: 38, sentences: 3 } });
    const f = (at: ArrayLike<number>) => reference.pool(at, width, lengths, poolings, 2);
    expectClose(y!, f(x), { terms: 30 });
    expectAdjoint(dx!, x, dy, f, { samples: 38 * width });
    program.close();
  });

  it("needs no token table: rows that no sentence has, and rows that two have, get the gradient that is theirs", async () => {
    const width = 4;
    const program = await build(device, (tape) => {
      const sentences = tape.input("sentences", u32(tape.extent("sentences", 3), 2));
      const y = pool(tape.input("x", f32(tape.extent("rows", 9), width)), { sentences }, ["mean", "last"]);
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    });
    // Rows 0 and 7 are in no sentence; rows 3 and 4 in both.
    const parts = [
      [1, 4],
      [3, 4],
    ] as const;
    const x = normals(8 * width, 62);
    const dy = normals(2 * 2 * width, 63);
    const inputs = { x, dy, sentences: Uint32Array.from(parts.flat()) };
    const { y, dx } = await execute(program, { inputs, live: { rows: 8, sentences: 2 } });
    const f = (at: ArrayLike<number>) =>
      parts.flatMap(([start, count]) => [
        ...reference.pool(Array.from(at).slice(start * width, (start + count) * width), width, [count], ["mean", "last"]),
      ]);
    expectClose(y!, f(x), { terms: 4 });
    expectAdjoint(dx!, x, dy, f, { samples: 8 * width });
    program.close();
  });
});
