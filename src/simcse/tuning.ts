/** How a device's kernels are chosen, and where that is remembered: `openTuning` of `tuning-node.ts` and `tuning-browser.ts`. */
import { Autotuner, type ChoiceStore } from "../autograd/autotuner.ts";
import type { Device } from "../gpu/device.ts";

/** As in package.json, which cannot be imported everywhere; a test holds them the same. */
export const version = "0.1.0";

export interface TuningOptions {
  /** Measure each kind of kernel once and keep the fastest; if absent, on hardware alone: a software adapter compiles each for seconds. */
  readonly autotune?: boolean | undefined;
  /** What was measured. */
  readonly onNote?: (note: string) => void;
  /** A kernel that does not run or computes wrong results on this device, and is left out. */
  readonly onWarning?: (warning: string) => void;
}

/**
 * The tuner of a device, with what `store` remembers of it. Give it to the models on the device. Software adapters are not checked: it would take them a minute, and they
 * are what the tests run on.
 */
export function openTuningIn(store: ChoiceStore, device: Device, { autotune, ...hooks }: TuningOptions = {}): Promise<Autotuner> {
  const hardware = !device.capabilities.software;
  return Autotuner.open(device, { store, version, measure: autotune ?? hardware, check: hardware, ...hooks });
}
