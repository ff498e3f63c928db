/**
 * The report of a training run as one HTML page that needs nothing else: no script, no font, no network. A pure function of plain data, so that
 * it can be made while training, after it, or from `trainer_state.json` years later.
 */
import { averagedTasks, type StsReport, scoresOf } from "../evaluation/evaluate.ts";
import { reportedAccuracy, type TransferReport, transferScoresOf } from "../evaluation/evaluate-transfer.ts";
import { TRANSFER_TASKS } from "../evaluation/transfer.ts";
import { type Chart, lineChart, type Series } from "./chart.ts";
import { escapeHtml, shortNumber } from "./html.ts";
import { reportStyle } from "./style.ts";

/** An entry of the log: a step and numbers by their names. */
export type HistoryEntry = { readonly step: number } & Readonly<Record<string, number>>;

export interface TrainingReport {
  /** The model's name: of its output folder, as a rule. */
  readonly name: string;
  readonly history: readonly HistoryEntry[];
  /** The run's options, as they are saved with the model. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** How its embeddings are made. */
  readonly pooler: string;
  readonly adapter?: string;
  readonly steps?: number;
  readonly totalSteps?: number;
  readonly seconds?: number;
  readonly best?: { readonly metric: string; readonly value: number; readonly step: number } | null;
  /** Final evaluations, for the table. */
  readonly sts?: StsReport;
  readonly transfer?: TransferReport;
}

/** Names in the log → a chart. A chart without values is left out. */
interface ChartRule {
  readonly title: string;
  readonly caption?: string;
  readonly mayBeLogarithmic?: boolean;
  readonly fromZero?: boolean;
  readonly has: (key: string) => boolean;
  readonly factor?: number;
}

const transferKeys = new Set([...TRANSFER_TASKS.map(({ name }) => `eval_${name}`), "eval_avg_transfer"]);

const chartRules: readonly ChartRule[] = [
  { title: "Loss", mayBeLogarithmic: true, has: (key) => ["loss", "contrastive_loss", "mlm_loss", "eval_loss"].includes(key) },
  { title: "STS", caption: "Spearman × 100", factor: 100, has: (key) => key.startsWith("eval_") && /spearman|_sts$/.test(key) },
  { title: "Alignment and uniformity", caption: "lower is better", has: (key) => /^eval_.*(alignment|uniformity)$/.test(key) },
  { title: "Transfer", caption: "dev accuracy in percent", has: (key) => transferKeys.has(key) },
  { title: "Learning rate", fromZero: true, has: (key) => key === "learning_rate" },
  { title: "Gradient norm", mayBeLogarithmic: true, has: (key) => key === "gradient_norm" },
  { title: "Throughput", caption: "sentences a second", fromZero: true, has: (key) => key === "sentences_per_second" },
  { title: "Loss scale", mayBeLogarithmic: true, has: (key) => key === "loss_scale" },
];

/** A complete HTML document. */
export function reportHtml(report: TrainingReport): string {
  const charts = chartRules.map((rule) => lineChart(chartOf(rule, report.history))).filter((chart) => chart !== "");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(report.name)} · SimCSE training</title>
<style>${reportStyle}</style>
</head>
<body>
<header>
<h1>${escapeHtml(report.name)}</h1>
<p>SimCSE sentence embeddings${report.adapter ? `, trained on ${escapeHtml(report.adapter)}` : ""}</p>
<dl class="facts">${facts(report)
    .map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`)
    .join("")}</dl>
</header>
${section("Training", charts.length > 0 ? `<div class="charts">${charts.join("\n")}</div>` : "<p>Nothing was logged yet.</p>")}
${section("Evaluation", evaluation(report))}
${section("How to load it", usage(report))}
${section("Configuration", configuration(report.arguments))}
</body>
</html>
`;
}

function section(title: string, content: string): string {
  return content === "" ? "" : `<section><h2>${title}</h2>${content}</section>`;
}

function facts({ history, steps, totalSteps, seconds, best }: TrainingReport): (readonly [string, string])[] {
  const last = (key: string) => history.findLast((entry) => entry[key] !== undefined)?.[key];
  const done = steps ?? history.at(-1)?.step;
  const rate = last("sentences_per_second");
  const loss = last("loss");
  return [
    done !== undefined && ["Steps", totalSteps && totalSteps !== done ? `${count(done)} of ${count(totalSteps)}` : count(done)],
    seconds !== undefined && ["Time", duration(seconds)],
    loss !== undefined && ["Last loss", shortNumber(loss)],
    best && [`Best ${best.metric.replace(/^eval_/, "")}`, `${percent(best.metric, best.value)} at step ${count(best.step)}`],
    rate !== undefined && ["Sentences a second", count(Math.round(rate))],
  ].filter((fact): fact is [string, string] => Array.isArray(fact));
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** Correlations are fractions in the log and read times 100. */
function percent(metric: string, value: number): string {
  return /spearman|_sts$/.test(metric) ? (100 * value).toFixed(2) : shortNumber(value);
}

function chartOf({ has, factor = 1, ...chart }: ChartRule, history: readonly HistoryEntry[]): Chart {
  const keys = [...new Set(history.flatMap((entry) => Object.keys(entry).filter(has)))];
  const series = keys.map((key): Series => {
    const points = history.filter((entry) => entry[key] !== undefined).map((entry) => [entry.step, factor * entry[key]!] as const);
    return { name: key.replace(/^eval_/, ""), points };
  });
  return { ...chart, series };
}

function evaluation({ sts, transfer }: TrainingReport): string {
  const tables: string[] = [];
  if (sts !== undefined) {
    const names = averagedTasks(sts.mode).map(({ name }) => name);
    const cells = names.map((name) => scoresOf(sts.tasks, name)?.spearman.all);
    tables.push(scoreTable(`Spearman × 100, ${sts.mode} sets`, names, cells, sts.average.spearman, sts.average.tasks));
  }
  if (transfer !== undefined) {
    const { mode, tasks, average } = transfer;
    const names = TRANSFER_TASKS.map(({ name }) => name);
    const cells = names.map((name) => transferScoresOf(tasks, name)).map((scores) => (scores ? reportedAccuracy(mode, scores) : undefined));
    tables.push(scoreTable(`Accuracy in percent, ${mode} settings`, names, cells, average.accuracy, average.tasks));
  }
  return tables.join("\n");
}

function scoreTable(
  measure: string,
  names: readonly string[],
  cells: readonly (number | undefined)[],
  average: number,
  covered: readonly string[],
): string {
  const show = (value: number | undefined) => (value === undefined ? "–" : Number.isNaN(value) ? "nan" : (100 * value).toFixed(2));
  const values = [...cells.map(show), covered.length > 0 ? show(average) : "–"];
  const missing = names.filter((name) => !covered.includes(name));
  return `<div class="scroll"><table class="scores"><thead><tr>${[...names, "Avg."].map((name) => `<th>${name}</th>`).join("")}</tr></thead>
<tbody><tr>${values.map((value) => `<td>${value}</td>`).join("")}</tr></tbody></table></div>
<p class="notes">${measure}. ${missing.length === 0 ? `Avg. covers all ${names.length} tasks.` : `Avg. covers ${covered.length} of ${names.length} tasks; not scored: ${missing.join(", ")}.`}</p>`;
}

/** Pooling of one position or of all, as a line of Python takes it from the model's output. */
const pythonPooling: Readonly<Record<string, string>> = {
  cls: "output.pooler_output",
  cls_before_pooler: "output.last_hidden_state[:, 0]",
  avg: "(output.last_hidden_state * mask).sum(1) / mask.sum(1)",
  avg_top2: "((output.hidden_states[-1] + output.hidden_states[-2]) / 2 * mask).sum(1) / mask.sum(1)",
  avg_first_last: "((output.hidden_states[1] + output.hidden_states[-1]) / 2 * mask).sum(1) / mask.sum(1)",
};

function usage({ name, pooler }: TrainingReport): string {
  const path = JSON.stringify(name);
  const typescript = `import { SimCSE } from "simcse-webgpu";

await using model = await SimCSE.load(${path});
const scores = await model.similarity("He plays guitar.", ["A woman is making a photo.", "A man is playing a guitar."]);`;
  const python = `from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(${path})
model = AutoModel.from_pretrained(${path}).eval()
inputs = tokenizer(["He plays guitar."], padding=True, truncation=True, return_tensors="pt")
output = model(**inputs, output_hidden_states=True)
mask = inputs["attention_mask"].unsqueeze(-1)
embeddings = ${pythonPooling[pooler] ?? "output.last_hidden_state[:, 0]"}`;
  return `<p>Embeddings are made with the pooler <code>${escapeHtml(pooler)}</code>; compare them by their cosine.</p>
<pre>${escapeHtml(typescript)}</pre>
<pre>${escapeHtml(python)}</pre>`;
}

function configuration(values: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, value]) =>
        `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(typeof value === "string" ? value : JSON.stringify(value))}</td></tr>`,
    );
  return rows.length === 0 ? "" : `<div class="scroll"><table class="options"><tbody>${rows.join("\n")}</tbody></table></div>`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${shortNumber(seconds)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
