import { describe, expect, it } from "vitest";
import { f32 } from "../../src/kernels/language/operation.ts";
import { rmsNorm } from "../../src/kernels/rms-norm.ts";
import { openTestDevice } from "../device.ts";
import * as reference from "../reference/rms-norm.ts";
import { expectAdjoint, expectClose } from "./close.ts";
import { normals, shapes } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";
import { rowVariants } from "./variants.ts";

const device = await openTestDevice();

const epsilon = 1e-5;

/** Some ten operations an element, and an inverse root of 2 ulp. */
const c = 12;

describe.each(rowVariants(device))("rmsNorm, $name", ({ name, capabilities }) => {
  it.each(shapes)("equals the float64 reference, forward and backward, at width $width", async ({ width, capacity, live }) => {
    const program = await build(
      device,
      (tape) => {
        const y = rmsNorm(tape.input("x", f32(tape.extent("rows", capacity), width)), tape.input("weight", f32(width)), epsilon);
        const [dx, dWeight] = adjoint(y, tape.input("dy", y));
        return { y, dx: dx!, dWeight: dWeight! };
      },
      capabilities,
    );
    expect(program.plan.steps[0]!.lowering.variant).toBe(name);
    for (const rows of live) {
      // Around 1, so that no row is near zero, where differences would be of no use.
      const x = normals(rows * width, 41, { mean: 1, deviation: 0.3 });
      const weight = normals(width, 42, { mean: 1, deviation: 0.2 });
      const dy = normals(rows * width, 43);
      const { y, dx, dWeight } = await execute(program, { inputs: { x, weight, dy }, live: { rows } });
      expectClose(y!, reference.rmsNorm(x, weight, epsilon), { c, terms: width });
      // A difference of terms of the size of dy, all of which may cancel (and do at width 1).
      expectAdjoint(dx!, x, dy, (at) => reference.rmsNorm(at, weight, epsilon), { c, terms: width, scale: 8 });
      const sums = { c, terms: rows, scale: Math.sqrt(rows), samples: 4 };
      expectAdjoint(dWeight!, weight, dy, (at) => reference.rmsNorm(x, at, epsilon), sums);
    }
    program.close();
  });

  it("adds epsilon to the mean of the squares, so that a row of zeros stays", async () => {
    const width = 64;
    const program = await build(
      device,
      (tape) => ({ y: rmsNorm(tape.input("x", f32(2, width)), tape.input("weight", f32(width)), epsilon) }),
      capabilities,
    );
    const weight = normals(width, 44);
    const x = Float32Array.of(...new Float32Array(width), ...normals(width, 45).map((value) => value * 1e-3));
    const { y } = await execute(program, { inputs: { x, weight } });
    expectClose(y!, reference.rmsNorm(x, weight, epsilon), { c, terms: width });
    program.close();
  });
});
