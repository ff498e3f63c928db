/** A device's tuning in a browser, cached in `localStorage`. */

import type { Device } from "../gpu/device.ts";
import { BrowserStorage } from "../io/folders/browser-storage.ts";
import type { Autotuner } from "./autotuner.ts";
import { openTuningIn, type TuningOptions } from "./tuning.ts";

/** The tuner of a device. Where the page may not use storage, results last as long as the page. */
export function openTuning(device: Device, options: TuningOptions = {}): Promise<Autotuner> {
  return openTuningIn(new BrowserStorage("simcse-webgpu/tuning/"), device, options);
}
