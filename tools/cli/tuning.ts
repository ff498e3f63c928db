/** The options of commands that compute: how kernels are chosen. */
import { Option } from "commander";
import type { Device } from "../../src/gpu/device.ts";
import type { Autotuner } from "../../src/tuning/autotuner.ts";
import { openTuning } from "../../src/tuning/tuning-node.ts";
import { flag } from "./options.ts";
import { say } from "./say.ts";

export const tuningOptions: readonly Option[] = [
  flag(
    "autotune",
    "measure each kernel's variants once and remember the fastest (default: on hardware; a software adapter compiles each for seconds)",
  ),
  new Option("--no-autotune", "choose kernels by rule"),
];

/** The tuner that a command's models choose kernels with; it speaks on standard error. */
export function tuningFor(device: Device, { autotune }: { readonly autotune?: boolean }): Promise<Autotuner> {
  return openTuning(device, {
    autotune,
    onNote: say,
    onWarning: (warning) => say(`warning: ${warning}`),
  });
}
