import { expect, it } from "vitest";
import { gatherRows } from "../../src/kernels/gather-rows.ts";
import { u32 } from "../../src/kernels/language/operation.ts";
import { openTestDevice } from "../device.ts";
import { expectSame } from "./close.ts";
import { integers, normals, shapes } from "./data.ts";
import { build, execute, tensor } from "./run.ts";

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
