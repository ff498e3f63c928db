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
  /** Told what is being done, and each row when it is measured, so that a run that is ended shows what it had. */
  readonly say: (line: string) => void;
}

/** What openBench is told. */
export interface BenchOptions {
  readonly quick: boolean;
  readonly say: (line: string) => void;
}

export async function openBench(device: Device, { quick, say }: BenchOptions): Promise<Bench> {
  say("measuring the ceilings");
  return { device, quick, say, ceilings: await measureCeilings(device), rounds: quick ? 3 : device.capabilities.software ? 7 : 25 };
}

/** Tells a row that was measured, and returns it. */
export function sayRow({ say }: Bench, row: string[]): string[] {
  say(row.filter((cell) => cell !== "").join(" | "));
  return row;
}
