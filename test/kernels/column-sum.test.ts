import { describe, expect, it } from "vitest";
import { columnSum } from "../../src/kernels/column-sum.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { openTestDevice } from "../device.ts";
import * as reference from "../reference/reductions.ts";
import { expectClose } from "./close.ts";
import { normals, shapes } from "./data.ts";
import { build, execute } from "./run.ts";

const device = await openTestDevice();

describe("columnSum", () => {
  it.each(shapes)("equals the float64 reference at width $width", async ({ width, capacity, live }) => {
    const program = await build(device, (tape) => ({ y: columnSum(tape.input("x", f32(tape.extent("rows", capacity), width))) }));
    for (const rows of live) {
      const x = normals(rows * width, 21);
      const { y } = await execute(program, { inputs: { x }, live: { rows } });
      // The size of partial sums of rows of deviation one, where a width of one could sum to nearly zero.
      expectClose(y!, reference.columnSum(x, width), { terms: rows, scale: Math.sqrt(rows) });
    }
    expect((await execute(program, { live: { rows: 0 } })).y).toEqual(new Float32Array(width));
    program.close();
  });

  it.each([7, 64])("as the first row of a table leaves zeros below, at width %i", async (width) => {
    const program = await build(device, (tape) => ({ y: columnSum(tape.input("x", f32(130, width)), 3) }));
    const x = normals(130 * width, 22);
    const { y } = await execute(program, { inputs: { x } });
    expectClose(y!, reference.columnSum(x, width), { terms: 130, scale: Math.sqrt(130) });
    expect(y!.subarray(width)).toEqual(new Float32Array(2 * width));
    program.close();
  });

  it("gives the same bits again", async () => {
    const program = await build(device, (tape) => ({ y: columnSum(tape.input("x", f32(1001, 57))) }));
    const x = normals(1001 * 57, 23);
    const { y } = await execute(program, { inputs: { x } });
    expect((await execute(program, { inputs: { x } })).y).toEqual(y);
    program.close();
  });
});
