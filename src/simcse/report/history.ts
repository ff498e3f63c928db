/** What a report is made of: a run's log, its options and its end, as plain data. */
import type { StsReport } from "../evaluation/senteval/evaluate-sts.ts";
import type { TransferReport } from "../evaluation/senteval/evaluate-transfer.ts";

/** An entry of the log: a step and numbers by their names. */
export type HistoryEntry = { readonly step: number } & Readonly<Record<string, number>>;

/** A training run as its report and its model card show it. */
export interface TrainingReport {
  /** The model's name: of its output folder, as a rule. */
  readonly name: string;
  /** What the model is loaded by; its name if absent. */
  readonly folder?: string;
  /** The log: entries of training and of evaluations. */
  readonly history: readonly HistoryEntry[];
  /** Every step's numbers under the names of the log, in their order; curves are drawn from the log where they are absent. */
  readonly everyStep?: readonly HistoryEntry[];
  /** The run's options, as they are saved with the model. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** How its embeddings are made. */
  readonly pooler: string;
  /** Tokens that a sentence is truncated to, special tokens included; not said if absent. */
  readonly maxLength?: number;
  /** What it was trained on. */
  readonly adapter?: string;
  /** Steps done. */
  readonly steps?: number;
  readonly totalSteps?: number;
  readonly seconds?: number;
  /** The best evaluation while training. */
  readonly best?: { readonly metric: string; readonly value: number; readonly step: number } | null;
  /** Final evaluations, for the table; without them it shows the dev sets while training. */
  readonly sts?: StsReport;
  readonly transfer?: TransferReport;
}
