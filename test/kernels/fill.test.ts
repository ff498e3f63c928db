import { describe, expect, it } from "vitest";
import { fill } from "../../src/kernels/fill.ts";
import { openTestDevice } from "../device.ts";
import { shapes } from "./data.ts";
import { build, execute } from "./run.ts";

const device = await openTestDevice();

describe("fill", () => {
  it.each(shapes)("writes the value to every live element, and no other, at width $width", async ({ width, capacity, live }) => {
    const program = await build(device, (tape) => ({ y: fill(tape, [tape.extent("rows", capacity), width], -2.5) }));
    for (const rows of live) {
      const { y } = await execute(program, { live: { rows } });
      expect(y!.subarray(0, rows * width).every((v) => v === -2.5)).toBe(true);
      expect(y!.subarray(rows * width).every(Number.isNaN)).toBe(true);
    }
    program.close();
  });

  it("makes a single number", async () => {
    const program = await build(device, (tape) => ({ y: fill(tape, [1], 1) }));
    expect(await execute(program)).toEqual({ y: Float32Array.of(1) });
    program.close();
  });
});
