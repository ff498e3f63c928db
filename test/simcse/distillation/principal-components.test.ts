/** Principal components beside NumPy's singular value decomposition (test/golden/principal_components.py). */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { principalComponents, project } from "../../../src/simcse/distillation/principal-components.ts";
import { uniform } from "../../uniform.ts";

const golden = JSON.parse(readFileSync(new URL("../../golden/principal_components.json", import.meta.url), "utf8")) as {
  readonly rows: number;
  readonly dimension: number;
  readonly components: number;
  readonly matrix: readonly number[];
  readonly projected: readonly number[];
  readonly kept: number;
};

const { rows: length, dimension, components } = golden;
const vectors = {
  length,
  dimension,
  data: Float32Array.from(uniform(91, length * dimension), (value, i) => value * 0.75 ** (i % dimension) + 0.125),
};

const expectNear = (found: Float32Array, expected: readonly number[]) => {
  expect(found.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(2e-6);
};

it("are those of NumPy, and so are the projected vectors", async () => {
  const projection = await principalComponents(vectors, components);
  expectNear(projection.matrix, golden.matrix);
  expect(projection.kept).toBeCloseTo(golden.kept, 6);
  expectNear(project(vectors, projection).data, golden.projected);
});

it("are of vectors that are numbers and finite", async () => {
  const bytes = new Uint8Array(length * dimension) as never;
  await expect(principalComponents({ ...vectors, data: bytes }, components)).rejects.toThrow("Uint8Array");
  await expect(principalComponents({ ...vectors, data: vectors.data.with(dimension, Number.NaN) }, components)).rejects.toThrow("vector 1");
});

it("keep all cosines when none is left out", async () => {
  const projection = await principalComponents(vectors, dimension);
  const { data } = project(vectors, projection);
  const dot = (of: Float32Array, a: number, b: number) =>
    Array.from({ length: dimension }, (_, i) => of[a * dimension + i]! * of[b * dimension + i]!).reduce((sum, one) => sum + one, 0);
  for (let row = 1; row < length; row++) expect(dot(data, 0, row)).toBeCloseTo(dot(vectors.data, 0, row), 5);
});

it("are at most as many as the vectors have numbers", async () => {
  await expect(principalComponents(vectors, dimension + 1)).rejects.toThrow(`no ${dimension + 1} principal components`);
  const projection = await principalComponents(vectors, 2);
  expect(() => project({ length: 1, dimension: 2, data: new Float32Array(2) }, projection)).toThrow(/takes 12/);
});
