/**
 * The time of each kernel of profiled steps, beside the ceilings of the adapter.
 *
 * A kernel takes at least the time of its arithmetic at the arithmetic ceiling, and at least that of its memory traffic at the bandwidth. The longer of the two is
 * its roofline time (Williams, Waterman & Patterson 2009); divided by the measured time, it is the share of the ceiling. Some kernels count their
 * operations; traffic is the bytes of the tensors that a kernel binds, each once.
 */
import type { Ceilings } from "../gpu/ceilings.ts";
import type { DispatchProfile } from "./program.ts";

/** One kernel's dispatches, of one step on average. */
export interface KernelRow {
  readonly kernel: string;
  /** Dispatches a step. */
  readonly count: number;
  readonly milliseconds: number;
  /** Of the time of all kernels, 0 to 1. */
  readonly share: number;
  /** 10⁹ floating-point operations a second; null where the kernel does not count them. */
  readonly gigaflops: number | null;
  /** 10⁹ bytes a second. */
  readonly gigabytes: number;
  /** Of the adapter's ceiling, 1 being the limit. */
  readonly ofCeiling: number;
}

/** Seconds that a dispatch took. */
export const secondsOf = ({ begin, end }: Pick<DispatchProfile, "begin" | "end">): number => (end - begin) / 1e9;

/** Seconds that a dispatch takes at least. */
export function rooflineSeconds({ flop, bytes, unit }: Pick<DispatchProfile, "flop" | "bytes" | "unit">, ceilings: Ceilings): number {
  return Math.max(flop / (ceilings[unit] ?? ceilings.f32), bytes / ceilings.bandwidth);
}

/** An amount a second, and 0 where the clock saw no time pass. */
export const rate = (amount: number, seconds: number): number => (seconds > 0 ? amount / seconds : 0);

/** Rows by kernel, the longest first, of several profiled steps of a program. */
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

/** The ceilings in words, each with its unit. */
export function describeCeilings({ f32, f16, matrix, bandwidth }: Ceilings): Record<string, string> {
  const billions = (value: number) => (value / 1e9).toLocaleString("en-US", { maximumSignificantDigits: 3 });
  return {
    f32: `${billions(f32)} GFLOP/s`,
    ...(f16 === null ? {} : { f16: `${billions(f16)} GFLOP/s` }),
    ...(matrix === null ? {} : { "matrix units": `${billions(matrix)} GFLOP/s` }),
    copy: `${billions(bandwidth)} GB/s`,
  };
}
