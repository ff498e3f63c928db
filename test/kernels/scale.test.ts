import { describe, expect, it } from "vitest";
import { f32 } from "../../src/kernels/language/operation.ts";
import { scale } from "../../src/kernels/scale.ts";
import { openTestDevice } from "../device.ts";
import { expectClose } from "./close.ts";
import { normals, shapes } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";

const device = await openTestDevice();

describe("scale", () => {
  it.each(shapes)("multiplies values and gradients at width $width", async ({ width, capacity, live }) => {
    const program = await build(device, (tape) => {
      const y = scale(tape.input("x", f32(tape.extent("rows", capacity), width)), -0.3);
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    });
    for (const rows of live) {
      const x = normals(rows * width, 5);
      const dy = normals(rows * width, 6);
      const { y, dx } = await execute(program, { inputs: { x, dy }, live: { rows } });
      // One product, and the rounding of the factor itself.
      expectClose(
        y!,
        Array.from(x, (v) => -0.3 * v),
        { c: 2 },
      );
      expectClose(
        dx!,
        Array.from(dy, (v) => -0.3 * v),
        { c: 2 },
      );
    }
    program.close();
  });

  it("takes a factor that differs from step to step", async () => {
    const program = await build(device, (tape) => {
      const y = scale(tape.input("x", f32(6)), tape.scalar("factor"));
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    });
    const [x, dy] = [normals(6, 5), normals(6, 6)];
    for (const factor of [0.5, -4, 0]) {
      const { y, dx } = await execute(program, { inputs: { x, dy }, scalars: { factor } });
      // Powers of two: exact.
      expect(Array.from(y!)).toEqual(Array.from(x, (v) => factor * v));
      expect(Array.from(dx!)).toEqual(Array.from(dy, (v) => factor * v));
    }
    program.close();
  });

  it("records nothing for a factor of one", async () => {
    const program = await build(device, (tape) => {
      const x = tape.input("x", f32(5));
      expect(scale(x, 1)).toBe(x);
      return { y: scale(x, 1) };
    });
    expect(program.plan.steps).toEqual([]);
    const x = normals(5, 7);
    expect((await execute(program, { inputs: { x } })).y).toEqual(x);
    program.close();
  });
});
