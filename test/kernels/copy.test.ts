import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { copyInto } from "../../src/kernels/copy.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { openTestDevice } from "../device.ts";
import { expectSame } from "./close.ts";
import { normals, shapes } from "./data.ts";
import { build, execute, tensor } from "./run.ts";

const device = await openTestDevice();

describe("copyInto", () => {
  it.each(shapes)("copies every element to a persistent tensor at width $width", async ({ width, live: [rows] }) => {
    const target = tensor(device, [rows!, width], new Float32Array(rows! * width), "target");
    const program = await build(device, (tape) => {
      copyInto(tape.input("x", f32(rows!, width)), target);
      return {};
    });
    const x = normals(rows! * width, 13);
    await execute(program, { inputs: { x } });
    expectSame(new Float32Array(await device.read(target.window)), x);
    program.close();
  });

  it("refuses a target of another shape", async () => {
    const target = tensor(device, [2, 3], new Float32Array(6));
    const record = build(device, (tape) => {
      copyInto(tape.input("x", f32(3, 2)), target);
      return {};
    });
    await expect(record).rejects.toThrow(ShapeError);
  });
});
