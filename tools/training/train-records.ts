/** The records of a run for people: `log.jsonl`, TensorBoard's event files, `report.html`, the model card, and the original's two files of results. */
import { existsSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { readText } from "../../src/io/folder.ts";
import { openFolder, writeFileAtomically } from "../../src/io/folder-node.ts";
import { fileOperation } from "../../src/io/folders/errno-node.ts";
import { makeFolder } from "../../src/io/folders/make-folder-node.ts";
import { eventFileName, fileHeader, scalarRecord, startRecord } from "../../src/io/formats/tensorboard.ts";
import { isHubName } from "../../src/io/hub-node.ts";
import type { HistoryEntry, TrainingReport } from "../../src/simcse/report/history.ts";
import { keptEvaluation } from "../../src/simcse/report/kept-evaluation.ts";
import { modelCard } from "../../src/simcse/report/model-card.ts";
import { reportHtml } from "../../src/simcse/report/report.ts";
import { scalarsOf } from "../../src/simcse/report/scalars.ts";
import type { EvaluationEntry } from "../../src/simcse/training/training-evaluator.ts";
import type { LogEntry, StepRecord } from "../../src/simcse/training/training-log.ts";

export interface RecordsOptions {
  readonly output: string;
  /** The folder for TensorBoard's files. */
  readonly loggingDir: string;
  /** Log entries from before the run was resumed. */
  readonly history: readonly HistoryEntry[];
  /** Number of steps from before the run was resumed. */
  readonly steps: number;
  /** What the report contains besides the history. */
  readonly about: Omit<TrainingReport, "history" | "everyStep" | "name" | "folder"> & { readonly name?: string };
}

const seconds = () => Date.now() / 1000;

export class TrainRecords {
  readonly history: HistoryEntry[];

  private constructor(
    readonly options: RecordsOptions,
    readonly log: string,
    readonly events: string,
    /** The numbers of every step, under their names in the log. */
    readonly everyStep: HistoryEntry[],
  ) {
    this.history = options.history.map(numbersOf);
  }

  /** Starts the files; a log that goes beyond the checkpoint is cut back to it. Throws `FileError` when they cannot be written. */
  static async open(options: RecordsOptions): Promise<TrainRecords> {
    const { output, loggingDir, history } = options;
    const log = join(output, "log.jsonl");
    await writeFileAtomically(log, history.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    const began = seconds();
    const events = join(loggingDir, eventFileName(began, hostname()));
    await fileOperation("write", events, async () => {
      await makeFolder(loggingDir);
      await appendFile(events, Buffer.concat([fileHeader(began), startRecord(began, options.steps + 1)]));
    });
    const steps = join(output, stepsFile);
    const everyStep = await readSteps(output, options.steps);
    await writeFileAtomically(steps, `${[stepColumns.join(","), ...everyStep.map(stepLine)].join("\n")}\n`);
    return new TrainRecords(options, log, events, everyStep);
  }

  /** Records steps when their numbers become known. */
  async addSteps(steps: readonly StepRecord[]): Promise<void> {
    const entries = steps.map(({ step, epoch, learningRate, loss, gradientNorm, mlmLoss = Number.NaN }) =>
      withoutNaN({ step, epoch, learning_rate: learningRate, loss, gradient_norm: gradientNorm, mlm_loss: mlmLoss }),
    );
    this.everyStep.push(...entries);
    const path = join(this.options.output, stepsFile);
    await fileOperation("write", path, () => appendFile(path, entries.map((entry) => `${stepLine(entry)}\n`).join("")));
  }

  async add(entry: LogEntry | EvaluationEntry): Promise<void> {
    this.history.push(entry as HistoryEntry);
    await fileOperation("write", this.log, () => appendFile(this.log, `${JSON.stringify(entry)}\n`));
    const scalars = scalarRecord(scalarsOf(entry as HistoryEntry, seconds()));
    await fileOperation("write", this.events, () => appendFile(this.events, scalars));
  }

  /** Writes the report of the run so far. */
  async report(more: Partial<TrainingReport> = {}): Promise<void> {
    await this.#write("report.html", reportHtml(this.#about(more)));
  }

  /** Writes the model card, README.md. */
  async card(more: Partial<TrainingReport>): Promise<void> {
    await this.#write("README.md", modelCard(this.#about(more)));
  }

  /** Writes `train_results.txt` and, after an evaluation, that of the saved model as `eval_results.txt`: names and values, as in the original. */
  async results(training: Readonly<Record<string, number>>, more: Partial<TrainingReport>): Promise<void> {
    await this.#write("train_results.txt", resultLines(training));
    const evaluation = keptEvaluation(this.#about(more));
    if (evaluation !== null) await this.#write("eval_results.txt", resultLines(evaluation));
  }

  #about(more: Partial<TrainingReport>): TrainingReport {
    const { output, about } = this.options;
    const folder = basename(output);
    const report = { name: folder, ...about, ...more, folder, history: this.history, everyStep: this.everyStep };
    const { model_name_or_path: base } = report.arguments;
    return typeof base === "string" && base.includes("/") && isHubName(base) && !existsSync(base) ? { ...report, baseModel: base } : report;
  }

  #write(file: string, content: string): Promise<void> {
    return writeFileAtomically(join(this.options.output, file), content);
  }
}

/** The numbers of every step, one line per step. */
const stepsFile = "steps.csv";
const stepColumns = ["step", "epoch", "learning_rate", "loss", "gradient_norm", "mlm_loss"] as const;

const stepLine = (entry: HistoryEntry) => stepColumns.map((name) => entry[name] ?? "").join(",");

/** The first `count` steps from before the run was resumed; none if their file is missing, as in another output folder. */
async function readSteps(output: string, count: number): Promise<HistoryEntry[]> {
  const folder = await openFolder(output);
  if (count === 0 || !(await folder.has(stepsFile))) return [];
  const [, ...lines] = (await readText(folder, stepsFile)).trim().split("\n");
  const steps = lines.map((line) => {
    const cells = line.split(",").map((cell) => (cell === "" ? Number.NaN : Number(cell)));
    return withoutNaN(Object.fromEntries(stepColumns.map((name, i) => [name, cells[i] ?? Number.NaN])) as HistoryEntry);
  });
  return steps.filter(({ step }) => step >= 1 && step <= count);
}

function withoutNaN(entry: HistoryEntry): HistoryEntry {
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => !Number.isNaN(value))) as HistoryEntry;
}

function resultLines(results: Readonly<Record<string, number>>): string {
  return Object.keys(results)
    .sort()
    .map((name) => `${name} = ${results[name]}\n`)
    .join("");
}

/** Restores entries: JSON has null for numbers that are not finite. */
export function numbersOf(entry: HistoryEntry): HistoryEntry {
  const values = Object.entries(entry).map(([name, value]) => [name, value ?? Number.NaN] as const);
  return Object.fromEntries(values) as HistoryEntry;
}
