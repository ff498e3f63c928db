import { expect, it } from "vitest";
import { subgroupsAreInOrder } from "../../src/gpu/subgroups.ts";
import { openTestDevice } from "../device.ts";

const device = await openTestDevice();
const { subgroupSize } = device.capabilities;

it.skipIf(subgroupSize === null)("threads are dealt to subgroups in order, and a wrong number of lanes is found out", async () => {
  expect(await subgroupsAreInOrder(device.gpu, subgroupSize!, false)).toBe(true);
  expect(await subgroupsAreInOrder(device.gpu, 2 * subgroupSize!, false)).toBe(false);
});

const canAsk = subgroupSize !== null && device.capabilities.features.has("subgroup-size-control");

it.skipIf(!canAsk)("a shader can ask for a size that the adapter has, and for no other", async () => {
  expect(await subgroupsAreInOrder(device.gpu, subgroupSize!, true)).toBe(true);
  expect(await subgroupsAreInOrder(device.gpu, 2 * subgroupSize!, true)).toBe(false);
});
