/**
 * The device a test file runs on: opened once a file with the profile the run asks for (`SIMCSE_DEVICE`: full, or core for a device without
 * optional features at default limits) and closed after it. Without an adapter the tests fail. So they do when an error of the device had no owner.
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
