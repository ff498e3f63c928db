/** The metrics of your own sets in a run's log, and how training changed them. */
import { TRANSFER_TASKS } from "../evaluation/senteval/transfer.ts";
import type { TrainingReport } from "./history.ts";
import { keptEvaluation } from "./kept-evaluation.ts";

/** The metrics of SentEval's dev sets, which have tables of their own. */
const ofSentEval = new Set([
  ...["stsb_spearman", "sickr_spearman", "avg_sts", "alignment", "uniformity", "avg_transfer", "loss"],
  ...TRANSFER_TASKS.map(({ name }) => name),
]);

/** What is left out where there is room for few numbers. */
const detail = /_(accuracy@(?!1$)\d+|precision(@\d+)?|recall(@\d+)?|\w*threshold|dev_accuracy)$/;

/** Whether a name in the log is a metric of a set of your own. */
const isOwnMetric = (name: string): boolean => name.startsWith("eval_") && !ofSentEval.has(name.slice("eval_".length));

/** Whether it is one of the few that say most. */
export const isMainMetric = (name: string): boolean => isOwnMetric(name) && !detail.test(name);

/** A metric before the first step, and of the model that is kept. */
export interface MetricChange {
  readonly metric: string;
  /** Undefined if nothing was evaluated before the first step. */
  readonly before: number | undefined;
  readonly after: number;
}

/** How training changed the metrics of your own sets. */
export interface MetricChanges {
  /** The step of the model that is kept. */
  readonly step: number;
  /** In the order of the log; none without a set of your own. */
  readonly changes: readonly MetricChange[];
}

/** The metrics of your own sets before the first step and of the model that is kept. */
export function metricChanges(report: Pick<TrainingReport, "history" | "best" | "arguments">): MetricChanges {
  const kept = keptEvaluation(report);
  const first = report.history.find(({ step, ...metrics }) => step === 0 && Object.keys(metrics).some(isOwnMetric));
  if (kept === null) return { step: 0, changes: [] };
  const changes = Object.entries(kept).flatMap(([name, after]) =>
    isOwnMetric(name) ? [{ metric: name.slice("eval_".length), before: first?.[name], after }] : [],
  );
  return { step: kept.step, changes };
}

/** A metric's value as the log shows it. */
export const metricValue = (value: number | undefined): string => (value === undefined ? "–" : value.toFixed(4));
