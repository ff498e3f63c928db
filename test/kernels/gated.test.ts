import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { gated, type Half } from "../../src/kernels/gated.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { openTestDevice } from "../device.ts";
import { pointwise } from "../reference/pointwise.ts";
import { expectAdjoint, expectClose } from "./close.ts";
import { normals } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";

const device = await openTestDevice();

function reference(x: Float64Array, width: number, gate: (x: number) => number, half: Half): Float64Array {
  return Float64Array.from({ length: x.length / 2 }, (_, i) => {
    const at = Math.floor(i / width) * 2 * width + (i % width);
    const [first, second] = [x[at]!, x[at + width]!];
    return half === "first" ? gate(first) * second : first * gate(second);
  });
}

describe("gated", () => {
  it.each([
    ["gelu", 24, "first"],
    ["silu", 7, "first"],
    ["relu", 4, "first"],
    ["geluTanh", 4, "first"],
    ["gelu", 24, "second"],
  ] as const)(
    "equals the float64 reference with %s, forward and backward, for halves of %i columns, on the %s",
    async (name, width, half) => {
      const program = await build(device, (tape) => {
        const y = gated(tape.input("x", f32(tape.extent("rows", 40), 2 * width)), name, half);
        return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
      });
      for (const rows of [1, 37]) {
        const [x, dy] = [normals(rows * 2 * width, 61), normals(rows * width, 62)];
        const { y, dx } = await execute(program, { inputs: { x, dy }, live: { rows } });
        const f = (at: Float64Array) => reference(at, width, pointwise[name]!, half);
        // The series for the normal distribution has an absolute error of 1.5e-7, which the gate multiplies.
        expectClose(y!, f(Float64Array.from(x)), { c: 16, scale: 1 });
        expectAdjoint(dx!, x, dy, f, { c: 32, scale: 1 });
      }
      program.close();
    },
  );

  it("refuses a row that has no two halves", async () => {
    const recorded = build(device, (tape) => ({ y: gated(tape.input("x", f32(3, 7)), "gelu") }));
    await expect(recorded).rejects.toThrow(ShapeError);
  });
});
