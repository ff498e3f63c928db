/** How a device's kernels are chosen and where the choices are cached: `openTuning` of `tuning-node.ts` and `tuning-browser.ts`. */

import type { Device } from "../gpu/device.ts";
import { Autotuner } from "./autotuner.ts";
import type { ChoiceStore } from "./choice-cache.ts";

/** The version in package.json, which cannot be imported everywhere; a test compares both. */
export const version = "0.2.0";

/** Options of `openTuning`. */
export interface TuningOptions {
  /**
   * Measure each kind of kernel once and keep the fastest. If absent, only on hardware: a software adapter compiles each kernel for
   * seconds.
   */
  readonly autotune?: boolean | undefined;
  /** What was measured. */
  readonly onNote?: (note: string) => void;
  /** A kernel that fails to run or has wrong results on this device; it is not used. */
  readonly onWarning?: (warning: string) => void;
}

/**
 * Whether variants are checked before their first use. Software adapters are trusted: a check would take them a minute, and the tests run
 * on them.
 */
const isChecked = (device: Device) => !device.capabilities.software;

const checkingTuners = new WeakMap<Device, Promise<Autotuner>>();

/**
 * The tuner of a model that was given none: each operation's own choice, among the variants with correct results. All models of a device
 * share it. It caches nothing; `openTuning` opens one that measures and caches.
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

/** The tuner of a device, with the results that `store` has cached for it. Give it to the models on the device. */
export function openTuningIn(store: ChoiceStore, device: Device, { autotune, ...hooks }: TuningOptions = {}): Promise<Autotuner> {
  const measure = autotune ?? !device.capabilities.software;
  return Autotuner.open(device, { store, version, measure, check: isChecked(device), ...hooks });
}
