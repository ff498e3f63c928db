/** What all benchmarks share: the device, its measured ceilings, and how often to measure. */
import { type Ceilings, measureCeilings } from "../src/gpu/ceilings.ts";
import type { Device } from "../src/gpu/device.ts";

export interface Bench {
  readonly device: Device;
  readonly ceilings: Ceilings;
  /** Few shapes and few rounds, as a smoke test. */
  readonly quick: boolean;
  /** Number of measurements per subject. */
  readonly rounds: number;
}

export async function openBench(device: Device, { quick }: { quick: boolean }): Promise<Bench> {
  return { device, quick, ceilings: await measureCeilings(device), rounds: quick ? 3 : device.capabilities.software ? 7 : 25 };
}
