/** What several seeds have in common: the mean and the standard deviation of what their runs ended with. */
import { join } from "node:path";
import { writeFileAtomically } from "../src/io/folder-node.ts";
import type { HistoryEntry } from "../src/simcse/report/report.ts";

interface SeedOutcome {
  readonly history: readonly HistoryEntry[];
  readonly summary: { readonly best: { readonly metric: string; readonly value: number } | null };
}

/** The last value of every metric of a run; of the metric of the best model, the best one. */
function finalMetrics({ history, summary: { best } }: SeedOutcome): Record<string, number> {
  const last: Record<string, number> = {};
  for (const entry of history) {
    for (const [name, value] of Object.entries(entry)) if (name === "loss" || name.startsWith("eval_")) last[name] = value;
  }
  return best ? { ...last, [best.metric]: best.value } : last;
}

/** Mean and sample standard deviation. */
export function meanAndDeviation(values: readonly number[]): { readonly mean: number; readonly sd: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0 };
}

/** Prints a line a metric and writes `seeds.json`. */
export async function reportSeeds(output: string, seeds: readonly number[], outcomes: readonly SeedOutcome[]): Promise<void> {
  const runs = outcomes.map(finalMetrics);
  const names = Object.keys(runs[0] ?? {}).filter((name) => runs.every((run) => name in run));
  const metrics = Object.fromEntries(names.map((name) => [name, meanAndDeviation(runs.map((run) => run[name]!))]));
  for (const [name, { mean, sd }] of Object.entries(metrics)) process.stdout.write(`${name} ${mean.toFixed(4)} ± ${sd.toFixed(4)}\n`);
  await writeFileAtomically(join(output, "seeds.json"), `${JSON.stringify({ seeds, metrics, runs }, null, 2)}\n`);
}
