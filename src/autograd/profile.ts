/**
 * The time of each kernel in profiled steps, compared with the adapter's ceilings.
 *
 * A kernel takes at least as long as its arithmetic at the arithmetic ceiling, and at least as long as its memory traffic at full
 * bandwidth. The longer of the two is its roofline time (Williams, Waterman & Patterson 2009). Roofline time divided by measured time is
 * the share of the ceiling. Some kernels count their operations. Traffic is the bytes of the tensors that a kernel reads and of those
 * that it writes, each counted once.
 */
import type { Ceilings } from "../gpu/ceilings.ts";
import type { DispatchProfile } from "./program.ts";

/** One kernel's dispatches, averaged over the profiled steps. */
export interface KernelRow {
  readonly kernel: string;
  /** Dispatches per step. */
  readonly count: number;
  readonly milliseconds: number;
  /** Share of the time of all kernels, 0 to 1. */
  readonly share: number;
  /** 10⁹ floating-point operations per second; null where the kernel does not count them. */
  readonly gigaflops: number | null;
  /** 10⁹ bytes per second. */
  readonly gigabytes: number;
  /** Share of the adapter's ceiling; 1 is the limit. */
  readonly ofCeiling: number;
}

/** Measured seconds of a dispatch. */
export const secondsOf = ({ begin, end }: Pick<DispatchProfile, "begin" | "end">): number => (end - begin) / 1e9;

/** The least seconds that a dispatch can take. */
export function rooflineSeconds({ flop, bytes, unit }: Pick<DispatchProfile, "flop" | "bytes" | "unit">, ceilings: Ceilings): number {
  return Math.max(flop / (ceilings[unit] ?? ceilings.f32), bytes / ceilings.bandwidth);
}

/** An amount per second; 0 where the clock measured no time. */
export const rate = (amount: number, seconds: number): number => (seconds > 0 ? amount / seconds : 0);

/** One row per kernel over several profiled steps of a program, the slowest first. */
export function profileByKernel(steps: readonly (readonly DispatchProfile[])[], ceilings: Ceilings): KernelRow[] {
  const groups = new Map<string, Totals>();
  for (const dispatch of steps.flat()) {
    const totals = groups.get(dispatch.kernel) ?? { count: 0, seconds: 0, flop: 0, bytes: 0, roofline: 0 };
    totals.count++;
    totals.seconds += secondsOf(dispatch);
    totals.flop += dispatch.flop;
    totals.bytes += dispatch.bytes;
    totals.roofline += rooflineSeconds(dispatch, ceilings);
    groups.set(dispatch.kernel, totals);
  }
  const all = [...groups.values()].reduce((sum, { seconds }) => sum + seconds, 0);
  return [...groups]
    .map(([kernel, { count, seconds, flop, bytes, roofline }]) => ({
      kernel,
      count: count / steps.length,
      milliseconds: (seconds * 1000) / steps.length,
      share: rate(seconds, all),
      gigaflops: flop > 0 ? rate(flop, seconds) / 1e9 : null,
      gigabytes: rate(bytes, seconds) / 1e9,
      ofCeiling: rate(roofline, seconds),
    }))
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

interface Totals {
  count: number;
  seconds: number;
  flop: number;
  bytes: number;
  roofline: number;
}

/** The ceilings as text, each with its unit. */
export function describeCeilings({ f32, f16, matrix, bandwidth }: Ceilings): Record<string, string> {
  const billions = (value: number) => (value / 1e9).toLocaleString("en-US", { maximumSignificantDigits: 3 });
  return {
    f32: `${billions(f32)} GFLOP/s`,
    ...(f16 === null ? {} : { f16: `${billions(f16)} GFLOP/s` }),
    ...(matrix === null ? {} : { "matrix units": `${billions(matrix)} GFLOP/s` }),
    copy: `${billions(bandwidth)} GB/s`,
  };
}

/** The ceilings in one line: `f32 66,900 GFLOP/s, copy 4.1 GB/s`. */
export const ceilingsLine = (ceilings: Ceilings): string =>
  Object.entries(describeCeilings(ceilings))
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
