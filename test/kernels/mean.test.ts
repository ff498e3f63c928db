import { describe, expect, it } from "vitest";
import { f32 } from "../../src/kernels/language/operation.ts";
import { mean } from "../../src/kernels/mean.ts";
import { openTestDevice } from "../device.ts";
import * as reference from "../reference/reductions.ts";
import { expectClose, expectGradient } from "./close.ts";
import { normals } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";
import { rowVariants } from "./variants.ts";

const device = await openTestDevice();

describe.each(rowVariants(device))("mean, $name", ({ name, capabilities }) => {
  it("equals the float64 reference, forward and backward, for any live count", async () => {
    const program = await build(
      device,
      (tape) => {
        const y = mean(tape.input("x", f32(tape.extent("count", 1003))));
        return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
      },
      capabilities,
    );
    expect(program.plan.steps[0]!.lowering.variant).toBe(name);
    for (const count of [1001, 57, 7, 1]) {
      const x = normals(count, 19, { mean: 1 });
      const { y, dx } = await execute(program, { inputs: { x, dy: Float32Array.of(-1.5) }, live: { count } });
      // Roundings of partial sums, whose size is the mean of magnitudes.
      expectClose(y!, [reference.mean(x)], { terms: count, scale: reference.mean(x.map(Math.abs)) });
      expectGradient(dx!, x, (at) => -1.5 * reference.mean(at));
    }
    program.close();
  });

  it("takes a count known in advance", async () => {
    const program = await build(device, (tape) => ({ y: mean(tape.input("x", f32(130))) }), capabilities);
    const x = normals(130, 20, { mean: 1 });
    expectClose((await execute(program, { inputs: { x } })).y!, [reference.mean(x)], { terms: 130 });
    program.close();
  });
});
