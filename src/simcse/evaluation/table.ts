/**
 * The table that SimCSE's evaluation prints, as text.
 *
 * It differs from the original where that misleads: a task that was not scored is "–" and no 0.00, it does not count in Avg., and the
 * lines below the box say so.
 */
import { averagedTasks, type StsReport, scoresOf } from "./evaluate.ts";
import { STS_TASKS, type StsTaskName } from "./sts.ts";

const NO_SCORE = "–";

/**
 * `------ mode ------`, a box with one column per task and Avg., and what Avg. covers. Scores are Spearman's correlation over all pairs
 * of a task, times 100. Where the box is wider than `columns` characters, it has one row per task instead.
 */
export function stsTable(report: StsReport, columns = Number.POSITIVE_INFINITY): string {
  const names = averagedTasks(report.mode).map((task) => task.name);
  const header = [...names, "Avg."];
  const average = report.average.tasks.length > 0 ? report.average.spearman : undefined;
  const scores = [...names.map((name) => scoresOf(report.tasks, name)?.spearman.all), average].map(percent);
  const wide = boxedTable([header, scores]);
  const fits = wide.indexOf("\n") <= columns;
  const box = fits ? wide : boxedTable([["Task", "Spearman"], ...header.map((name, i) => [name, scores[i]!])]);
  return [`------ ${report.mode} ------`, box, ...notes(report, names)].join("\n");
}

/** Rows of cells, the first of them the header, in a box as PrettyTable draws it: centred cells between +, - and |. */
export function boxedTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const lines = rows.map((row) => `| ${row.map((cell, column) => centred(cell, widths[column]!)).join(" | ")} |`);
  return [rule, lines[0], rule, ...lines.slice(1), rule].join("\n");
}

/** PrettyTable's centring: an odd space goes to the right of a cell of odd length and to the left of one of even length. */
function centred(cell: string, width: number): string {
  const excess = width - cell.length;
  const left = cell.length % 2 === 0 ? Math.ceil(excess / 2) : Math.floor(excess / 2);
  return " ".repeat(left) + cell + " ".repeat(excess - left);
}

function percent(spearman: number | undefined): string {
  if (spearman === undefined) return NO_SCORE;
  return Number.isNaN(spearman) ? "nan" : (spearman * 100).toFixed(2);
}

function notes(report: StsReport, shown: readonly StsTaskName[]): string[] {
  const covered = report.average.tasks;
  const lines = [
    covered.length === shown.length
      ? `Avg. covers all ${shown.length} tasks.`
      : `Avg. covers ${covered.length} of ${shown.length} tasks${covered.length > 0 ? `: ${covered.join(", ")}` : ""}.`,
  ];
  for (const { name } of STS_TASKS) {
    const result = report.tasks[name];
    if (result === undefined) {
      if (shown.includes(name)) lines.push(`${name}: not run.`);
    } else if ("missing" in result) lines.push(`${name}: no data, ${result.missing} is missing.`);
    else {
      if (!shown.includes(name)) lines.push(`${name}: has no ${report.mode} set and is not in the table.`);
      if (Number.isNaN(result.spearman.all)) lines.push(`${name}: nan, its correlation is undefined: the scores do not vary.`);
      if (result.undefinedCosines > 0)
        lines.push(`${name}: ${result.undefinedCosines} pairs without a cosine (zero or non-finite embeddings) counted as 0.`);
    }
  }
  return lines;
}
