/** Timing for benchmarks: medians of alternating rounds, so that other load on the machine affects all subjects equally. */
import { rooflineSeconds, secondsOf } from "../src/autograd/profile.ts";
import type { DispatchProfile, Program } from "../src/autograd/program.ts";
import type { Ceilings } from "../src/gpu/ceilings.ts";
import type { Device } from "../src/gpu/device.ts";

export interface Subject {
  /** One run. Returns its milliseconds if it can measure them better than the host's clock. */
  readonly run: () => Promise<number | undefined>;
}

/** Median milliseconds of each subject over `rounds`, after one warm-up round for compilation. */
export async function measure(subjects: readonly Subject[], rounds: number): Promise<number[]> {
  const times = subjects.map(() => [] as number[]);
  for (let round = -1; round < rounds; round++) {
    for (const [i, { run }] of subjects.entries()) {
      const start = performance.now();
      const own = await run();
      if (round >= 0) times[i]!.push(own ?? performance.now() - start);
    }
  }
  return times.map((list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)]!);
}

type StepInput = Parameters<Program["run"]>[0];

/** Runs a program once and waits for it: the host's milliseconds. */
export function once(device: Device, program: Program, step: StepInput = {}): Subject {
  return {
    run: async () => {
      program.run(step);
      await device.finish();
      return undefined;
    },
  };
}

/** Runs a program once: milliseconds on the GPU's clock of those of its kernels whose operation is `timed`. */
export function onGpu(program: Program, step: StepInput, timed: (operation: string) => boolean): Subject {
  return {
    run: async () =>
      (await program.profile(step)).filter(({ operation }) => timed(operation)).reduce((sum, time) => sum + secondsOf(time) * 1000, 0),
  };
}

/** The work of dispatches, and the minimum milliseconds it takes. */
export function workOf(dispatches: readonly DispatchProfile[], ceilings: Ceilings) {
  const sum = (value: (dispatch: DispatchProfile) => number) => dispatches.reduce((total, dispatch) => total + value(dispatch), 0);
  return {
    flop: sum(({ flop }) => flop),
    bytes: sum(({ bytes }) => bytes),
    roofline: sum((dispatch) => rooflineSeconds(dispatch, ceilings) * 1000),
  };
}

export const percent = (share: number): string => `${(share * 100).toFixed(0)}%`;

/** A number with about three digits. */
export function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(value < 0.1 ? 2 : 3);
}

/** Results as a table. */
export interface BenchTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What the columns mean, where their names do not say. */
  readonly note?: string;
}

/** A table and its note as Markdown. */
export function formatTable({ head, rows, note }: BenchTable): string {
  return [markdown(head, rows), ...(note === undefined ? [] : ["", note])].join("\n");
}

/** Rows as a Markdown table, with numbers aligned right. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}
