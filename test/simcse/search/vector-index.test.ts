/** Exact search, in every precision, against float64 inner products: the results, their order, and their changes after additions and removals. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ClosedError, DataError, OptionError, ShapeError } from "../../../src/errors.ts";
import { openDevice } from "../../../src/gpu/node.ts";
import { type Precision, precisions } from "../../../src/kernels/search/precision.ts";
import { decodeRows, encodeRows } from "../../../src/simcse/embedding/precision.ts";
import { toUnitLength } from "../../../src/simcse/embedding/unit-length.ts";
import { VectorIndex } from "../../../src/simcse/search/vector-index.ts";
import { openTestDevice, profile } from "../../device.ts";
import { normals } from "../../kernels/data.ts";
import { innerProducts, largest } from "../../reference/search.ts";

const device = await openTestDevice();
const everything = { threshold: -2 };

/** Unit vectors as an index of a precision scores them in the end. */
function asScored(precision: Precision, rescore: boolean, vectors: Float32Array, dimension: number): Float32Array {
  const unit = toUnitLength(vectors, dimension);
  const kept = (precision === "int8" || precision === "binary") && rescore ? "f16" : precision;
  return decodeRows(kept, encodeRows(kept, unit, dimension), dimension);
}

describe.each(["f32", "f16"] as const)("a %s index", (precision) => {
  it.each([
    [1, 7],
    [7, 1],
    [57, 57],
    [1001, 33],
    [70_001, 8],
  ])("of %i vectors of %i numbers finds the nearest, as float64 does", async (rows, dimension) => {
    const vectors = normals(rows * dimension, rows);
    const queries = normals(33 * dimension, rows + 1);
    const index = new VectorIndex(device, dimension, { precision });
    index.add(vectors);
    const exact = innerProducts(toUnitLength(queries, dimension), asScored(precision, false, vectors, dimension), dimension);
    const all = await index.search(queries, { ...everything, topK: 7 });
    const alone = await index.search(queries.subarray(0, dimension), { ...everything, topK: 7 });
    // A query's results do not depend on the others.
    expect(alone[0]).toEqual(all[0]);
    for (const [query, found] of all.entries()) {
      const scores = exact.subarray(query * rows, (query + 1) * rows);
      const expected = largest(scores, 7);
      expect(found.length).toBe(expected.length);
      for (const [j, { row, score }] of found.entries()) {
        // Two rows may change places only where their scores agree to f32 sums of `dimension` products.
        expect(score).toBeCloseTo(scores[row]!, 6);
        expect(scores[row]!).toBeCloseTo(scores[expected[j]!]!, 6);
      }
    }
    index.close();
  });
});

it.each(["f32", "binary"] as const)("finds the nearest of some rows: %s", async (precision) => {
  const [rows, dimension] = [70_001, 8];
  const vectors = normals(rows * dimension, 7);
  const query = normals(dimension, 8);
  const index = new VectorIndex(device, dimension, { precision, rescore: false });
  index.add(vectors);
  const all = (await index.search(query, { topK: 1000 }))[0]!;
  for (const taken of [(row: number) => row % 7 === 3, (row: number) => row > 69_990, (row: number) => row === 65_536, () => false]) {
    const mask = new Uint32Array(Math.ceil(rows / 32));
    for (let row = 0; row < rows; row++) if (taken(row)) mask[row >> 5]! |= 1 << (row & 31);
    const [found] = await index.search(query, { topK: 10, rows: mask });
    // Those of the whole search that are taken come first, in the same order; the rest are further away.
    const expected = all.filter(({ row }) => taken(row)).slice(0, 10);
    expect(found!.slice(0, expected.length)).toEqual(expected);
    expect(found!.every(({ row }) => taken(row))).toBe(true);
    expect(found!.length).toBe(Math.min(10, Array.from({ length: rows }, (_, row) => row).filter(taken).length));
  }
  index.close();
});

describe("an index of few bits", () => {
  const [rows, dimension] = [5000, 64];
  // Queries near a vector each, as a paraphrase is to its sentence.
  const vectors = normals(rows * dimension, 1);
  const noise = normals(16 * dimension, 2);
  const queries = vectors.slice(0, 16 * dimension).map((value, i) => value + 0.7 * noise[i]!);

  it.each(["int8", "binary"] as const)("scores again with halves: %s", async (precision) => {
    const index = new VectorIndex(device, dimension, { precision });
    index.add(vectors);
    const exact = innerProducts(toUnitLength(queries, dimension), asScored(precision, true, vectors, dimension), dimension);
    const found = await index.search(queries, { ...everything, topK: 5 });
    for (const [query, results] of found.entries()) {
      expect(results[0]!.row).toBe(query);
      for (const { row, score } of results) expect(score).toBeCloseTo(exact[query * rows + row]!, 6);
      expect(results.map(({ score }) => score)).toEqual(results.map(({ score }) => score).toSorted((a, b) => b - a));
    }
    index.close();
  });

  it.each(["int8", "binary"] as const)("gives the scores of its own bits without: %s", async (precision) => {
    const index = new VectorIndex(device, dimension, { precision, rescore: false });
    index.add(vectors);
    const own = asScored(precision, false, vectors, dimension);
    const unit = toUnitLength(queries, dimension);
    const left = precision === "binary" ? decodeRows("binary", encodeRows("binary", unit, dimension), dimension) : unit;
    const exact = innerProducts(left, own, dimension);
    for (const [query, results] of (await index.search(queries, everything)).entries()) {
      const expected = largest(exact.subarray(query * rows, (query + 1) * rows), 5);
      results.forEach(({ row, score }, j) => {
        expect(score).toBeCloseTo(exact[query * rows + row]!, 5);
        expect(score).toBeCloseTo(exact[query * rows + expected[j]!]!, 5);
      });
    }
    index.close();
  });
});

it.each(precisions)("equal vectors come in the order in which they were added: %s", async (precision) => {
  const [rows, dimension] = [200, 16];
  const one = normals(dimension, 3);
  const index = new VectorIndex(device, dimension, { precision });
  index.add(Float32Array.from({ length: rows * dimension }, (_, i) => one[i % dimension]!));
  const [found] = await index.search(one, { topK: 20 });
  expect(found!.map(({ row }) => row)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  index.close();
});

it("is the same index however its vectors were added and removed, also in many segments", async () => {
  const dimension = 8;
  // 128 vectors of f32 in a segment.
  await using narrow = await openDevice({ profile, largestBinding: 4096 });
  const pool = normals(400 * dimension, 4);
  const vector = (i: number) => pool.subarray(i * dimension, (i + 1) * dimension);
  const joined = (ids: readonly number[]) => Float32Array.from(ids.flatMap((i) => [...vector(i)]));
  const change = fc.oneof(
    fc.record({ add: fc.array(fc.nat(399), { minLength: 1, maxLength: 150 }) }),
    fc.record({ remove: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 }) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 5 }),
      fc.constantFrom(...precisions),
      fc.boolean(),
      async (changes, precision, isNarrow) => {
        const index = new VectorIndex(isNarrow ? narrow : device, dimension, { precision });
        let ids: number[] = [];
        for (const step of changes) {
          if ("add" in step) {
            index.add(joined(step.add));
            ids.push(...step.add);
          } else {
            const rows = new Set(step.remove.map((at) => Math.floor(at * Math.max(0, ids.length - 1))));
            index.remove(rows);
            ids = ids.filter((_, row) => !rows.has(row));
          }
          // A search between changes: the device's copy must follow.
          await index.search(vector(0), everything);
        }
        const fresh = new VectorIndex(device, dimension, { precision });
        if (ids.length > 0) fresh.add(joined(ids));
        expect(index.length).toBe(ids.length);
        const queries = pool.subarray(0, 3 * dimension);
        expect(await index.search(queries, everything)).toEqual(await fresh.search(queries, everything));
        index.close();
        fresh.close();
      },
    ),
    { numRuns: 24 },
  );
});

it("leaves the rows before a removed one where they are, also on the device", async () => {
  const dimension = 8;
  await using narrow = await openDevice({ profile, largestBinding: 4096 });
  const index = new VectorIndex(narrow, dimension);
  const vectors = normals(600 * dimension, 9);
  index.add(vectors);
  await index.search(vectors.subarray(0, dimension));
  expect(index.segments.length).toBe(5);
  let written = 0;
  const write = narrow.write.bind(narrow);
  narrow.write = (buffer, offset, data) => {
    if (buffer.label.startsWith("vectors of an index")) written += data.byteLength;
    write(buffer, offset, data);
  };
  const before = [...index.segments];
  index.remove(new Set([300]));
  expect(index.segments).toEqual(before);
  const [best] = await index.search(vectors.subarray(301 * dimension, 302 * dimension), { topK: 1 });
  expect(best![0]!.row).toBe(300);
  // From the block of 64 rows with the removed one on: rows 256 to 598, and no more.
  expect(written).toBe((599 - 256 + 41) * dimension * 4);
  index.close();
});

it("keeps to the threshold, and refuses what cannot be searched", async () => {
  const index = new VectorIndex(device, 2);
  expect(await index.search(Float32Array.of(1, 0))).toEqual([[]]);
  index.add(Float32Array.of(1, 0, 0.6, 0.8, 0.5, 0.9));
  expect((await index.search(Float32Array.of(3, 0)))[0]!.map(({ row }) => row)).toEqual([0, 1, 2]);
  expect((await index.search(Float32Array.of(3, 0), { threshold: 0.6 }))[0]!.map(({ row }) => row)).toEqual([0, 1]);
  expect((await index.search(Float32Array.of(3, 0), { threshold: 0.9 }))[0]!.length).toBe(1);
  expect((await index.search(Float32Array.of(3, 0), { topK: 1 }))[0]!.length).toBe(1);
  await expect(index.search(Float32Array.of(1, 0), { topK: 0 })).rejects.toThrow(OptionError);
  await expect(index.search(Float32Array.of(1, 0), { threshold: Number.NaN })).rejects.toThrow(OptionError);
  await expect(index.search(Float32Array.of(1, 0, 0))).rejects.toThrow(ShapeError);
  expect(() => index.add(Float32Array.of(1, Number.NaN))).toThrow(DataError);
  await expect(index.search(Float32Array.of(1, 0), { topk: 1 } as object)).rejects.toMatchObject({
    remedy: expect.stringContaining("Did you mean topK?"),
  });
  index.close();
  await expect(index.search(Float32Array.of(1, 0))).rejects.toThrow(ClosedError);
  expect(() => index.add(Float32Array.of(1, 0))).toThrow(ClosedError);
});

it.each([0, -4, 1.5, "8", Number.NaN])("vectors of %s numbers are refused", (dimension) => {
  expect(() => new VectorIndex(device, dimension as number)).toThrow(OptionError);
});
