import { describe, expect, it } from "vitest";
import { gelu } from "../../src/kernels/gelu.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { openTestDevice } from "../device.ts";
import { slope } from "../reference/differences.ts";
import * as reference from "../reference/gelu.ts";
import { expectClose } from "./close.ts";
import { normals, shapes } from "./data.ts";
import { adjoint, build, execute, run } from "./run.ts";

const device = await openTestDevice();

describe("gelu", () => {
  it.each(shapes)("equals the float64 reference, forward and backward, at width $width", async ({ width, capacity, live }) => {
    const program = await build(device, (tape) => {
      const y = gelu(tape.input("x", f32(tape.extent("rows", capacity), width)));
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    });
    for (const rows of live) {
      const x = normals(rows * width, 1, { deviation: 3 });
      const dy = normals(rows * width, 2);
      const { y, dx } = await execute(program, { inputs: { x, dy }, live: { rows } });
      // The polynomial for erf is exact to 1.5e-7, 2.5 roundings of Φ; Φ's few operations come on top, and x multiplies both.
      expectClose(y!, Array.from(x, reference.gelu), { c: 6 });
      expectClose(
        dx!,
        Array.from(x, (v, i) => dy[i]! * slope(reference.gelu, v)),
        { c: 6 },
      );
    }
    program.close();
  });

  it("is x or 0 far from zero, with slope 1 or 0", async () => {
    const x = Float32Array.of(-1e30, -1e4, -100, -20, 0, 20, 100, 1e4, 1e30);
    const { y, dx } = await run(device, {
      record: (tape, [held]) => {
        const y = gelu(tape.use(held!));
        return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
      },
      tensors: [{ shape: [9], data: x }],
      step: { inputs: { dy: new Float32Array(9).fill(1) } },
    });
    expect([...y!].map(Math.abs)).toEqual([0, 0, 0, 0, 0, ...x.slice(5)]);
    expectClose(dx!, [0, 0, 0, 0, 0.5, 1, 1, 1, 1]);
  });
});
