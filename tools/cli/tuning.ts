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
    "measure each kernel's variants once and cache the fastest (default: on hardware; on a software adapter each variant takes seconds to compile)",
  ),
  new Option("--no-autotune", "choose kernels by fixed rules, without measuring"),
];

/** The tuner that a command's models choose kernels with; it speaks on standard error. */
export function tuningFor(device: Device, { autotune }: { readonly autotune?: boolean }): Promise<Autotuner> {
  return openTuning(device, {
    autotune,
    onNote: say,
    onWarning: (warning) => say(`warning: ${warning}`),
  });
}
