import { describe, expect, it } from "vitest";
import { elementOf, fill } from "../../src/kernels/fill.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { mean } from "../../src/kernels/sum.ts";
import { openTestDevice } from "../device.ts";
import { shapes } from "./data.ts";
import { adjoint, build, execute, tensor } from "./run.ts";

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

  it("is filled as a whole where it is repeated, and divided by the live size of a mean", async () => {
    const source = tensor(device, [3], Float32Array.of(1, 2, 3));
    const program = await build(device, (tape) => {
      const x = tape.input("x", f32(tape.extent("rows", 5)));
      const seeds = { two: fill(tape, [1], 2), three: elementOf(tape, source, 2) };
      return Object.fromEntries(Object.entries(seeds).map(([name, seed]) => [name, adjoint(mean(x), seed)[0]!]));
    });
    expect(program.plan.steps.map(({ node }) => node.operation.name)).toEqual(["fill", "fill"]);
    const { two, three } = await execute(program, { live: { rows: 4 } });
    expect([...two!.subarray(0, 4), ...three!.subarray(0, 4)]).toEqual([0.5, 0.5, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75]);
    program.close();
    source.window.buffer.destroy();
  });

  it("makes a single number", async () => {
    const program = await build(device, (tape) => ({ y: fill(tape, [1], 1) }));
    expect(await execute(program)).toEqual({ y: Float32Array.of(1) });
    program.close();
  });
});
