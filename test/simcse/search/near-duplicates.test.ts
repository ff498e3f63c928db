/** Near-duplicates against every pair in float64. */
import { expect, it } from "vitest";
import { OptionError } from "../../../src/errors.ts";
import { toUnitLength } from "../../../src/simcse/embedding/unit-length.ts";
import { NearDuplicates } from "../../../src/simcse/search/near-duplicates.ts";
import { openTestDevice } from "../../device.ts";
import { normals } from "../../kernels/data.ts";
import { innerProducts } from "../../reference/search.ts";

const device = await openTestDevice();

it("keeps the first of several alike, however the rows come in", async () => {
  // Large enough that the device compares all rows at once; the host does smaller parts.
  const [rows, dimension, threshold] = [1300, 64, 0.9];
  const noise = normals(rows * dimension, 1);
  // Every row is near one of 300, so that most repeat an earlier one.
  const centres = normals(300 * dimension, 2);
  const vectors = Float32Array.from(
    noise,
    (value, i) => centres[((Math.floor(i / dimension) * 7) % 300) * dimension + (i % dimension)]! + 0.2 * value,
  );
  const cosines = innerProducts(toUnitLength(vectors, dimension), toUnitLength(vectors, dimension), dimension);
  const kept: number[] = [];
  const expected = Array.from({ length: rows }, (_, row) => {
    const best = kept.reduce<number | null>(
      (found, other) => (cosines[row * rows + other]! > (found === null ? threshold : cosines[row * rows + found]!) ? other : found),
      null,
    );
    if (best === null) kept.push(row);
    return best;
  });
  for (const step of [rows, 700, 3]) {
    using finder = new NearDuplicates(device, dimension, threshold);
    const end = step === 3 ? 60 : rows;
    const found = [];
    for (let start = 0; start < end; start += step)
      found.push(...(await finder.add(vectors.subarray(start * dimension, Math.min(end, start + step) * dimension))));
    expect(found.map((duplicate) => duplicate?.row ?? null)).toEqual(expected.slice(0, end));
    for (const [row, duplicate] of found.entries())
      if (duplicate) expect(duplicate.score).toBeCloseTo(cosines[row * rows + duplicate.row]!, 5);
  }
  expect(kept.length).toBeLessThan(rows / 2);
});

it("takes equal vectors for duplicates at a threshold of 1, and refuses what is no cosine", async () => {
  using finder = new NearDuplicates(device, 3, 1);
  expect(await finder.add(Float32Array.of(1, 2, 3, 0, 1, 0, 2, 4, 6))).toMatchObject([null, null, { row: 0 }]);
  expect(await finder.add(Float32Array.of(0, 5, 0))).toMatchObject([{ row: 1 }]);
  const damaged = Float32Array.of(1, 2, 3, 0, Number.NaN, 0);
  await expect(finder.add(damaged)).rejects.toThrow("Number 1 of vector 5 is NaN.");
  for (const threshold of [-1, 1.1, Number.NaN]) expect(() => new NearDuplicates(device, 3, threshold)).toThrow(OptionError);
});
