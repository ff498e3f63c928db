/**
 * The device of a test file: opened once per file with the profile of the run (`SIMCSE_DEVICE`: full, or core for a device without
 * optional features at default limits) and closed after it. The tests fail without an adapter, and if an error of the device had no owner.
 */
import { afterAll, expect } from "vitest";
import type { Device } from "../src/gpu/device.ts";
import { openDevice } from "../src/gpu/node.ts";

/** What the run asks for. */
export const profile = process.env.SIMCSE_DEVICE === "core" ? "core" : "full";

/** Opens the device for a test file; call it at the top level. */
export async function openTestDevice(): Promise<Device> {
  const device = await openDevice({ profile });
  afterAll(() => {
    device.close();
    expect(device.uncapturedErrors).toEqual([]);
  });
  return device;
}
