/** What a run leaves for people to look at: `log.jsonl`, TensorBoard's event files, `report.html`, the model card, and the original's two files of results. */
import { appendFile, mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { writeFileAtomically } from "../../src/io/folder-node.ts";
import { fileOperation } from "../../src/io/folders/errno-node.ts";
import { eventFileName, fileHeader, scalarRecord } from "../../src/io/formats/tensorboard.ts";
import { keptEvaluation } from "../../src/simcse/report/card.ts";
import { modelCard } from "../../src/simcse/report/model-card.ts";
import { type HistoryEntry, reportHtml, type TrainingReport } from "../../src/simcse/report/report.ts";
import { scalarsOf } from "../../src/simcse/report/scalars.ts";
import type { EvaluationEntry, LogEntry } from "../../src/simcse/training/trainer.ts";

export interface RecordsOptions {
  readonly output: string;
  /** Where TensorBoard looks. */
  readonly loggingDir: string;
  /** Entries of the part of the run that came before. */
  readonly history: readonly HistoryEntry[];
  /** What the report says beside the history. */
  readonly about: Omit<TrainingReport, "history" | "name" | "folder"> & { readonly name?: string };
}

const seconds = () => Date.now() / 1000;

export class TrainRecords {
  readonly history: HistoryEntry[];

  private constructor(
    readonly options: RecordsOptions,
    readonly log: string,
    readonly events: string,
  ) {
    this.history = options.history.map(numbersOf);
  }

  /** Begins the files; a log that went on beyond the checkpoint is cut back to it. Throws `FileError` when they cannot be written. */
  static async open(options: RecordsOptions): Promise<TrainRecords> {
    const { output, loggingDir, history } = options;
    const log = join(output, "log.jsonl");
    await writeFileAtomically(log, history.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    const began = seconds();
    const events = join(loggingDir, eventFileName(began, hostname()));
    await fileOperation("write", events, async () => {
      await mkdir(loggingDir, { recursive: true });
      await appendFile(events, fileHeader(began));
    });
    return new TrainRecords(options, log, events);
  }

  async add(entry: LogEntry | EvaluationEntry): Promise<void> {
    this.history.push(entry as HistoryEntry);
    await fileOperation("write", this.log, () => appendFile(this.log, `${JSON.stringify(entry)}\n`));
    const scalars = scalarRecord(scalarsOf(entry as HistoryEntry, seconds()));
    await fileOperation("write", this.events, () => appendFile(this.events, scalars));
  }

  /** Writes the report of what there is so far. */
  async report(more: Partial<TrainingReport> = {}): Promise<void> {
    await this.#write("report.html", reportHtml(this.#about(more)));
  }

  /** Writes the model card, README.md. */
  async card(more: Partial<TrainingReport>): Promise<void> {
    await this.#write("README.md", modelCard(this.#about(more)));
  }

  /** Writes `train_results.txt` and, where there was an evaluation, that of the model that is kept as `eval_results.txt`: names and values, as the original's. */
  async results(training: Readonly<Record<string, number>>, more: Partial<TrainingReport>): Promise<void> {
    await this.#write("train_results.txt", resultLines(training));
    const evaluation = keptEvaluation(this.#about(more));
    if (evaluation !== null) await this.#write("eval_results.txt", resultLines(evaluation));
  }

  #about(more: Partial<TrainingReport>): TrainingReport {
    const { output, about } = this.options;
    const folder = basename(output);
    return { name: folder, ...about, ...more, folder, history: this.history };
  }

  #write(file: string, content: string): Promise<void> {
    return writeFileAtomically(join(this.options.output, file), content);
  }
}

function resultLines(results: Readonly<Record<string, number>>): string {
  return Object.keys(results)
    .sort()
    .map((name) => `${name} = ${results[name]}\n`)
    .join("");
}

/** Entries as they were: JSON has null for what was no number. */
export function numbersOf(entry: HistoryEntry): HistoryEntry {
  const values = Object.entries(entry).map(([name, value]) => [name, value ?? Number.NaN] as const);
  return Object.fromEntries(values) as HistoryEntry;
}
