/**
 * Parameters in the page's address, so that a program can drive it:
 *
 *     ?run=kernels|benchmarks|training   run at once, and publish the outcome (see `outcome.ts`)
 *     &benchmarks=products    only these benchmarks, separated by commas
 *     &profile=full|core      everything the adapter offers, or only what WebGPU guarantees
 *     &steps=20               training steps
 *     &batch=64               sentences per step
 *     &pairs=100              held-out pairs to score, 0 for none
 */
import { OptionError } from "../../src/errors.ts";
import type { DeviceOptions } from "../../src/gpu/device.ts";
import { type BenchmarkName, benchmarkNames } from "./benchmark-names.ts";

export type Run = "kernels" | "benchmarks" | "training";
export type Profile = NonNullable<DeviceOptions["profile"]>;

export interface PageParameters {
  readonly run: Run | null;
  readonly profile: Profile;
  readonly benchmarks: readonly BenchmarkName[];
  /** Null if the address does not say. */
  readonly steps: number | null;
  readonly batch: number | null;
  readonly pairs: number | null;
}

/** Reads the query part of an address. Throws `OptionError` for any other value. */
export function parseParameters(query: string): PageParameters {
  const given = new URLSearchParams(query);
  const oneOf = <T extends string>(name: string, text: string, choices: readonly T[]): T => {
    const chosen = choices.find((each) => each === text);
    if (chosen !== undefined) return chosen;
    throw new OptionError(`${name}=${text} in the address is not possible.`, `Use one of ${choices.join(", ")}.`);
  };
  const choice = <T extends string>(name: string, choices: readonly T[]): T | null => {
    const text = given.get(name);
    return text === null ? null : oneOf(name, text, choices);
  };
  const count = (name: string, least: number): number | null => {
    const text = given.get(name);
    if (text === null) return null;
    if (/^\d{1,6}$/.test(text) && Number(text) >= least) return Number(text);
    throw new OptionError(`${name}=${text} in the address is not possible.`, `Use a whole number from ${least} to 999999.`);
  };
  return {
    run: choice("run", ["kernels", "benchmarks", "training"]),
    profile: choice("profile", ["full", "core"]) ?? "full",
    benchmarks:
      given
        .get("benchmarks")
        ?.split(",")
        .map((text) => oneOf("benchmarks", text, benchmarkNames)) ?? benchmarkNames,
    steps: count("steps", 1),
    batch: count("batch", 2),
    pairs: count("pairs", 0),
  };
}
