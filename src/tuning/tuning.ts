/** How a device's kernels are chosen, and where that is remembered: `openTuning` of `tuning-node.ts` and `tuning-browser.ts`. */

import type { Device } from "../gpu/device.ts";
import { Autotuner, type ChoiceStore } from "./autotuner.ts";

/** As in package.json, which cannot be imported everywhere; a test holds them the same. */
export const version = "0.2.0";

/** Options of `openTuning`. */
export interface TuningOptions {
  /** Measure each kind of kernel once and keep the fastest; if absent, on hardware alone: a software adapter compiles each for seconds. */
  readonly autotune?: boolean | undefined;
  /** What was measured. */
  readonly onNote?: (note: string) => void;
  /** A kernel that does not run or computes wrong results on this device, and is left out. */
  readonly onWarning?: (warning: string) => void;
}

/** Variants that are held against portable ones before they are used. Software adapters are trusted: it would take them a minute, and they are what tests run on. */
const isChecked = (device: Device) => !device.capabilities.software;

const checkingTuners = new WeakMap<Device, Promise<Autotuner>>();

/**
 * What chooses the kernels of a model that is given no tuner: each operation's own choice, among what the device computes right. One for all models of a device,
 * and forgotten with it; `openTuning` gives one that measures and remembers.
 */
export function checkingTuning(device: Device): Promise<Autotuner> {
  const known = checkingTuners.get(device);
  if (known !== undefined) return known;
  const tuner = Autotuner.open(device, {
    version,
    measure: false,
    check: isChecked(device),
    onWarning: (warning) => console.warn(warning),
  });
  checkingTuners.set(device, tuner);
  return tuner;
}

/**
 * The tuner of a device, with what `store` remembers of it. Give it to the models on the device.
 */
export function openTuningIn(store: ChoiceStore, device: Device, { autotune, ...hooks }: TuningOptions = {}): Promise<Autotuner> {
  const measure = autotune ?? !device.capabilities.software;
  return Autotuner.open(device, { store, version, measure, check: isChecked(device), ...hooks });
}
