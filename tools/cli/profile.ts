/** `--profile` of `train` and `encode`: a table of time by kernel beside the adapter's measured ceilings, and a trace for Perfetto. */
import { resolve } from "node:path";
import Table from "cli-table3";
import { ceilingsLine, type KernelRow, profileByKernel } from "../../src/autograd/profile.ts";
import { Profiler } from "../../src/autograd/profiler.ts";
import { chromeTrace } from "../../src/autograd/trace.ts";
import { measureCeilings } from "../../src/gpu/ceilings.ts";
import type { Device } from "../../src/gpu/device.ts";
import { requireTimestamps } from "../../src/gpu/timestamps.ts";
import { writeFileAtomically } from "../../src/io/folder-node.ts";

/** Warm-up steps before the timed ones. */
const warmUp = 3;
const steps = 5;

/** Times some steps of a run, writes their trace to `path` and prints the time per kernel. Throws `DeviceError` if the device has no timestamps. */
export function startProfiler(device: Device, path: string, say: (text: string) => void): Profiler {
  requireTimestamps(device);
  return new Profiler({
    warmUp,
    steps,
    async report(profiles) {
      if (profiles.length === 0) return say(`nothing was profiled: the run has only the ${warmUp} warm-up steps`);
      const ceilings = await measureCeilings(device);
      const rows = profileByKernel(profiles, ceilings);
      await writeFileAtomically(resolve(path), `${JSON.stringify(chromeTrace(profiles, device.name, ceilings))}\n`);
      const total = rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
      say(
        [
          `${total.toFixed(1)} ms in kernels a step, of ${profiles.length} profiled; measured ceilings: ${ceilingsLine(ceilings)}`,
          formatProfile(rows, process.stderr.columns ?? 80),
          `trace: ${path} (open it at ui.perfetto.dev)`,
        ].join("\n"),
      );
    },
  });
}

interface Column {
  readonly title: string;
  readonly cell: (row: KernelRow) => string;
}

const percent = (share: number) => `${(share * 100).toFixed(0)}%`;

const kernel: Column = { title: "kernel", cell: (row) => row.kernel };

/** The columns of numbers, and the order in which a narrow terminal drops them: the highest number first. */
const numbers: readonly (Column & { readonly dropped: number })[] = [
  { title: "n", cell: ({ count }) => String(Math.round(count)), dropped: 5 },
  { title: "ms", cell: ({ milliseconds }) => milliseconds.toFixed(milliseconds < 10 ? 3 : 1), dropped: 0 },
  { title: "time", cell: ({ share }) => percent(share), dropped: 2 },
  { title: "GFLOP/s", cell: ({ gigaflops }) => gigaflops?.toFixed(gigaflops < 100 ? 1 : 0) ?? "", dropped: 3 },
  { title: "GB/s", cell: ({ gigabytes }) => gigabytes.toFixed(gigabytes < 100 ? 1 : 0), dropped: 4 },
  { title: "of ceiling", cell: ({ ofCeiling }) => percent(ofCeiling), dropped: 1 },
];

/** Names are not truncated below this width; a column is dropped instead. */
const leastName = 24;
const gap = "  ";

/** The rows as a table no wider than `columns` characters: columns of numbers are dropped first, then names are truncated. */
export function formatProfile(rows: readonly KernelRow[], columns: number): string {
  const width = ({ title, cell }: Column) => Math.max(title.length, ...rows.map((row) => cell(row).length));
  const name = width(kernel);
  const kept = new Set(numbers);
  const widthOfNumbers = () => [...kept].reduce((sum, column) => sum + width(column) + gap.length, 0);
  for (const column of [...numbers].sort((a, b) => b.dropped - a.dropped)) {
    if (column.dropped === 0 || widthOfNumbers() + Math.min(name, leastName) <= columns) break;
    kept.delete(column);
  }
  const shown = [kernel, ...kept];
  const nameWidth = Math.max(8, Math.min(name, columns - widthOfNumbers()));
  const table = new Table({
    head: shown.map(({ title }) => title),
    colAligns: shown.map((column) => (column === kernel ? "left" : "right")),
    colWidths: shown.map((column, i) => (column === kernel ? nameWidth : width(column)) + (i === 0 ? 0 : gap.length)),
    chars: borderless,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  table.push(...rows.map((row) => shown.map(({ cell }) => cell(row))));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

const sides = ["top", "bottom", "left", "right", "mid"] as const;
const corners = [
  "top-mid",
  "top-left",
  "top-right",
  "bottom-mid",
  "bottom-left",
  "bottom-right",
  "left-mid",
  "mid-mid",
  "right-mid",
] as const;
const borderless = Object.fromEntries([...sides, ...corners, "middle"].map((place) => [place, ""]));
