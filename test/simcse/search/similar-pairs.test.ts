/** Paraphrase mining and clusters beside sentence-transformers', and cosines on the GPU beside float64. */
import { expect, it } from "vitest";
import { DataError, OptionError } from "../../../src/errors.ts";
import { communities } from "../../../src/simcse/search/communities.ts";
import { cosineMatrix } from "../../../src/simcse/search/cosine-blocks.ts";
import { similarPairs } from "../../../src/simcse/search/similar-pairs.ts";
import { VectorIndex } from "../../../src/simcse/search/vector-index.ts";
import { openTestDevice } from "../../device.ts";
import { normals } from "../../kernels/data.ts";
import { golden, goldenVectors } from "./embedding-tools.ts";

const device = await openTestDevice();
const { rows, dimension } = golden;
const vectors = { length: rows, dimension, data: goldenVectors };

it("mines the pairs of sentence-transformers' paraphrase_mining", async () => {
  const found = await similarPairs(device, vectors, { maxPairs: golden.pairs.length });
  const key = (first: number, second: number) => `${first} ${second}`;
  expect(new Set(found.map(({ first, second }) => key(first, second)))).toEqual(new Set(golden.pairs.map(([a, b]) => key(a, b))));
  for (const [i, { score }] of found.entries()) expect(score).toBeCloseTo(golden.pairs[i]![2], 5);
  const above = await similarPairs(device, vectors, { threshold: 0.95 });
  expect(above).toEqual(found.filter(({ score }) => score >= 0.95));
});

it("clusters like sentence-transformers' community_detection", async () => {
  const found = await communities(device, vectors, { threshold: golden.threshold, minSize: golden.min_size });
  expect(found.map(({ rows }) => rows)).toEqual(golden.communities);
  for (const { scores } of found) expect(scores).toEqual([...scores].sort((a, b) => b - a));
});

it("clusters repeated vectors like different ones, also where their pairs would not fit in memory", async () => {
  const minSize = golden.min_size;
  // Every row three times in a row: the same communities, each row followed by its copies.
  const tripled = Float32Array.from({ length: 3 * goldenVectors.length }, (_, i) => {
    const row = Math.floor(i / dimension / 3);
    return goldenVectors[row * dimension + (i % dimension)]!;
  });
  const found = await communities(
    device,
    { length: 3 * rows, dimension, data: tripled },
    { threshold: golden.threshold, minSize: 3 * minSize },
  );
  expect(found.map((one) => one.rows)).toEqual(golden.communities.map((own) => own.flatMap((row) => [3 * row, 3 * row + 1, 3 * row + 2])));
  const many = 10_000;
  const same = { length: many, dimension: 4, data: new Float32Array(4 * many).fill(1) };
  const [all, ...none] = await communities(device, same);
  expect(none).toEqual([]);
  expect(all!.rows).toEqual(Array.from({ length: many }, (_, row) => row));
});

it("gives the same on the GPU, over the edges of blocks", async () => {
  // Large enough for the GPU: two blocks of rows and two of columns.
  const [left, right] = [1100, 4200];
  const many = { length: right, dimension, data: normals(right * dimension, 5) };
  const few = { length: left, dimension, data: many.data.slice(0, left * dimension) };
  const matrix = await cosineMatrix(device, few, many);
  const row = (i: number) => many.data.subarray(i * dimension, (i + 1) * dimension);
  const norm = (i: number) => Math.hypot(...row(i));
  for (const i of [0, 1, 1023, 1024, 1099]) {
    for (const j of [0, i, 4095, 4096, 4199])
      expect(matrix[i]![j]).toBeCloseTo(row(i).reduce((sum, value, k) => sum + value * row(j)[k]!, 0) / norm(i) / norm(j), 5);
  }
  const expected: string[] = [];
  matrix.forEach((cosines, i) => {
    for (let j = i + 1; j < left; j++) if (cosines[j]! >= 0.8) expected.push(`${i} ${j}`);
  });
  const pairs = (await similarPairs(device, many, { threshold: 0.8 })).filter(({ second }) => second < left);
  expect(pairs.map(({ first, second }) => `${first} ${second}`).sort()).toEqual(expected.sort());
  expect(pairs.length).toBeGreaterThan(10);
});

it("finds every equal vector at a threshold of 1, with a cosine of 1", async () => {
  const [count, width] = [40, 384];
  const once = normals(count * width, 6);
  const twice = Float32Array.of(...once, ...once);
  const all = { length: 2 * count, dimension: width, data: twice };
  const pairs = await similarPairs(device, all, { threshold: 1 });
  expect(pairs).toEqual(Array.from({ length: count }, (_, i) => ({ first: i, second: count + i, score: 1 })));
  expect(await communities(device, all, { threshold: 1, minSize: 2 })).toHaveLength(count);
  using index = new VectorIndex(device, width);
  index.add(twice);
  for (const [i, found] of (await index.search(once, { threshold: 1 })).entries()) {
    expect(found.map(({ row }) => row).sort((a, b) => a - b)).toEqual([i, count + i]);
    expect(found.every(({ score }) => score === 1)).toBe(true);
  }
});

it("refuses what cannot be compared", async () => {
  const bad = { ...vectors, data: goldenVectors.with(20, Number.NaN) };
  await expect(similarPairs(device, bad)).rejects.toThrow("Number 4 of vector 1 is NaN");
  await expect(communities(device, bad)).rejects.toThrow(DataError);
  const bits = { ...vectors, data: new Uint8Array(vectors.data.length) as never };
  await expect(similarPairs(device, bits)).rejects.toThrow("The numbers of vectors are a Uint8Array");
  await expect(similarPairs(device, vectors, { threshold: 2 })).rejects.toThrow(OptionError);
  await expect(similarPairs(device, vectors, { maxPairs: 0 })).rejects.toThrow(OptionError);
  await expect(communities(device, vectors, { minSize: 1.5 })).rejects.toThrow(OptionError);
  await expect(communities(device, vectors, { minsize: 2 } as object)).rejects.toThrow("communities has no option");
  expect(await communities(device, { length: 0, dimension, data: new Float32Array(0) })).toEqual([]);
  expect(await similarPairs(device, { length: 1, dimension, data: goldenVectors.slice(0, dimension) })).toEqual([]);
});
