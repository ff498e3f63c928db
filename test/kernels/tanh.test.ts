import { describe, expect, it } from "vitest";
import { f32 } from "../../src/kernels/language/operation.ts";
import { tanh } from "../../src/kernels/tanh.ts";
import { openTestDevice } from "../device.ts";
import { slope } from "../reference/differences.ts";
import { expectClose } from "./close.ts";
import { normals, shapes } from "./data.ts";
import { adjoint, build, execute, run } from "./run.ts";

const device = await openTestDevice();

/** WGSL promises tanh to 1e-5 only, as an absolute error: 168 roundings of 1. Its derivative 1 − y² doubles it. */
const promised = 168;

describe("tanh", () => {
  it.each(shapes)("equals the float64 reference, forward and backward, at width $width", async ({ width, capacity, live }) => {
    const program = await build(device, (tape) => {
      const y = tanh(tape.input("x", f32(tape.extent("rows", capacity), width)));
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    });
    for (const rows of live) {
      const x = normals(rows * width, 3, { deviation: 2 });
      const dy = normals(rows * width, 4);
      const { y, dx } = await execute(program, { inputs: { x, dy }, live: { rows } });
      expectClose(y!, Array.from(x, Math.tanh), { c: promised, scale: 1 });
      expectClose(
        dx!,
        Array.from(x, (v, i) => dy[i]! * slope(Math.tanh, v)),
        { c: 2 * promised, scale: Math.max(...dy.map(Math.abs)) },
      );
    }
    program.close();
  });

  it.each([1, 4])("is ±1 with slope 0 far from zero, and never NaN, in vectors of %i", async (width) => {
    const far = [10, 20, 88, 89, 90, 100, 1e4, 1e30];
    const x = Float32Array.from([...far, ...far.map((v) => -v)]);
    const { y, dx } = await run(device, {
      record: (tape, [held]) => {
        const y = tanh(tape.use(held!));
        return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
      },
      tensors: [{ shape: [x.length / width, width], data: x }],
      step: { inputs: { dy: new Float32Array(x.length).fill(1) } },
    });
    expectClose(y!, [...far.map(() => 1), ...far.map(() => -1)], { c: promised });
    expectClose(
      dx!,
      Array.from(x, () => 0),
      { c: 2 * promised, scale: 1 },
    );
    expect(Math.max(...y!.map(Math.abs))).toBeLessThanOrEqual(1);
  });
});
