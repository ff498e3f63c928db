import { afterAll, describe, expect, it } from "vitest";
import { ceilingLoads, measureCeilings } from "../../src/gpu/ceilings.ts";
import { openDevice } from "../../src/gpu/node.ts";
import { openTestDevice } from "../device.ts";

const device = await openTestDevice();
const everything = await openDevice({ backend: "null" });
afterAll(() => everything.close());

it("measures what the adapter has", async () => {
  const { f32, f16, matrix, bandwidth } = await measureCeilings(device);
  expect(f32).toBeGreaterThan(0);
  expect(bandwidth).toBeGreaterThan(0);
  expect(f16 === null).toBe(!device.capabilities.features.has("shader-f16"));
  expect(matrix === null).toBe(device.capabilities.subgroupMatrices.length === 0);
  expect(device.uncapturedErrors).toEqual([]);
});

describe.each([
  { M: 16, N: 16, K: 16, lanes: 32 },
  { M: 8, N: 8, K: 8, lanes: 32 },
])("with matrix units of $M × $N × $K", ({ lanes, ...sizes }) => {
  it("compiles every load", async () => {
    const subgroupMatrices = [{ ...sizes, componentType: "f16", resultComponentType: "f32" }];
    const loads = Object.values(ceilingLoads({ ...everything.capabilities, subgroupSize: lanes, subgroupMatrices }));
    expect(loads).not.toContain(null);
    const shaders = loads.flatMap((load) => [load!.shader, load!.preparation ?? load!.shader]);
    await Promise.all(shaders.map((shader) => everything.pipeline(shader)));
    expect(everything.uncapturedErrors).toEqual([]);
  });
});
