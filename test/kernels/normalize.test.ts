import { describe, expect, it } from "vitest";
import { f32 } from "../../src/kernels/language/operation.ts";
import { normalize } from "../../src/kernels/normalize.ts";
import { openTestDevice } from "../device.ts";
import * as reference from "../reference/normalize.ts";
import { expectAdjoint, expectClose } from "./close.ts";
import { normals, shapes } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";
import { rowVariants } from "./variants.ts";

const device = await openTestDevice();

describe.each(rowVariants(device))("normalize, $name", ({ name, capabilities }) => {
  const record = (capacity: number, width: number) =>
    build(
      device,
      (tape) => {
        const y = normalize(tape.input("x", f32(tape.extent("rows", capacity), width)));
        return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
      },
      capabilities,
    );

  it.each(shapes)("equals the float64 reference, forward and backward, at width $width", async ({ width, capacity, live }) => {
    const program = await record(capacity, width);
    expect(program.plan.steps.map(({ lowering }) => lowering.variant)).toEqual([name, name]);
    for (const rows of live) {
      // Rows of two or more elements around 1, so that no row is near zero, where differences would be of no use.
      const x = normals(rows * width, 31, { mean: 1, deviation: 0.3 });
      const dy = normals(rows * width, 32);
      const { y, dx } = await execute(program, { inputs: { x, dy }, live: { rows } });
      const f = (at: Float64Array) => reference.normalize(at, width);
      // The norm has roundings of its sum, a root (2.5 ulp in WGSL) and a division (2.5 ulp).
      expectClose(y!, f(Float64Array.from(x)), { c: 12, terms: width });
      // The gradient is a difference of terms of size |dy|/norm, all of which may cancel (and do at width 1).
      expectAdjoint(dx!, x, dy, f, { c: 12, terms: width, scale: 8 / Math.sqrt(width) });
    }
    program.close();
  });

  it.each([7, 64])("gives rows of any size unit length and leaves zeros, at width %i", async (width) => {
    // No element is so small that a device may take it for zero.
    const sizes = [0, 1, 9e-9, 1e-30, 1e-36, 1e30, 1e38];
    const program = await record(sizes.length, width);
    const ordinary = normals(width, 33, { mean: 1, deviation: 0.3 }).map((v) => v / 4);
    const x = Float32Array.from(sizes.flatMap((size) => Array.from(ordinary, (v) => v * size)));
    const dy = normals(sizes.length * width, 34);
    const { y, dx } = await execute(program, { inputs: { x, dy } });
    expectClose(y!, reference.normalize(x, width), { c: 12, terms: width });
    const first = (values: Float32Array) => values.subarray(0, width);
    // Also in the gradient, a row of zeros is divided by 1e-8.
    expectClose(
      first(dx!),
      Array.from(first(dy), (v) => v / 1e-8),
      { c: 6 },
    );
    expect(dx!.every(Number.isFinite)).toBe(true);
    program.close();
  });
});
