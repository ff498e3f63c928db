import { expect, it } from "vitest";
import { subgroupsAreInOrder } from "../../src/gpu/subgroups.ts";
import { openTestDevice } from "../device.ts";

const device = await openTestDevice();
const { subgroupSize } = device.capabilities;

it.skipIf(subgroupSize === null)("threads are dealt to subgroups in order, and a wrong number of lanes is found out", async () => {
  expect(await subgroupsAreInOrder(device.gpu, subgroupSize!)).toBe(true);
  expect(await subgroupsAreInOrder(device.gpu, 2 * subgroupSize!)).toBe(false);
});
