/**
 * The table that SimCSE's evaluation prints, as text.
 *
 * It differs from the original where that is misleading: a task that was not scored is shown as "–" instead of 0.00 and does not count in
 * Avg., and the lines below the box say so.
 */
import { averagedTasks, type StsReport } from "./evaluate-sts.ts";
import { accuracyOf, type TransferMode, type TransferReport } from "./evaluate-transfer.ts";
import { scoresOf } from "./score-tasks.ts";
import { STS_TASKS, type StsTaskName } from "./sts.ts";
import { TRANSFER_TASKS } from "./transfer.ts";

const NO_SCORE = "–";

/**
 * `------ mode ------`, and for each report a box with one column per task and Avg., and the tasks that Avg. covers. STS scores are
 * Spearman's correlation over all pairs of a task, transfer scores are accuracies, both times 100. If a box is wider than `columns`
 * characters, it has one row per task instead.
 */
export function resultTables(
  mode: TransferMode,
  { sts, transfer }: { readonly sts?: StsReport; readonly transfer?: TransferReport },
  columns = Number.POSITIVE_INFINITY,
): string {
  return [`------ ${mode} ------`, ...(sts ? stsLines(sts, columns) : []), ...(transfer ? transferLines(transfer, columns) : [])].join(
    "\n",
  );
}

/** `resultTables` of an STS report only. */
export function stsTable(report: StsReport, columns = Number.POSITIVE_INFINITY): string {
  return resultTables(report.mode, { sts: report }, columns);
}

function stsLines(report: StsReport, columns: number): string[] {
  const names = averagedTasks(report.mode).map((task) => task.name);
  const average = report.average.tasks.length > 0 ? report.average.spearman : undefined;
  const scores = names.map((name) => scoresOf(report.tasks, name)?.spearman.all);
  return [scoreBox("Spearman", names, [...scores, average], columns), ...stsNotes(report, names)];
}

function transferLines(report: TransferReport, columns: number): string[] {
  const { mode, tasks, average } = report;
  const names = TRANSFER_TASKS.map(({ name }) => name);
  const scores = names.map((name) => accuracyOf(report, name));
  const notes = [coverage(average.tasks, names)];
  for (const name of names) {
    const result = tasks[name];
    if (result === undefined) notes.push(notRun(name));
    else if ("missing" in result) notes.push(noData(name, result.missing));
    else if (Number.isNaN(result.accuracy))
      notes.push(`${name}: nan, its training examples have one class, or are too few to leave some out.`);
    else if (mode !== "dev" && result.f1 !== undefined) notes.push(`${name}: F1 ${percent(result.f1)}.`);
  }
  const whole = average.tasks.length > 0 ? average.accuracy : undefined;
  return [scoreBox(mode === "dev" ? "Dev accuracy" : "Accuracy", names, [...scores, whole], columns), ...notes];
}

function scoreBox(measure: string, names: readonly string[], values: readonly (number | undefined)[], columns: number): string {
  return fittingTable(["Task", measure], [...names, "Avg."], values.map(percent), columns);
}

/** A box with a row of values under their names; with a row for each name, under `titles`, if that is wider than `columns` characters. */
export function fittingTable(titles: readonly string[], names: readonly string[], values: readonly string[], columns: number): string {
  const wide = boxedTable([names, values]);
  return wide.indexOf("\n") <= columns ? wide : boxedTable([titles, ...names.map((name, i) => [name, values[i]!])]);
}

/** Rows of cells, the first of them the header, in a box like PrettyTable's: centred cells between +, - and |. */
function boxedTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const lines = rows.map((row) => `| ${row.map((cell, column) => centred(cell, widths[column]!)).join(" | ")} |`);
  return [rule, lines[0], rule, ...lines.slice(1), rule].join("\n");
}

/** PrettyTable's centring: an odd space goes to the right of a cell with odd length and to the left of one with even length. */
function centred(cell: string, width: number): string {
  const excess = width - cell.length;
  const left = cell.length % 2 === 0 ? Math.ceil(excess / 2) : Math.floor(excess / 2);
  return " ".repeat(left) + cell + " ".repeat(excess - left);
}

function percent(score: number | undefined): string {
  if (score === undefined) return NO_SCORE;
  return Number.isNaN(score) ? "nan" : (score * 100).toFixed(2);
}

function coverage(covered: readonly string[], shown: readonly string[]): string {
  if (covered.length === shown.length) return `Avg. covers all ${shown.length} tasks.`;
  return `Avg. covers ${covered.length} of ${shown.length} tasks${covered.length > 0 ? `: ${covered.join(", ")}` : ""}.`;
}

function notRun(name: string): string {
  return `${name}: not run.`;
}

function noData(name: string, file: string): string {
  return `${name}: no data, ${file} is missing.`;
}

function stsNotes(report: StsReport, shown: readonly StsTaskName[]): string[] {
  const lines = [coverage(report.average.tasks, shown)];
  for (const { name } of STS_TASKS) {
    const result = report.tasks[name];
    if (result === undefined) {
      if (shown.includes(name)) lines.push(notRun(name));
    } else if ("missing" in result) lines.push(noData(name, result.missing));
    else {
      if (!shown.includes(name)) lines.push(`${name}: has no ${report.mode} set and is not in the table.`);
      if (Number.isNaN(result.spearman.all)) lines.push(`${name}: nan, its correlation is undefined: the scores do not vary.`);
      if (result.undefinedCosines > 0)
        lines.push(`${name}: ${result.undefinedCosines} pairs without a cosine (zero or non-finite embeddings) counted as 0.`);
    }
  }
  return lines;
}
