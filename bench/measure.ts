/** Timing for benchmarks: medians of alternating rounds, so that what else the machine does falls on all of them alike. */
import type { Program } from "../src/autograd/program.ts";
import type { Device } from "../src/gpu/device.ts";

export interface Subject {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Median milliseconds of each subject over `rounds`, after one round that compiles. */
export async function measure(subjects: readonly Subject[], rounds: number): Promise<number[]> {
  const times = subjects.map(() => [] as number[]);
  for (let round = -1; round < rounds; round++) {
    for (const [i, { run }] of subjects.entries()) {
      const start = performance.now();
      await run();
      if (round >= 0) times[i]!.push(performance.now() - start);
    }
  }
  return times.map((list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)]!);
}

/** Runs a program once and waits for it. */
export function once(device: Device, program: Program, step: Parameters<Program["run"]>[0] = {}): () => Promise<void> {
  return async () => {
    program.run(step);
    await device.finish();
  };
}

/** Rows as a Markdown table; numbers stand right. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}
