/** The app's map: points are the coordinates along the two directions in which vectors differ most, whatever the start. */
import { afterAll, expect, it } from "vitest";
import { SentenceMapper } from "../../web/worker/sentence-map.ts";
import { openTestDevice } from "../device.ts";
import { normals } from "../kernels/data.ts";

const [count, dimension] = [57, 19];
const device = await openTestDevice();
const mapper = await SentenceMapper.create(device, count, dimension);
afterAll(() => mapper.close());

/** Coordinates with a mean of zero, a spread, and no correlation with `other`. */
function coordinates(seed: number, spread: number, other?: Float64Array): Float64Array {
  const values = Float64Array.from(normals(count, seed));
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const centred = values.map((value) => value - mean);
  const along = other ? dot(centred, other) / dot(other, other) : 0;
  return centred.map((value, i) => spread * (value - along * (other?.[i] ?? 0)));
}

/** Vectors with these coordinates along two axes at right angles, around a point that is not the origin. */
const vectors = (x: Float64Array, y: Float64Array) =>
  Float32Array.from({ length: count * dimension }, (_, i) => {
    const [row, column] = [Math.floor(i / dimension), i % dimension];
    const [u, v] = [column < 9 ? 1 / 3 : 0, column < 9 ? 0 : 1 / Math.sqrt(dimension - 9)];
    return 0.5 + column / dimension + x[row]! * u + y[row]! * v;
  });

function expectPoints(points: Float32Array, axes: readonly Float64Array[]): void {
  for (const [at, axis] of axes.entries()) {
    const found = Float64Array.from({ length: count }, (_, row) => points[2 * row + at]!);
    const sign = Math.sign(found[0]! * axis[0]!);
    axis.forEach((value, row) => {
      expect(Math.abs(sign * found[row]! - value)).toBeLessThan(1e-3);
    });
  }
}

it("finds the two directions, the larger first, and goes on from the last ones", async () => {
  const x = coordinates(1, 2);
  const y = coordinates(2, 0.7, x);
  expectPoints(await mapper.map(vectors(x, y)), [x, y]);
  const turned = coordinates(3, 0.6, x);
  expectPoints(await mapper.map(vectors(x, turned)), [x, turned]);
});
