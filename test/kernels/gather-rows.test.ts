import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/errors.ts";
import { gatherRows } from "../../src/kernels/gather-rows.ts";
import { f32, u32 } from "../../src/kernels/language/operation.ts";
import { openTestDevice } from "../device.ts";
import { expectAdjoint, expectSame } from "./close.ts";
import { integers, normals, shapes } from "./data.ts";
import { adjoint, build, execute, tensor } from "./run.ts";

const device = await openTestDevice();

it.each(shapes)("gatherRows takes rows of $width in any order, some twice", async ({ width, capacity, live }) => {
  const data = normals(31 * width, 71);
  const table = tensor(device, [31, width], data);
  const program = await build(device, (tape) => ({ y: gatherRows(table, tape.input("rows", u32(tape.extent("rows", capacity)))) }));
  for (const count of live) {
    const rows = integers(count, 31, 72);
    const { y } = await execute(program, { inputs: { rows }, live: { rows: count } });
    const expected = Float32Array.from({ length: count * width }, (_, i) => data[rows[Math.floor(i / width)]! * width + (i % width)]!);
    expectSame(y!, expected);
  }
  expect(program.plan.kernels).toHaveLength(1);
  program.close();
});

describe("gatherRows", () => {
  it.each(shapes)(
    "adds up the gradients of rows of $width that were taken several times, always in one order",
    async ({ width, capacity, live }) => {
      const program = await build(device, (tape) => {
        const y = gatherRows(tape.input("table", f32(31, width)), tape.input("rows", u32(tape.extent("rows", capacity))));
        return { y, dTable: adjoint(y, tape.input("dy", y))[0]! };
      });
      const table = normals(31 * width, 71);
      for (const count of live) {
        const rows = integers(count, 29, 72);
        const dy = normals(count * width, 73);
        const step = { inputs: { table, rows, dy }, live: { rows: count } };
        const { dTable } = await execute(program, step);
        const f = (values: ArrayLike<number>) => Array.from(dy, (_, i) => values[rows[Math.floor(i / width)]! * width + (i % width)]!);
        expectAdjoint(dTable!, table, dy, f, { terms: count, scale: 1, samples: 6 });
        // No row is ever taken after the 29th.
        expectSame(dTable!.subarray(29 * width), new Float32Array(2 * width));
        expect((await execute(program, step)).dTable).toEqual(dTable);
      }
      program.close();
    },
  );

  it("takes numbers of any shape", async () => {
    const program = await build(device, (tape) => {
      const y = gatherRows(tape.input("table", f32(5, 4)), tape.input("rows", u32(tape.extent("batch", 3), 2)));
      return { y, dTable: adjoint(y, tape.input("dy", y))[0]! };
    });
    expect(program.outputs.y.shape.slice(1)).toEqual([2, 4]);
    const table = Float32Array.from({ length: 20 }, (_, i) => i);
    const inputs = { table, rows: Uint32Array.of(4, 0, 4, 4), dy: new Float32Array(16).fill(1) };
    const { y, dTable } = await execute(program, { inputs, live: { batch: 2 } });
    expect([...y!.subarray(0, 16)]).toEqual([4, 0, 4, 4].flatMap((row) => [0, 1, 2, 3].map((column) => row * 4 + column)));
    expect([...dTable!]).toEqual([1, 0, 0, 0, 3].flatMap((times) => [times, times, times, times]));
    program.close();
  });

  it("refuses a number beyond the table, and gives NaN for one that the host did not see", async () => {
    const numbers = new Uint32Array([1, 5]);
    const program = await build(device, (tape) => ({ y: gatherRows(tape.input("table", f32(5, 4)), tape.input("rows", u32(2))) }));
    expect(() => program.run({ inputs: { table: new Float32Array(20), rows: numbers } })).toThrow(
      new OptionError("The input rows holds 5 at 1; there are 5 rows of the table.", "").message,
    );
    program.close();
    const held = tensor(device, [2], numbers);
    const unseen = await build(device, (tape) => {
      const y = gatherRows(tape.input("table", f32(5, 4)), tape.use(held));
      return { y, dTable: adjoint(y, tape.input("dy", y))[0]! };
    });
    const { y, dTable } = await execute(unseen, { inputs: { table: new Float32Array(20).fill(1), dy: new Float32Array(8).fill(1) } });
    expect([...y!]).toEqual([1, 1, 1, 1, Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    expect([...dTable!]).toEqual([0, 1, 0, 0, 0].flatMap((times) => [times, times, times, times]));
    unseen.close();
  });
});
