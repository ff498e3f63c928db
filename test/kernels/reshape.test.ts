import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { scale } from "../../src/kernels/pointwise/operation.ts";
import { reshape } from "../../src/kernels/reshape.ts";
import { openTestDevice } from "../device.ts";
import { normals } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";

const device = await openTestDevice();

describe("reshape", () => {
  it("shows the same elements under another shape, and their gradients under the old one, without a kernel", async () => {
    const program = await build(device, (tape) => {
      const y = reshape(scale(tape.input("x", f32(7, 57)), 2), [57, 7]);
      const [dx] = adjoint(y, scale(tape.input("dy", y), 2));
      expect(dx!.shape).toEqual([7, 57]);
      return { y: scale(y, 2), dx: scale(dx!, 2) };
    });
    expect(program.plan.steps.map(({ lowering }) => lowering.kernels.length).sort()).toEqual([0, 0, 1, 1, 1, 1]);
    const [x, dy] = [normals(7 * 57, 14), normals(7 * 57, 15)];
    const { y, dx } = await execute(program, { inputs: { x, dy } });
    // Doubling is exact.
    expect(y).toEqual(x.map((v) => 4 * v));
    expect(dx).toEqual(dy.map((v) => 4 * v));
    program.close();
  });

  it("keeps what it shows alive as long as itself", async () => {
    const program = await build(device, (tape) => {
      const x = tape.input("x", f32(64));
      const view = reshape(scale(x, 2), [8, 8]);
      const other = scale(scale(scale(x, 3), 3), 3);
      return { y: scale(view, 2), other };
    });
    const x = normals(64, 16);
    expect((await execute(program, { inputs: { x } })).y).toEqual(x.map((v) => 4 * v));
    program.close();
  });

  it("refuses a shape of another size, and one without a live dimension for a live tensor", async () => {
    await expect(build(device, (tape) => ({ y: reshape(tape.input("x", f32(6)), [4, 2]) }))).rejects.toThrow(ShapeError);
    await expect(build(device, (tape) => ({ y: reshape(tape.input("x", f32(tape.extent("rows", 6))), [6]) }))).rejects.toThrow(
      "reshape: [rows≤6] is live and [6] is not: it would hold what lies beyond the live part.",
    );
  });
});
