/**
 * The metadata at the head of a model card, in YAML: how hubs open a model, where they list it, and its scores.
 * https://huggingface.co/docs/hub/model-cards#model-card-metadata
 */
import { isInSentenceTransformers } from "../checkpoint/saved-model.ts";
import { averagedTasks, devMetrics } from "../evaluation/senteval/evaluate-sts.ts";
import { scoresOf } from "../evaluation/senteval/score-tasks.ts";
import type { TrainingReport } from "./history.ts";
import { keptEvaluation } from "./kept-evaluation.ts";
import { metricChanges } from "./own-metrics.ts";

/** What only a model's author can say. */
export interface CardLicence {
  /** An identifier of the hub, such as apache-2.0. */
  readonly license?: string | undefined;
  /** Codes of ISO 639, such as en. */
  readonly language?: readonly string[] | undefined;
}

/** A score as hubs list it. */
interface Result {
  /** The data set's name, its name on the hub or in the report, and the split. */
  readonly dataset: string;
  readonly type: string;
  readonly split: string;
  readonly metric: string;
  readonly value: number;
}

/** The data sets' names on the hub. */
const hubNames: Readonly<Record<string, string>> = {
  STS12: "mteb/sts12-sts",
  STS13: "mteb/sts13-sts",
  STS14: "mteb/sts14-sts",
  STS15: "mteb/sts15-sts",
  STS16: "mteb/sts16-sts",
  STSBenchmark: "mteb/stsbenchmark-sts",
  SICKRelatedness: "mteb/sickr-sts",
};

/** The YAML between two lines of `---`. */
export function cardMetadata(report: TrainingReport): string {
  const { name, pooler, baseModel, arguments: given } = report;
  const forSentenceTransformers = isInSentenceTransformers(pooler) || pooler === "sentence_transformers";
  const results = resultsOf(report);
  const { dataset_name: dataset } = given;
  return `---
library_name: ${forSentenceTransformers ? "sentence-transformers" : "transformers"}
pipeline_tag: sentence-similarity
${list("tags", ["simcse", "sentence-similarity", "feature-extraction", ...(forSentenceTransformers ? ["sentence-transformers"] : [])])}\
${baseModel === undefined ? "" : `base_model: ${scalar(baseModel)}\n`}\
${typeof dataset === "string" ? list("datasets", [dataset]) : ""}\
${results.length === 0 ? "" : list("metrics", [...new Set(results.map(({ metric }) => metric))]) + modelIndex(name, results)}---
`;
}

/** A card whose metadata state a licence and languages; what it stated before is replaced. A card without metadata gets some. */
export function withLicence(card: string, { license, language }: CardLicence): string {
  const [head = "", metadata = ""] = /^---\n([\s\S]*?)^---\n/m.exec(card) ?? [];
  const isHead = head !== "" && card.startsWith(head);
  const added = { ...(license && { license: `license: ${scalar(license)}\n` }), ...(language && { language: list("language", language) }) };
  const kept = Object.keys(added).reduce(without, isHead ? metadata : "");
  return `---\n${Object.values(added).join("")}${kept}---\n${isHead ? card.slice(head.length) : `\n${card}`}`;
}

/** YAML without a key at its top level and the lines that belong to it. */
function without(yaml: string, key: string): string {
  return yaml.replace(new RegExp(`^${key}:.*\\n(?:(?:[ \\t]|- ).*\\n)*`, "m"), "");
}

function resultsOf(report: TrainingReport): Result[] {
  const { sts } = report;
  const kept = keptEvaluation(report);
  const spearman = (dataset: string, split: string, value: number | undefined): Result[] =>
    value === undefined || !Number.isFinite(value)
      ? []
      : [{ dataset, type: hubNames[dataset] ?? dataset, split, metric: "spearman_cosine", value }];
  const own = metricChanges(report).changes.filter(({ after }) => Number.isFinite(after));
  return [
    ...(sts === undefined
      ? Object.entries(devMetrics).flatMap(([dataset, metric]) => spearman(dataset, "validation", kept?.[metric]))
      : averagedTasks(sts.mode).flatMap(({ name }) =>
          spearman(name, sts.mode === "test" ? "test" : "validation", scoresOf(sts.tasks, name)?.spearman.all),
        )),
    ...own.map(({ metric, after }) => ({ dataset: "own data", type: "own", split: "validation", metric, value: after })),
  ];
}

function modelIndex(name: string, results: readonly Result[]): string {
  const lines = results.map(
    ({ dataset, type, split, metric, value }) => `  - task:
      type: sentence-similarity
    dataset:
      name: ${scalar(dataset)}
      type: ${scalar(type)}
      split: ${split}
    metrics:
    - type: ${scalar(metric)}
      value: ${Number(value.toFixed(6))}
`,
  );
  return `model-index:\n- name: ${scalar(name)}\n  results:\n${lines.join("")}`;
}

const list = (key: string, values: readonly string[]) => `${key}:\n${values.map((value) => `- ${scalar(value)}\n`).join("")}`;

/** A text that YAML could take for something else, such as no for false, is quoted; JSON's quotation marks are YAML's too. */
function scalar(text: string): string {
  const isPlain = /^[a-zA-Z][\w./-]*$/.test(text) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}
