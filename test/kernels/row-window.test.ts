/** Rows of a matrix from a given row on, and sums in place: exact, so that a batch in chunks has the bits of its parts. */
import { expect, it } from "vitest";
import { gatherRows } from "../../src/kernels/gather-rows.ts";
import { f32, u32 } from "../../src/kernels/language/operation.ts";
import { addInto } from "../../src/kernels/optimizer/accumulate.ts";
import { readRows, writeRows } from "../../src/kernels/row-window.ts";
import { ArenaTensor } from "../../src/nn/parameters/arena-tensor.ts";
import { openTestDevice } from "../device.ts";
import { normals } from "./data.ts";
import { adjoint, build } from "./run.ts";

const device = await openTestDevice();

function matrixOf(rows: number, width: number): ArenaTensor {
  const matrix = new ArenaTensor("matrix", "f32", [rows, width]);
  matrix.buffer = device.createBuffer("matrix", matrix.bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
  return matrix;
}

it.each([1, 7, 8, 57])("writes, reads and adds rows of %i", async (width) => {
  const matrix = matrixOf(23, width);
  const write = await build(device, (tape) => {
    writeRows(tape.input("x", f32(tape.extent("rows", 9), width)), matrix, tape.scalar("first"));
    return {};
  });
  const expected = new Float32Array(23 * width);
  for (const [first, rows] of [
    [0, 9],
    [9, 9],
    [18, 5],
  ] as const) {
    const x = normals(rows * width, first + 1);
    expected.set(x, first * width);
    write.run({ inputs: { x }, live: { rows }, scalars: { first } });
  }
  expect(new Float32Array(await device.read(matrix.window))).toEqual(expected);

  const read = await build(device, (tape) => ({ y: readRows(tape, matrix, tape.scalar("first"), tape.extent("rows", 9)) }));
  read.run({ live: { rows: 6 }, scalars: { first: 11 } });
  expect((await read.read("y")).subarray(0, 6 * width)).toEqual(expected.subarray(11 * width, 17 * width));

  const addend = normals(23 * width, 5);
  const sum = await build(device, (tape) => {
    addInto(tape.input("x", f32(23, width)), matrix);
    return {};
  });
  sum.run({ inputs: { x: addend } });
  expect(new Float32Array(await device.read(matrix.window))).toEqual(expected.map((value, i) => Math.fround(value + addend[i]!)));
  for (const program of [write, read, sum]) program.close();
  matrix.window.buffer.destroy();
});

it.each([7, 8])("gathered rows of %i give their gradient back to where they came from", async (width) => {
  const program = await build(device, (tape) => {
    const rows = tape.extent("rows", 5);
    const y = gatherRows(tape.input("x", f32(11, width)), tape.input("rows", u32(rows)), tape.input("places", u32(11)));
    return { dx: adjoint(y, tape.input("dy", y))[0]! };
  });
  const rows = Uint32Array.of(2, 3, 9);
  const places = Uint32Array.from({ length: 11 }, (_, row) => rows.indexOf(row) + 1);
  const dy = normals(3 * width, 8);
  program.run({ inputs: { x: normals(11 * width, 7), rows, places, dy }, live: { rows: 3 } });
  const expected = new Float32Array(11 * width);
  rows.forEach((row, i) => {
    expected.set(dy.subarray(i * width, (i + 1) * width), row * width);
  });
  expect(await program.read("dx")).toEqual(expected);
  program.close();
});
