/** The input of a report: a run's log, its options and its result, as plain data. */
import type { StsReport } from "../evaluation/senteval/evaluate-sts.ts";
import type { TransferReport } from "../evaluation/senteval/evaluate-transfer.ts";

/** An entry of the log: a step, and numbers by name. */
export type HistoryEntry = { readonly step: number } & Readonly<Record<string, number>>;

/** A training run, as shown by its report and its model card. */
export interface TrainingReport {
  /** The model's name, usually that of its output folder. */
  readonly name: string;
  /** The name or path to load the model by; its name if absent. */
  readonly folder?: string;
  /** The log: entries of training and of evaluations. */
  readonly history: readonly HistoryEntry[];
  /** Every step's numbers in order, by their names in the log; curves are drawn from the log if they are absent. */
  readonly everyStep?: readonly HistoryEntry[];
  /** The run's options, as they are saved with the model. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** The command that trained it; not shown if absent. */
  readonly command?: string;
  /** The hub's name of the model that training began with; not stated if absent. */
  readonly baseModel?: string;
  /** The pooler of the embeddings. */
  readonly pooler: string;
  /** The `model_type` of its config.json; bert if absent. */
  readonly modelType?: string;
  /** Sentences are truncated to this many tokens, special tokens included; not mentioned if absent. */
  readonly maxLength?: number | undefined;
  /** What it was trained on. */
  readonly adapter?: string;
  /** Steps done. */
  readonly steps?: number;
  readonly totalSteps?: number;
  readonly seconds?: number;
  /** The best evaluation during training. */
  readonly best?: { readonly metric: string; readonly value: number; readonly step: number } | null;
  /** The mean cosine of different training texts under the saved model; near 1, it has collapsed. */
  readonly meanCosine?: number | null;
  /** Final evaluations, for the table; without them it shows the dev sets during training. */
  readonly sts?: StsReport;
  readonly transfer?: TransferReport;
}
