/**
 * Parameters in the page's address, so that a program can drive it:
 *
 *     ?run=kernels|training   run at once, and publish the outcome (see `outcome.ts`)
 *     &profile=full|core      everything the adapter offers, or only what WebGPU guarantees
 *     &steps=20               training steps
 *     &batch=64               sentences per step
 *     &pairs=100              held-out pairs to score, 0 for none
 */
import { OptionError } from "../../src/errors.ts";
import type { DeviceOptions } from "../../src/gpu/device.ts";

export type Run = "kernels" | "training";
export type Profile = NonNullable<DeviceOptions["profile"]>;

export interface PageParameters {
  readonly run: Run | null;
  readonly profile: Profile;
  /** Null if the address does not say. */
  readonly steps: number | null;
  readonly batch: number | null;
  readonly pairs: number | null;
}

/** Reads the query part of an address. Throws `OptionError` for any other value. */
export function parseParameters(query: string): PageParameters {
  const given = new URLSearchParams(query);
  const choice = <T extends string>(name: string, choices: readonly T[]): T | null => {
    const text = given.get(name);
    const chosen = choices.find((each) => each === text) ?? null;
    if (text !== null && chosen === null)
      throw new OptionError(`${name}=${text} in the address is not possible.`, `Use one of ${choices.join(", ")}.`);
    return chosen;
  };
  const count = (name: string, least: number): number | null => {
    const text = given.get(name);
    if (text === null) return null;
    if (/^\d{1,6}$/.test(text) && Number(text) >= least) return Number(text);
    throw new OptionError(`${name}=${text} in the address is not possible.`, `Use a whole number from ${least} to 999999.`);
  };
  return {
    run: choice("run", ["kernels", "training"]),
    profile: choice("profile", ["full", "core"]) ?? "full",
    steps: count("steps", 1),
    batch: count("batch", 2),
    pairs: count("pairs", 0),
  };
}
