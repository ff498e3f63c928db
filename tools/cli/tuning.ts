/** The options for choosing kernels, of commands that compute. */
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

/** The tuner of a command's models; it reports on standard error. */
export function tuningFor(device: Device, { autotune }: { readonly autotune?: boolean }): Promise<Autotuner> {
  return openTuning(device, {
    autotune,
    onNote: say,
    onWarning: (warning) => say(`warning: ${warning}`),
  });
}
