import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { add, weightedSum } from "../../src/kernels/weighted-sum.ts";
import { openTestDevice } from "../device.ts";
import { expectClose } from "./close.ts";
import { normals, shapes } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";

const device = await openTestDevice();

describe("weightedSum", () => {
  it.each(shapes)("adds values and shares out gradients at width $width", async ({ width, capacity, live }) => {
    const program = await build(device, (tape) => {
      const rows = tape.extent("rows", capacity);
      const y = weightedSum(tape.input("a", f32(rows, width)), tape.input("b", f32(rows, width)), 0.7, -1.9);
      const [da, db] = adjoint(y, tape.input("dy", y));
      return { y, da: da!, db: db! };
    });
    for (const rows of live) {
      const [a, b, dy] = [8, 9, 10].map((seed) => normals(rows * width, seed)) as [Float32Array, Float32Array, Float32Array];
      const { y, da, db } = await execute(program, { inputs: { a, b, dy }, live: { rows } });
      // Two products, their sum, and the roundings of the factors.
      expectClose(
        y!,
        Array.from(a, (v, i) => 0.7 * v - 1.9 * b[i]!),
        { c: 5 },
      );
      expectClose(
        da!,
        Array.from(dy, (v) => 0.7 * v),
        { c: 2 },
      );
      expectClose(
        db!,
        Array.from(dy, (v) => -1.9 * v),
        { c: 2 },
      );
    }
    program.close();
  });

  it("adds with both weights one, and hands the gradient on unchanged", async () => {
    const program = await build(device, (tape) => {
      const y = add(tape.input("a", f32(57)), tape.input("b", f32(57)));
      const dy = tape.input("dy", y);
      expect(adjoint(y, dy)).toEqual([dy, dy]);
      return { y };
    });
    const [a, b] = [normals(57, 11), normals(57, 12)];
    const { y } = await execute(program, { inputs: { a, b } });
    expect(y).toEqual(a.map((v, i) => v + b[i]!));
    program.close();
  });

  it("refuses operands of different shapes", async () => {
    await expect(build(device, (tape) => ({ y: add(tape.input("a", f32(4, 3)), tape.input("b", f32(3, 4))) }))).rejects.toThrow(ShapeError);
  });
});
