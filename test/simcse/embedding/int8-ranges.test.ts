/** Static int8 beside sentence-transformers' `quantize_embeddings`. */
import { expect, it } from "vitest";
import { OptionError, ShapeError } from "../../../src/errors.ts";
import { dequantizeInt8, int8Ranges, quantizeInt8 } from "../../../src/simcse/embedding/int8-ranges.ts";
import { golden, goldenVectors } from "../search/embedding-tools.ts";

const { rows, dimension, calibration_rows: calibrated } = golden;
const part = (start: number, end: number) => ({
  length: end - start,
  dimension,
  data: goldenVectors.slice(start * dimension, end * dimension),
});

it("gives the bytes of sentence-transformers", () => {
  const ranges = int8Ranges(part(0, calibrated));
  const stored = part(calibrated, rows);
  const bytes = quantizeInt8(stored, ranges);
  expect([...bytes]).toEqual([...new Int8Array(Buffer.from(golden.int8, "base64"))]);
  const back = dequantizeInt8(bytes, ranges);
  for (const [i, value] of stored.data.entries()) {
    const column = i % dimension;
    const inRange = value >= ranges.least[column]! && value <= ranges.most[column]!;
    if (inRange) expect(Math.abs(back[i]! - value)).toBeLessThanOrEqual(((ranges.most[column]! - ranges.least[column]!) / 255) * 0.51);
  }
});

it("takes a number that never changes, and refuses other lengths", () => {
  const ranges = int8Ranges({ length: 2, dimension: 2, data: Float32Array.of(1, 0, 1, 1) });
  expect([...quantizeInt8({ length: 1, dimension: 2, data: Float32Array.of(1, 0.5) }, ranges)]).toEqual([-128, -1]);
  expect(() => quantizeInt8(part(0, 1), ranges)).toThrow(ShapeError);
  expect(() => dequantizeInt8([1, 2, 3], ranges)).toThrow(ShapeError);
  expect(() => int8Ranges(part(0, 1))).toThrow(OptionError);
});
