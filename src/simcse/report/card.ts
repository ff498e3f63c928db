/**
 * The content of a model card, as data: scores in tables, and how the model is loaded. `report.html` and the model's README.md show the
 * same.
 */
import { architectureOf } from "../../nn/architectures/architectures.ts";
import { formatCount } from "../../show.ts";
import { isInSentenceTransformers } from "../checkpoint/saved-model.ts";
import { averagedTasks, devMetrics } from "../evaluation/senteval/evaluate-sts.ts";
import { accuracyOf } from "../evaluation/senteval/evaluate-transfer.ts";
import { scoresOf } from "../evaluation/senteval/score-tasks.ts";
import type { StsTaskName } from "../evaluation/senteval/sts.ts";
import { TRANSFER_TASKS } from "../evaluation/senteval/transfer.ts";
import type { TrainingReport } from "./history.ts";
import { keptEvaluation } from "./kept-evaluation.ts";
import { metricChanges, metricValue } from "./own-metrics.ts";

/** Scores: a row under the names of their tasks, the average last; or a row for each metric of your own sets. */
export interface ScoreTable {
  readonly names: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What kind of scores they are, and what the average covers. */
  readonly note: string;
}

/** A piece of code that uses a model. */
export interface Snippet {
  /** What it is written for, as a heading. */
  readonly title: string;
  /** The language, as Markdown names it. */
  readonly language: "ts" | "sh" | "python";
  readonly code: string;
}

/** Tables of the final evaluations, or else of the dev sets during training. */
export function scoreTables(report: TrainingReport): ScoreTable[] {
  const { sts, transfer } = report;
  const tables: ScoreTable[] = [];
  if (sts !== undefined) {
    const names = averagedTasks(sts.mode).map(({ name }) => name);
    const cells = names.map((name) => scoresOf(sts.tasks, name)?.spearman.all);
    tables.push(scoreTable(`Spearman × 100, ${sts.mode} sets`, names, cells, sts.average.spearman));
  }
  if (transfer !== undefined) {
    const names = TRANSFER_TASKS.map(({ name }) => name);
    const cells = names.map((name) => accuracyOf(transfer, name));
    tables.push(scoreTable(`Accuracy in percent, ${transfer.mode} settings`, names, cells, transfer.average.accuracy));
  }
  return tables.length > 0 ? tables : devTables(report);
}

function devTables(report: TrainingReport): ScoreTable[] {
  const entry = keptEvaluation(report);
  if (entry === null) return [];
  const at = `dev sets, after step ${formatCount(entry.step)}`;
  const sts = averagedTasks("dev").map(({ name }) => name);
  const transfer = TRANSFER_TASKS.map(({ name }) => name);
  const spearman = (name: StsTaskName) => entry[devMetrics[name]!];
  const accuracy = (name: string) => (entry[`eval_${name}`] === undefined ? undefined : entry[`eval_${name}`]! / 100);
  const { eval_avg_sts, eval_avg_transfer } = entry;
  return [
    ...(eval_avg_sts === undefined ? [] : [scoreTable(`Spearman × 100, ${at}`, sts, sts.map(spearman), eval_avg_sts)]),
    ...(eval_avg_transfer === undefined
      ? []
      : [scoreTable(`Accuracy in percent, ${at}`, transfer, transfer.map(accuracy), eval_avg_transfer / 100)]),
    ...ownTable(report),
  ];
}

/** The metrics of your own sets, before and after training. */
function ownTable(report: TrainingReport): ScoreTable[] {
  const { step, changes } = metricChanges(report);
  if (changes.length === 0) return [];
  const rows = changes.map(({ metric, before, after }) => [metric, metricValue(before), metricValue(after)]);
  return [
    {
      names: ["metric", "before training", `after step ${formatCount(step)}`],
      rows,
      note: "Your own sets; held_out is the part of the training file that was not trained on.",
    },
  ];
}

/** The average of scores as fractions; undefined if there are none. */
function scoreTable(measure: string, names: readonly string[], cells: readonly (number | undefined)[], average: number): ScoreTable {
  const show = (value: number | undefined) => (value === undefined ? "–" : Number.isNaN(value) ? "nan" : (100 * value).toFixed(2));
  const missing = names.filter((_, i) => cells[i] === undefined);
  const covered = names.length - missing.length;
  return {
    names: [...names, "Avg."],
    rows: [[...cells.map(show), covered > 0 ? show(average) : "–"]],
    note: `${measure}. ${missing.length === 0 ? `Avg. covers all ${names.length} tasks.` : `Avg. covers ${covered} of ${names.length} tasks; not scored: ${missing.join(", ")}.`}`,
  };
}

/** The name of poolings that a sentence-transformers folder describes itself. */
const ownModules = "sentence_transformers";

const last = "output.last_hidden_state";
const meanOf = (hidden: string) => `(${hidden} * mask).sum(1) / mask.sum(1)`;

/** Each pooler as a line of Python on the output of the model, in transformers. */
const pythonPooling: Readonly<Record<string, string>> = {
  cls: "output.pooler_output",
  cls_before_pooler: `${last}[:, 0]`,
  avg: meanOf(last),
  avg_top2: meanOf(`(${last} + output.hidden_states[-2]) / 2`),
  avg_first_last: meanOf(`(${last} + output.hidden_states[1]) / 2`),
};

/** The line for a model; undefined where transformers has no such pooler: modules of its own, or SimCSE's MLP in an architecture without one. */
function transformersPooling(pooler: string, model_type = "bert"): string | undefined {
  const { hasPooler = true } = architectureOf({ model_type });
  return pooler === "cls" && !hasPooler ? undefined : pythonPooling[pooler];
}

/** A text as one word of a shell's command line. */
export const shellWord = (text: string): string => (/^[\w./:,=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/**
 * How a model is loaded: with this package, on the command line, with transformers where a line of Python is the model's pooling, and with
 * sentence-transformers if that has it. `folder` is what the code loads; `maxLength` is in tokens.
 */
export function loadingSnippets({
  name,
  folder = name,
  pooler,
  maxLength,
  modelType,
}: Pick<TrainingReport, "name" | "folder" | "pooler" | "maxLength" | "modelType">): Snippet[] {
  const path = JSON.stringify(folder);
  const typescript = `import { SimCSE } from "simcse-webgpu";

await using model = await SimCSE.load(${path});
const scores = await model.similarity("He plays guitar.", ["A woman is making a photo.", "A man is playing a guitar."]);`;
  const shell = `npx simcse similarity --model ${shellWord(folder)} "He plays guitar." "A man is playing a guitar."`;
  const pooling = transformersPooling(pooler, modelType);
  const transformers = `import torch
from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(${path})
model = AutoModel.from_pretrained(${path}).eval()
inputs = tokenizer(["He plays guitar."], padding=True, truncation=True${maxLength === undefined ? "" : `, max_length=${maxLength}`}, return_tensors="pt")
with torch.no_grad():
    output = model(**inputs, output_hidden_states=True)
mask = inputs["attention_mask"].unsqueeze(-1)
embeddings = ${pooling}`;
  const sentenceTransformers = `from sentence_transformers import SentenceTransformer

embeddings = SentenceTransformer(${path}).encode(["He plays guitar."])`;
  return [
    { title: "TypeScript", language: "ts", code: typescript },
    { title: "Command line", language: "sh", code: shell },
    ...(pooling === undefined ? [] : [{ title: "Python, transformers", language: "python", code: transformers } as const]),
    ...(pooler === ownModules || isInSentenceTransformers(pooler)
      ? [{ title: "Python, sentence-transformers", language: "python", code: sentenceTransformers } as const]
      : []),
  ];
}
