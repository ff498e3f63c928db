/** A summary of runs that differ only in their seed: the mean and standard deviation of their results, and a page that shows both. */
import { mean } from "../evaluation/metrics/mean.ts";
import { lineChart } from "./chart.ts";
import type { HistoryEntry, TrainingReport } from "./history.ts";
import { escapeHtml } from "./html.ts";
import { keptEvaluation } from "./kept-evaluation.ts";
import { chartGrid, configuration, pageHtml } from "./page.ts";
import { isCorrelation, metricText } from "./report.ts";

/** A run of one seed. */
export interface SeedRun extends Pick<TrainingReport, "history" | "best"> {
  readonly seed: number;
  /** The address of its own report, relative to the summary page. */
  readonly report?: string;
}

export interface Spread {
  readonly mean: number;
  /** The sample standard deviation; null for a single run. */
  readonly sd: number | null;
}

/** A plain object that `JSON.stringify` writes completely. */
export interface SeedsSummary {
  readonly seeds: readonly number[];
  /** The metrics that all runs have. */
  readonly metrics: Readonly<Record<string, Spread>>;
  /** The results of each run, in the order of `seeds`: its last loss, and the evaluation of the model that it kept. */
  readonly runs: readonly Readonly<Record<string, number>>[];
}

function meanAndDeviation(values: readonly number[]): Spread {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return { mean: middle, sd: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null };
}

/** `given` are the options shared by the runs. */
export function summarizeSeeds(runs: readonly SeedRun[], given: TrainingReport["arguments"]): SeedsSummary {
  const ended = runs.map((run) => endOf(run, given));
  const names = Object.keys(ended[0] ?? {}).filter((name) => ended.every((end) => name in end));
  const metrics = Object.fromEntries(names.map((name) => [name, meanAndDeviation(ended.map((end) => end[name]!))]));
  return { seeds: runs.map(({ seed }) => seed), metrics, runs: ended };
}

function endOf({ history, best = null }: SeedRun, given: TrainingReport["arguments"]): Record<string, number> {
  const loss = history.findLast((entry) => entry.loss !== undefined)?.loss;
  const kept: HistoryEntry | null = keptEvaluation({ history, best, arguments: given });
  const metrics = Object.entries(kept ?? {}).filter(([name]) => name.startsWith("eval_"));
  return { ...(loss !== undefined && { loss }), ...Object.fromEntries(metrics) };
}

/** Mean ± standard deviation for people: correlations times 100. */
function spreadText(name: string, { mean, sd }: Spread): string {
  return sd === null ? metricText(name, mean) : `${metricText(name, mean)} ± ${metricText(name, sd)}`;
}

/** A complete HTML document: one row and one chart per metric, one line per seed. */
export function seedsHtml(name: string, runs: readonly SeedRun[], given: TrainingReport["arguments"]): string {
  const { seeds, metrics, runs: ended } = summarizeSeeds(runs, given);
  const charts = Object.keys(metrics).map((metric) => {
    const factor = isCorrelation(metric) ? 100 : 1;
    return lineChart({
      title: metric.replace(/^eval_/, ""),
      mayBeLogarithmic: metric === "loss",
      series: runs.map(({ seed, history }) => ({
        name: `seed ${seed}`,
        points: history.filter((entry) => entry[metric] !== undefined).map((entry) => [entry.step, factor * entry[metric]!] as const),
      })),
    });
  });
  const heads = [
    "",
    "mean ± sd",
    ...runs.map(({ seed, report }) => (report ? `<a href="${escapeHtml(report)}">seed ${seed}</a>` : `seed ${seed}`)),
  ].map((head) => `<th>${head}</th>`);
  const rows = Object.entries(metrics).map(([metric, spread]) => {
    const cells = [spreadText(metric, spread), ...ended.map((end) => metricText(metric, end[metric]!))];
    return `<tr><th>${escapeHtml(metric.replace(/^eval_/, ""))}</th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
  });
  const table = `<div class="scroll"><table class="scores"><thead><tr>${heads.join("")}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div>
<p class="notes">The last loss, and the evaluation of the model that each run kept; correlations × 100. The deviation is that of a sample.</p>`;
  return pageHtml({
    name,
    about: `SimCSE sentence embeddings, trained with ${seeds.length === 1 ? "one seed" : `${seeds.length} seeds`}`,
    facts: [],
    sections: [
      ["Over seeds", table],
      ["Training", chartGrid(charts)],
      ["Configuration", configuration(given)],
    ],
  });
}
