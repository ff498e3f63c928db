/**
 * The report of a training run as one self-contained HTML page: no script, no font, no network. It is a pure function of plain data, so it
 * can be made during training, after it, or from `trainer_state.json` years later.
 */
import { formatCount } from "../../show.ts";
import { TRANSFER_TASKS } from "../evaluation/senteval/transfer.ts";
import { loadingSnippets, scoreTables } from "./card.ts";
import { type Chart, lineChart, type Series } from "./chart.ts";
import { collapseText } from "./collapse.ts";
import type { HistoryEntry, TrainingReport } from "./history.ts";
import { escapeHtml, shortNumber } from "./html.ts";
import { methodText } from "./method.ts";
import { isMainMetric } from "./own-metrics.ts";
import { chartGrid, configuration, pageHtml } from "./page.ts";

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
  { title: "STS", caption: "Spearman × 100", factor: 100, has: isCorrelation },
  { title: "Alignment and uniformity", caption: "lower is better", has: (key) => /^eval_.*(alignment|uniformity)$/.test(key) },
  { title: "Transfer", caption: "dev accuracy in percent", has: (key) => transferKeys.has(key) },
  { title: "Your own sets", has: (key) => isMainMetric(key) && !isCorrelation(key) },
  { title: "Learning rate", fromZero: true, has: (key) => key === "learning_rate" },
  { title: "Gradient norm", mayBeLogarithmic: true, has: (key) => key === "gradient_norm" },
  { title: "Throughput", caption: "sentences a second", fromZero: true, has: (key) => key === "sentences_per_second" },
  { title: "Loss scale", mayBeLogarithmic: true, has: (key) => key === "loss_scale" },
];

/** A complete HTML document. */
export function reportHtml(report: TrainingReport): string {
  return pageHtml({
    name: report.name,
    about: `SimCSE sentence embeddings${report.adapter ? `, trained on ${report.adapter}` : ""}`,
    facts: facts(report),
    sections: [
      ...collapse(report),
      ["Training", chartGrid(chartRules.map((rule) => lineChart(chartOf(rule, report))))],
      ["Evaluation", evaluation(report)],
      ["How to load it", loading(report)],
      ["Configuration", configuration(report.arguments)],
    ],
  });
}

function collapse({ meanCosine }: TrainingReport): [string, string][] {
  const text = collapseText(meanCosine);
  return text === null ? [] : [["Vectors that are all alike", `<p>${escapeHtml(text)}</p>`]];
}

function facts({ history, steps, totalSteps, seconds, best, arguments: given }: TrainingReport): (readonly [string, string])[] {
  const last = (key: string) => history.findLast((entry) => entry[key] !== undefined)?.[key];
  const done = steps ?? history.at(-1)?.step;
  const rate = last("sentences_per_second");
  const loss = last("loss");
  const method = methodText(given);
  return [
    done !== undefined && [
      "Steps",
      totalSteps && totalSteps !== done ? `${formatCount(done)} of ${formatCount(totalSteps)}` : formatCount(done),
    ],
    seconds !== undefined && ["Time", duration(seconds)],
    loss !== undefined && ["Last loss", shortNumber(loss)],
    best && [`Best ${best.metric.replace(/^eval_/, "")}`, `${metricText(best.metric, best.value)} at step ${formatCount(best.step)}`],
    rate !== undefined && ["Sentences a second", formatCount(Math.round(rate))],
    method !== "" && ["Trained parts", method],
  ].filter((fact): fact is [string, string] => Array.isArray(fact));
}

/** Correlations are fractions in the log and are shown times 100. */
export function isCorrelation(metric: string): boolean {
  return /^eval_.*(spearman|_sts)$/.test(metric);
}

export function metricText(metric: string, value: number): string {
  return isCorrelation(metric) ? (100 * value).toFixed(2) : shortNumber(value);
}

/** A curve of every step if the report has them, else of the log. */
function chartOf({ has, factor = 1, ...chart }: ChartRule, { history, everyStep = [] }: TrainingReport): Chart {
  const keysOf = (entries: readonly HistoryEntry[]) => {
    const keys = new Set<string>();
    for (const entry of entries) for (const key of Object.keys(entry)) if (has(key)) keys.add(key);
    return keys;
  };
  const ofSteps = keysOf(everyStep);
  const series = [...new Set([...ofSteps, ...keysOf(history)])].map((key): Series => {
    const entries = ofSteps.has(key) ? everyStep : history;
    const points = entries.filter((entry) => entry[key] !== undefined).map((entry) => [entry.step, factor * entry[key]!] as const);
    return { name: key.replace(/^eval_/, ""), points };
  });
  return { ...chart, series };
}

function evaluation(report: TrainingReport): string {
  const row = (tag: "th" | "td", texts: readonly string[]) =>
    `<tr>${texts.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join("")}</tr>`;
  return scoreTables(report)
    .map(
      ({ names, rows, note }) => `<div class="scroll"><table class="scores"><thead>${row("th", names)}</thead>
<tbody>${rows.map((cells) => row("td", cells)).join("\n")}</tbody></table></div>
<p class="notes">${note}</p>`,
    )
    .join("\n");
}

function loading(report: TrainingReport): string {
  const snippets = loadingSnippets(report).map(({ code }) => `<pre>${escapeHtml(code)}</pre>`);
  return `<p>Embeddings are made with the pooler <code>${escapeHtml(report.pooler)}</code>; compare them by their cosine.</p>
${snippets.join("\n")}`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${shortNumber(seconds)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
