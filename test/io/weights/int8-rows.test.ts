/** Matrices in 8 bits: how far they are from the original, and that reading and rounding them again changes nothing. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { FormatError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { openInt8Rows, roundRows } from "../../../src/io/weights/int8-rows.ts";
import { encodeSafetensors, type TensorToWrite } from "../../../src/io/weights/safetensors.ts";
import { collect } from "../collect.ts";

const bytes = (values: ArrayBufferView) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const tensor = (name: string, dtype: "F32" | "I8", shape: number[], values: ArrayBufferView): TensorToWrite => ({
  name,
  dtype,
  shape,
  data: () => bytes(values),
});

async function fileOf(...tensors: TensorToWrite[]): Promise<MemoryFolder> {
  const folder = new MemoryFolder("model");
  await folder.write("model.int8.safetensors", encodeSafetensors(tensors));
  return folder;
}

async function read(values: Float32Array, rows: number): Promise<Float32Array> {
  const { data, scales } = roundRows(values, rows);
  const folder = await fileOf(
    tensor("w", "I8", [rows, values.length / rows], data),
    tensor("w.scale", "F32", [rows], scales),
    tensor("b", "F32", [2], Float32Array.of(0.1, 3)),
  );
  const weights = await openInt8Rows(folder, "model.int8.safetensors");
  expect([...weights.tensors.keys()].toSorted()).toEqual(["b", "w"]);
  expect(await weights.readF32("b")).toEqual(Float32Array.of(0.1, 3));
  const whole = await weights.readF32("w");
  const parts = await collect(weights.streamF32("w", 12));
  expect(parts.flatMap(({ data }) => [...data])).toEqual([...whole]);
  return whole;
}

it("a value is at most half a step from the original, and rounding again changes nothing", async () => {
  const limit = Math.fround(1e30);
  // Not so small that the scales would be subnormal.
  const finite = fc.float({ noNaN: true, min: -limit, max: limit }).map((value) => (Math.abs(value) < 1e-20 ? 0 : value));
  await fc.assert(
    fc.asyncProperty(
      fc.array(finite, { minLength: 5, maxLength: 5 }),
      fc.float({ min: Math.fround(1e-10), max: 1, noNaN: true }),
      async (row, factor) => {
        const values = Float32Array.from([...row, ...row.map((value) => value * factor), 0, 0, 0, 0, 0]);
        const { data, scales } = roundRows(values, 3);
        const again = await read(values, 3);
        for (const [i, value] of values.entries()) {
          const scale = scales[Math.floor(i / 5)]!;
          expect(Math.abs(again[i]! - value)).toBeLessThanOrEqual(0.5001 * scale);
          expect(Math.abs(data[i]!)).toBeLessThanOrEqual(127);
          expect(again[i]).toBe(data[i]! * scale);
        }
        const second = roundRows(again, 3);
        expect([second.data, second.scales]).toEqual([data, scales]);
      },
    ),
    { numRuns: 200 },
  );
});

it("a matrix without its scales is refused", async () => {
  const matrix = tensor("w", "I8", [2, 3], new Int8Array(6));
  const [missing, short] = [await fileOf(matrix), await fileOf(matrix, tensor("w.scale", "F32", [3], new Float32Array(3)))];
  await expect(openInt8Rows(missing, "model.int8.safetensors")).rejects.toThrow(/"w" is I8 of shape \[2, ?3\].* are missing/);
  await expect(openInt8Rows(short, "model.int8.safetensors")).rejects.toThrow(FormatError);
});
