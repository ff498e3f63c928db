/** A device's tuning in Node, cached in the user's cache folder. */
import { join } from "node:path";
import type { Device } from "../gpu/device.ts";
import { CacheFolder, cacheFolder } from "../io/folders/cache-folder-node.ts";
import type { Autotuner } from "./autotuner.ts";
import { openTuningIn, type TuningOptions } from "./tuning.ts";

/** The tuner of a device; caches in `~/.cache/simcse-webgpu/tuning`, or below `XDG_CACHE_HOME`. */
export function openTuning(device: Device, options: TuningOptions = {}): Promise<Autotuner> {
  return openTuningIn(new CacheFolder(join(cacheFolder(), "tuning")), device, options);
}
