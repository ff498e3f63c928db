import { describe, it } from "vitest";
import { f32 } from "../../src/kernels/language/operation.ts";
import { type Pooling, pool } from "../../src/kernels/pool.ts";
import { openTestDevice } from "../device.ts";
import { weighted } from "../reference/differences.ts";
import * as reference from "../reference/pool.ts";
import { expectClose, expectGradient } from "./close.ts";
import { normals } from "./data.ts";
import { batchInputs, batchStep, packedBatch } from "./packed-batch.ts";
import { adjoint, build, execute } from "./run.ts";

const device = await openTestDevice();

const batches = [[1, 2, 7, 31, 57, 128, 512], [57], [7, 1], [1]].map((lengths) => packedBatch(lengths.map((length) => ({ length }))));
const cases = (["first", "mean"] as Pooling[]).flatMap((pooling) => [1, 7, 57, 64].map((width) => ({ pooling, width })));

describe("pool", () => {
  it.each(cases)("$pooling equals the float64 reference, forward and backward, at width $width", async ({ pooling, width }) => {
    const capacity = { tokens: 1001, sentences: 9 };
    const program = await build(device, (tape) => {
      const batch = batchInputs(tape, capacity);
      const y = pool(tape.input("x", f32(tape.extent("tokens", capacity.tokens), width)), batch, pooling);
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    });
    for (const batch of batches) {
      const step = batchStep(batch);
      const x = normals(batch.rows * width, 60);
      const dy = normals(batch.lengths.length * width, 61);
      const { y, dx } = await execute(program, { ...step, inputs: { ...step.inputs, x, dy } });
      const f = (at: ArrayLike<number>) => reference.pool(at, width, batch.lengths, pooling);
      // Sums of 512 rows of deviation one, divided by their number.
      expectClose(y!, f(x), { terms: Math.max(...batch.lengths) });
      expectGradient(dx!, x, weighted(dy, f));
    }
    program.close();
  });
});
