/** What a run logs: means over the steps since the last entry, read from the GPU's ring in time, and the stop when a loss is no longer a number. */
import { DivergenceError } from "../../errors.ts";
import { historyLength } from "./step-recording.ts";
import type { TrainingArguments } from "./training-arguments.ts";
import type { StepMetrics, TrainingStep } from "./training-step.ts";

export interface LogEntry {
  readonly step: number;
  readonly epoch: number;
  /** Mean over the steps since the last entry. */
  readonly loss: number;
  /** With masked language modelling: the two losses that make it. */
  readonly contrastive_loss?: number;
  readonly mlm_loss?: number;
  readonly gradient_norm: number;
  readonly learning_rate: number;
  readonly sentences_per_second: number;
  /** In mixed precision: the loss scale, and the steps so far whose gradients overflowed and were left out. */
  readonly loss_scale?: number;
  readonly skipped_steps?: number;
}

export class TrainingLog {
  #sentences = 0;
  #since = performance.now();
  /** The last step whose metrics were read. */
  #read: number;
  /** The last metrics that were numbers. */
  #last: StepMetrics | undefined;

  constructor(
    readonly step: TrainingStep,
    readonly args: TrainingArguments,
    /** Steps done before, and the metrics of those that no entry has told of. */
    done: number,
    readonly unlogged: StepMetrics[],
  ) {
    this.#read = done;
    this.#last = unlogged.at(-1);
  }

  count(sentences: number): void {
    this.#sentences += sentences;
  }

  /** Time that was not spent on training. */
  pause(milliseconds: number): void {
    this.#since += milliseconds;
  }

  isDue(update: number, totalSteps: number): boolean {
    const { logging_steps, logging_first_step } = this.args;
    return update % logging_steps === 0 || update === totalSteps || (logging_first_step && update === 1);
  }

  /** Whether the ring would soon lose what was not read. */
  isFull(update: number): boolean {
    return update - this.#read >= historyLength;
  }

  /** Reads the metrics of the steps up to `update`. Waits for the GPU. Throws `DivergenceError` when one is no number. */
  async read(update: number): Promise<void> {
    if (update === this.#read) return;
    const first = Math.max(this.#read + 1, update - historyLength + 1);
    const found = await this.step.metrics(first, update);
    // In mixed precision a step whose gradients overflow is left out, and the scale goes down. The loss is not scaled.
    const scaled = this.args.fp16 && (await this.step.scaling()).loss_scale > 1;
    const bad = found.findIndex(({ loss, gradientNorm }) => !Number.isFinite(loss) || !(scaled || Number.isFinite(gradientNorm)));
    this.#last = found.slice(0, bad < 0 ? found.length : bad).findLast(isNumber) ?? this.#last;
    if (bad >= 0) throw diverged(first + bad, found[bad]!, this.#last);
    this.unlogged.push(...found.filter(isNumber));
    this.#read = update;
  }

  /** The entry of the steps since the last one. */
  async entry(update: number, epoch: number, learningRate: number): Promise<LogEntry> {
    await this.read(update);
    const metrics = this.unlogged.splice(0);
    const mlm = metrics[0]?.mlmLoss === undefined ? null : meanOf(metrics, (entry) => entry.mlmLoss!);
    const loss = meanOf(metrics, (entry) => entry.loss);
    const entry: LogEntry = {
      step: update,
      epoch,
      loss,
      ...(mlm !== null && { contrastive_loss: loss - this.args.mlm_weight * mlm, mlm_loss: mlm }),
      gradient_norm: meanOf(metrics, ({ gradientNorm }) => gradientNorm),
      learning_rate: learningRate,
      sentences_per_second: (this.#sentences * 1000) / (performance.now() - this.#since),
      ...(this.args.fp16 && (await this.step.scaling())),
    };
    this.#sentences = 0;
    this.#since = performance.now();
    return entry;
  }
}

const isNumber = ({ loss, gradientNorm }: StepMetrics) => Number.isFinite(loss) && Number.isFinite(gradientNorm);

function diverged(step: number, { loss, gradientNorm }: StepMetrics, last: StepMetrics | undefined): DivergenceError {
  const before = last ? `; the last finite ones were ${last.loss.toFixed(4)} and ${last.gradientNorm.toFixed(4)}` : "";
  return new DivergenceError(
    `At step ${step} the loss is ${loss} and the gradient norm ${gradientNorm}${before}.`,
    "Lower --learning_rate, or raise --temp.",
  );
}

function meanOf(metrics: readonly StepMetrics[], of: (entry: StepMetrics) => number): number {
  return metrics.reduce((sum, entry) => sum + of(entry), 0) / metrics.length;
}
