/** The scores of a user's own sets as text: one box per set, like the SentEval tables. */
import { formatCount } from "../../../show.ts";
import { fittingTable } from "../senteval/table.ts";
import type { SetReport } from "./evaluate-set.ts";

/**
 * For each report its name, kind and size, and a box of its metrics: fractions times 100, thresholds as cosines. If a box is wider than
 * `columns` characters, it has one row per metric instead.
 */
export function setTables(reports: readonly SetReport[], columns = Number.POSITIVE_INFINITY): string {
  return reports
    .map(({ name, kind, n, metrics }) => {
      const names = Object.keys(metrics);
      const values = names.map((metric) => shown(metric, metrics[metric]!));
      return `${name}: ${kind}, ${formatCount(n)}\n${fittingTable(["Metric", "Score"], names, values, columns)}`;
    })
    .join("\n\n");
}

function shown(metric: string, value: number): string {
  if (Number.isNaN(value)) return "nan";
  return metric.endsWith("threshold") ? value.toFixed(4) : (100 * value).toFixed(2);
}
