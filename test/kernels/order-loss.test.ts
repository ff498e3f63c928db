import { describe, expect, it } from "vitest";
import { f32 } from "../../src/kernels/language/operation.ts";
import { orderLoss } from "../../src/kernels/order-loss.ts";
import { openTestDevice } from "../device.ts";
import * as reference from "../reference/order-loss.ts";
import { expectClose, expectGradient } from "./close.ts";
import { integers, normals } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";
import { rowVariants } from "./variants.ts";

const device = await openTestDevice();

/** WGSL grants exp 3 + 2|x| ulp; exponents reach about 20 here, and the large ones decide. */
const c = 48;

describe.each(rowVariants(device))("orderLoss, $name", ({ capabilities }) => {
  const record = (room: number) =>
    build(
      device,
      (tape) => {
        const examples = tape.extent("examples", room);
        const loss = orderLoss(tape.input("x", f32(examples)), tape.input("scores", f32(examples)));
        return { loss, dx: adjoint(loss, tape.input("dLoss", f32(1)))[0]! };
      },
      capabilities,
    );

  it("equals the float64 reference, and its gradient finite differences", async () => {
    const program = await record(201);
    for (const examples of [200, 57, 7, 1]) {
      const x = normals(examples, 51, { deviation: 4 });
      // Half points, so that many scores are equal: such pairs do not count.
      const scores = Float32Array.from(integers(examples, 11, 52), (score) => score / 2);
      const { loss, dx } = await execute(program, { inputs: { x, scores, dLoss: Float32Array.of(-1.5) }, live: { examples } });
      const f = (at: Float64Array) => reference.orderLoss(at, scores);
      expectClose(loss!, [f(Float64Array.from(x))], { c });
      expectGradient(dx!, x, (at) => -1.5 * f(at), { c, scale: 1, samples: 12 });
    }
    program.close();
  });

  it("is 0 where no two scores differ, and where there are no examples", async () => {
    const program = await record(5);
    const equal = { x: normals(4, 53), scores: new Float32Array(4).fill(2), dLoss: Float32Array.of(1) };
    const { loss, dx } = await execute(program, { inputs: equal, live: { examples: 4 } });
    expect([loss![0], ...dx!.subarray(0, 4)]).toEqual([0, 0, 0, 0, 0]);
    expect((await execute(program, { inputs: { dLoss: Float32Array.of(1) }, live: { examples: 0 } })).loss![0]).toBe(0);
    program.close();
  });

  it("is not finite where a value is not", async () => {
    const program = await record(4);
    const scores = Float32Array.of(1, 2, 3, 4);
    for (const x of [
      [Number.NaN, Number.NaN, Number.NaN, Number.NaN],
      [1, 1, 0, Number.NaN],
      [Number.NaN, 1, 0, 1],
      [1, Number.NEGATIVE_INFINITY, 0, 1],
    ]) {
      const { loss } = await execute(program, { inputs: { x: Float32Array.from(x), scores, dLoss: Float32Array.of(1) } });
      expect(Number.isFinite(loss![0]), `${x}`).toBe(false);
    }
    program.close();
  });

  it("neither overflows nor loses digits for values far apart", async () => {
    const program = await record(3);
    const inputs = { x: Float32Array.of(-200, 0, 150), scores: Float32Array.of(3, 2, 1), dLoss: Float32Array.of(1) };
    const { loss, dx } = await execute(program, { inputs, live: { examples: 3 } });
    expectClose(loss!, [350], {});
    expectClose(dx!, [-1, 0, 1], { c });
    program.close();
  });
});
