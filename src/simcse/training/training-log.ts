/**
 * What a run logs: every step's numbers, and means over the steps since the last entry. It also stops the run when a loss is NaN or
 * infinite.
 */
import { DivergenceError } from "../../errors.ts";
import { mean } from "../evaluation/metrics/mean.ts";
import { historyLength } from "./step/step-recording.ts";
import type { CompiledStep, StepMetrics } from "./step/training-step.ts";
import { type TrainingSettings, updatesOf } from "./training-options.ts";

/** One line of a run's log. */
export interface LogEntry {
  readonly step: number;
  readonly epoch: number;
  /** Mean over the steps since the last entry. */
  readonly loss: number;
  /** With masked language modelling: the two losses that it is the sum of. */
  readonly contrastive_loss?: number;
  readonly mlm_loss?: number;
  /** Mean over the steps since the last entry that were not skipped; absent if all were. */
  readonly gradient_norm?: number;
  readonly learning_rate: number;
  readonly sentences_per_second: number;
  /** In mixed precision: the loss scale, and the number of steps so far that were skipped because their gradients overflowed. */
  readonly loss_scale?: number;
  readonly skipped_steps?: number;
}

/** The numbers of a step, and its position in the run. */
export interface StepRecord extends StepMetrics {
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
}

/** Whether a step's gradients overflowed in mixed precision, so that it made no update. */
const isSkipped = ({ gradientNorm }: StepMetrics): boolean => !Number.isFinite(gradientNorm);

export interface LogOptions {
  readonly settings: TrainingSettings;
  /** The position of an update in the run. */
  readonly place: (update: number) => { readonly epoch: number; readonly learningRate: number };
  /** Called with steps, in order, whenever their numbers were read from the GPU. */
  readonly onSteps?: ((steps: readonly StepRecord[]) => void | Promise<void>) | undefined;
  /** Milliseconds after which steps are read even if no entry is due; if absent, they wait for an entry. */
  readonly stepsEvery?: number | undefined;
  /** The number of earlier steps, and the metrics of those that are not in an entry yet. */
  readonly done: number;
  readonly unlogged: readonly StepMetrics[];
}

export class TrainingLog {
  #sentences = 0;
  #since = performance.now();
  /** The last step whose metrics were read, and when. */
  #read: number;
  #readAt = performance.now();
  /** The last finite metrics. */
  #last: StepMetrics | undefined;
  /** Metrics of the steps since the last entry. */
  readonly unlogged: StepMetrics[];

  constructor(
    readonly step: CompiledStep,
    readonly options: LogOptions,
  ) {
    this.#read = options.done;
    this.unlogged = [...options.unlogged];
    this.#last = this.unlogged.at(-1);
  }

  count(sentences: number): void {
    this.#sentences += sentences;
  }

  /** Time that was not spent on training. */
  pause(milliseconds: number): void {
    this.#since += milliseconds;
  }

  isDue(update: number, totalSteps: number): boolean {
    const { loggingSteps, loggingFirstStep } = this.options.settings;
    return update % updatesOf(loggingSteps, totalSteps) === 0 || update === totalSteps || (loggingFirstStep && update === 1);
  }

  /** Reads the steps' metrics before the ring overwrites them, or when they are requested. */
  async keepUp(update: number): Promise<void> {
    const { stepsEvery = Number.POSITIVE_INFINITY } = this.options;
    if (update - this.#read >= historyLength || performance.now() - this.#readAt >= stepsEvery) await this.read(update);
  }

  /** Reads the metrics of the steps up to `update`. Waits for the GPU. Throws `DivergenceError` when one is NaN or infinite. */
  async read(update: number): Promise<void> {
    if (update === this.#read) return;
    const { settings, place, onSteps } = this.options;
    const first = Math.max(this.#read + 1, update - historyLength + 1);
    const found = await this.step.metrics(first, update);
    // In mixed precision, a step whose gradients overflow is skipped, and the scale is reduced. The loss itself is not scaled.
    const mayOverflow = settings.fp16 && (await this.step.scaling()).loss_scale > 1;
    const bad = found.findIndex((metrics) => !Number.isFinite(metrics.loss) || (isSkipped(metrics) && !mayOverflow));
    const good = bad < 0 ? found : found.slice(0, bad);
    await onSteps?.(good.map((metrics, i) => ({ step: first + i, ...place(first + i), ...metrics })));
    this.#last = good.findLast((metrics) => !isSkipped(metrics)) ?? this.#last;
    if (bad >= 0) throw diverged(first + bad, found[bad]!, this.#last);
    this.unlogged.push(...found);
    this.#read = update;
    this.#readAt = performance.now();
  }

  /** The entry of the steps since the last one. */
  async entry(update: number): Promise<LogEntry> {
    await this.read(update);
    const { settings, place } = this.options;
    const { epoch, learningRate } = place(update);
    const metrics = this.unlogged.splice(0);
    const updates = metrics.filter((own) => !isSkipped(own));
    const mlm = metrics[0]?.mlmLoss === undefined ? null : mean(metrics.map((own) => own.mlmLoss!));
    const loss = mean(metrics.map((own) => own.loss));
    const entry: LogEntry = {
      step: update,
      epoch,
      loss,
      ...(mlm !== null && { contrastive_loss: loss - settings.mlmWeight * mlm, mlm_loss: mlm }),
      ...(updates.length > 0 && { gradient_norm: mean(updates.map(({ gradientNorm }) => gradientNorm)) }),
      learning_rate: learningRate,
      sentences_per_second: (this.#sentences * 1000) / (performance.now() - this.#since),
      ...(settings.fp16 && (await this.step.scaling())),
    };
    this.#sentences = 0;
    this.#since = performance.now();
    return entry;
  }
}

function diverged(step: number, { loss, gradientNorm }: StepMetrics, last: StepMetrics | undefined): DivergenceError {
  const before = last ? `; the last finite ones were ${last.loss.toFixed(4)} and ${last.gradientNorm.toFixed(4)}` : "";
  return new DivergenceError(
    `At step ${step} the loss is ${loss} and the gradient norm ${gradientNorm}${before}.`,
    last
      ? "The weights are spoiled. Begin again from the model's files, with a lower `learningRate` or a higher `temperature`."
      : "Load the model again: its weights are damaged, or those of a run that diverged. If they are not, lower `learningRate`, or raise `temperature`.",
  );
}
