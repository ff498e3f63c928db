/** Timing for benchmarks: medians and spreads of alternating rounds on a warm device, so that other load on the machine affects all subjects equally. */
import { rooflineSeconds } from "../src/autograd/profile.ts";
import type { DispatchWork } from "../src/autograd/program.ts";
import type { Ceilings } from "../src/gpu/ceilings.ts";
import type { Device } from "../src/gpu/device.ts";
import { type Contender, measureInTurns, type Timing, timingOf, warmUpOf } from "../src/tuning/measure.ts";
import type { Bench } from "./open-bench.ts";

export interface Subject {
  /** One run, which ends when the device has finished it. */
  readonly run: () => Promise<unknown>;
}

/** The time of each subject over `rounds`. */
export async function measure(device: Device, subjects: readonly Subject[], rounds: number): Promise<Timing[]> {
  await warmUp(device, subjects);
  return (await timesInTurns(subjects, { rounds })).map(timingOf);
}

/** One run of each subject for compilation, and as many as warm the device up. */
export async function warmUp(device: Device, subjects: readonly Subject[]): Promise<void> {
  await timesInTurns(subjects, { rounds: 1 });
  await timesInTurns(subjects, { rounds: Number.POSITIVE_INFINITY, seconds: warmUpOf(device) / 1000 });
}

/** How often subjects take turns: not again after so many seconds, if they are given. */
export interface Rounds {
  readonly rounds: number;
  readonly seconds?: number;
}

/** The milliseconds of each run of each subject on the host's clock. */
export async function timesInTurns(
  subjects: readonly Subject[],
  { rounds, seconds = Number.POSITIVE_INFINITY }: Rounds,
): Promise<number[][]> {
  const times = subjects.map(() => [] as number[]);
  const end = performance.now() + seconds * 1000;
  for (let round = 0; round < rounds && performance.now() < end; round++) {
    for (const [i, { run }] of subjects.entries()) {
      const start = performance.now();
      await run();
      times[i]!.push(performance.now() - start);
    }
  }
  return times;
}

/** Milliseconds of a contender's turn. */
const turn = 10;

/** The time of a run of each contender, whose turns are many runs in one pass. */
export const measureKernels = ({ device, rounds }: Bench, contenders: readonly Contender[]): Promise<Timing[]> =>
  measureInTurns(device, contenders, { warmUp: warmUpOf(device), turn, rounds });

/** The work of dispatches, and the minimum milliseconds it takes. */
export function workOf(dispatches: readonly DispatchWork[], ceilings: Ceilings) {
  const sum = (value: (dispatch: DispatchWork) => number) => dispatches.reduce((total, dispatch) => total + value(dispatch), 0);
  return {
    flop: sum(({ flop }) => flop),
    bytes: sum(({ bytes }) => bytes),
    roofline: sum((dispatch) => rooflineSeconds(dispatch, ceilings) * 1000),
  };
}

/** The cells of a timing: milliseconds and spread. */
export const timeCells = ({ milliseconds, spread }: Timing): [ms: string, spread: string] => [
  short(milliseconds),
  `±${percent(spread / 2)}`,
];

export const percent = (share: number): string => `${(share * 100).toFixed(0)}%`;

/** A number with about three digits. */
export function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(value < 0.1 ? 2 : 3);
}

/** Results as a table. */
export interface BenchTable {
  readonly head: readonly string[];
  /** Empty where nothing could be measured; the note says why. */
  readonly rows: readonly (readonly string[])[];
  /** What the columns mean, where their names do not say. */
  readonly note?: string;
}

/** A table and its note as Markdown. */
export function formatTable({ head, rows, note }: BenchTable): string {
  return [...(rows.length > 0 ? [markdown(head, rows)] : []), ...(note === undefined ? [] : [note])].join("\n\n");
}

/** Rows as a Markdown table, with numbers aligned right. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}
