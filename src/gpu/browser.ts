/** Opens a device in a browser (or any place with `navigator.gpu`). */
import { DeviceError } from "../errors.ts";
import { type Device, type DeviceOptions, openDeviceOn } from "./device.ts";
import { askingMeanwhile, pollsByTimer } from "./firefox-polling.ts";

/** Opens a WebGPU device. Throws `DeviceError` where the browser has no WebGPU or no adapter. */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  const gpu = globalThis.navigator?.gpu;
  if (gpu !== undefined) return openDeviceOn(gpu, options, { waitFor: pollsByTimer() ? askingMeanwhile : undefined });
  if (isBrowser()) {
    throw new DeviceError(
      "This browser has no WebGPU.",
      "Use a current Chrome, Edge, Firefox or Safari, on https:// or localhost. In Firefox on Linux, set dom.webgpu.enabled in about:config.",
    );
  }
  throw new DeviceError(
    "There is no navigator.gpu, which code for browsers opens a device on.",
    "In Node and Bun, import `openDevice` and `SimCSE` from simcse-webgpu, and not from simcse-webgpu/browser.",
  );
}

/** Node, Bun and Deno have no document, and no global of web workers outside them. */
const isBrowser = (): boolean => "document" in globalThis || "WorkerGlobalScope" in globalThis;
