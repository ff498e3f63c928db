/**
 * Training, from examples to a trained model: shuffle, batch, step, log, evaluate, keep the best, and everything needed to resume after an
 * interruption. The caller reads and writes files; this file runs both in a browser and in Node.
 */
import type { Choices } from "../../autograd/choices.ts";
import type { Profiler } from "../../autograd/profiler.ts";
import { OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import { longestSentence } from "../../nn/architectures/architectures.ts";
import { schedules } from "../../nn/schedule.ts";
import { checkLength } from "../embedding/encoder-options.ts";
import { chooseLoss } from "../losses/loss-choice.ts";
import { checkMaskingProbability } from "../losses/mlm-masking.ts";
import type { SimCseModel } from "../model/model.ts";
import { otherDevices } from "../other-devices.ts";
import { ParallelStep } from "./step/parallel-step.ts";
import type { TokenizedExample, TrainingStepOptions } from "./step/step-recording.ts";
import { type CompiledStep, choicesOfStep, type StepMetrics, TrainingStep } from "./step/training-step.ts";
import {
  type Best,
  type Evaluate,
  type EvaluationEntry,
  type EvaluatorState,
  type TextReading,
  TrainingEvaluator,
} from "./training-evaluator.ts";
import { type LogEntry, type StepRecord, TrainingLog } from "./training-log.ts";
import { checkSettings, evaluates, isDue, optimizerOf, type TrainingSettings, updatesOf } from "./training-options.ts";
import { TrainingOrder } from "./training-order.ts";
import { isOnlyMasked, type TrainingSet } from "./training-set.ts";

/** The state of a run after an update, besides what is on the GPU. Everything random is a function of the seed and the step. */
export interface TrainerState {
  /** Updates done. */
  readonly global_step: number;
  readonly max_steps: number;
  readonly epoch: number;
  /** Seconds of training so far. */
  readonly seconds: number;
  readonly evaluator: EvaluatorState | null;
  /** Metrics of the steps since the last log entry. */
  readonly unlogged: readonly StepMetrics[];
  /** The log and the evaluations so far. */
  readonly log_history: readonly object[];
  /** The kernels' variants, so that measuring again changes no bit; absent if the operations chose for themselves. */
  readonly tuning?: Choices | Readonly<Record<string, string>>;
}

/** Callbacks of a run. Their promises are awaited. */
export interface TrainerHooks {
  /** Called once the step is compiled, before the first update. */
  readonly onStart?: (plan: { readonly totalSteps: number; readonly step: CompiledStep }) => void;
  /** Called when one of several devices was lost and the `left` others go on. */
  readonly onDeviceLost?: (device: Device, left: number) => void;
  /** Called after each update is submitted; its numbers come later, with `onSteps`. */
  readonly onStep?: (progress: { readonly step: number; readonly totalSteps: number; readonly sentences: number }) => void;
  /** Called with every step's numbers, in order, as they are read from the GPU. */
  readonly onSteps?: (steps: readonly StepRecord[]) => void | Promise<void>;
  /** Milliseconds between readings for `onSteps`; if absent, they come with the log entries. Reading waits for the GPU. */
  readonly stepsEvery?: number;
  readonly onLog?: (entry: LogEntry) => void | Promise<void>;
  readonly evaluate?: Evaluate | undefined;
  readonly onEvaluate?: (entry: EvaluationEntry) => void | Promise<void>;
  /** Called when an evaluation is strictly better than all before. */
  readonly saveBest?: ((entry: EvaluationEntry) => void | Promise<void>) | undefined;
  /** Called as `saveStrategy` says, and when the run is stopped. */
  readonly saveCheckpoint?: ((state: TrainerState) => Promise<void>) | undefined;
  /** Times some of the steps kernel by kernel. */
  readonly profiler?: Profiler | null;
  /** Stops after the current step. */
  readonly signal?: AbortSignal | undefined;
}

/** How a run ended. */
export interface TrainingSummary {
  /** Updates done. */
  readonly steps: number;
  readonly totalSteps: number;
  /** Whether it ended before the last step: stopped, or without an improvement for too long. */
  readonly stopped: boolean;
  /** Whether it was stopped and can be resumed. */
  readonly interrupted: boolean;
  /** The best evaluation; null if there was none. */
  readonly best: Best | null;
  /** Seconds of training, including those before an interruption. */
  readonly seconds: number;
  /**
   * The mean cosine of different training texts under the model that is kept. Near 1, it has collapsed: a lower learning rate helps. Null
   * or absent if it was not measured, as after training that only predicts masked words.
   */
  readonly meanCosine?: number | null;
}

/** A run: the model, the data, and how to train. */
export interface TrainingJob {
  readonly model: SimCseModel;
  readonly tokenizer: Tokenizer;
  readonly set: TrainingSet;
  readonly settings: TrainingSettings;
  /** The devices that share each batch with the model's own, which may be among them; only that one if absent. */
  readonly devices?: readonly Device[];
  readonly hooks?: TrainerHooks;
  /** How the saved model will cut and prepare texts, for evaluations; texts are read whole and unchanged if absent. */
  readonly reading?: TextReading | null;
  /** The state to resume from; the model already has its weights and optimiser state. */
  readonly from?: TrainerState | null;
}

/** Steps submitted before the first of them has finished: enough to keep a GPU busy, few enough to stop soon. */
const stepsInFlight = 2;

/**
 * Trains a model. Throws `OptionError` for settings that are impossible or exclude each other, `CapacityError` when the device is too
 * small, `DivergenceError` when the loss is NaN or infinite.
 */
export async function train(job: TrainingJob): Promise<TrainingSummary> {
  const { model, tokenizer, set, settings, devices = [], hooks = {}, reading = null, from = null } = job;
  checkSettings(settings);
  checkLength(settings.maxLength, longestSentence(model.config));
  const order = new TrainingOrder(set, settings);
  checkPlace(from, order.totalSteps);
  const dimension = model.config.hidden_size;
  const options = { ...stepOptions(set, settings, { tokenizer, dimension }), accumulation: order.accumulation };
  const others = otherDevices(model.device, devices);
  using step =
    others.length === 0
      ? await TrainingStep.create(model, options)
      : await ParallelStep.create(model, options, { others, onLoss: hooks.onDeviceLost });
  using evaluator =
    hooks.evaluate && evaluates(settings)
      ? await TrainingEvaluator.create(model, tokenizer, settings, { evaluate: hooks.evaluate, state: from?.evaluator ?? null, reading })
      : null;
  hooks.onStart?.({ totalSteps: order.totalSteps, step });
  return await new Trainer({ ...job, devices, hooks, reading, from }, step, order, evaluator).run();
}

/** The tokens of no word, which are never masked. */
function specialIds({ padId, clsId, sepId, maskId, unknownId }: Tokenizer): ReadonlySet<number> {
  return new Set([padId, clsId, sepId, maskId, ...(unknownId === null ? [] : [unknownId])]);
}

/** What the step is compiled for; a run of few batches accumulates no more than its order has. */
export function stepOptions(
  set: Pick<TrainingSet, "length" | "views" | "target">,
  settings: TrainingSettings,
  { tokenizer, dimension }: { readonly tokenizer: Tokenizer; readonly dimension: number },
): TrainingStepOptions {
  const batchSize = Math.min(settings.batchSize, set.length);
  const onlyMasked = isOnlyMasked(set);
  const loss = onlyMasked ? null : chooseLoss(settings, { ...set, dimension });
  if (loss?.couples && batchSize < 2) {
    throw new OptionError(
      `A \`batchSize\` of ${batchSize} leaves nothing to tell an example from: the loss ${loss.name} compares those of a batch.`,
      "Give a `batchSize` of at least 2.",
    );
  }
  const predictsMasked = settings.mlm || onlyMasked;
  if (predictsMasked) checkMaskingProbability(settings.mlmProbability);
  return {
    batchSize,
    views: set.views,
    loss,
    maxLength: settings.maxLength,
    pooler: settings.pooler,
    optimizer: optimizerOf(settings),
    gradientCheckpointing: settings.gradientCheckpointing,
    accumulation: settings.gradientAccumulationSteps,
    cacheChunk: settings.gradientCacheChunk > 0 ? Math.min(settings.gradientCacheChunk, batchSize) : undefined,
    mlm: predictsMasked
      ? {
          weight: onlyMasked ? 1 : settings.mlmWeight,
          probability: settings.mlmProbability,
          maskId: tokenizer.maskId,
          specialIds: specialIds(tokenizer),
        }
      : undefined,
    dropout: settings.dropout,
    seed: settings.seed,
  };
}

/** Throws `OptionError` if the state to resume from is beyond the run's end. */
function checkPlace(from: TrainerState | null, totalSteps: number): void {
  if (from === null || from.global_step <= totalSteps) return;
  throw new OptionError(
    `The checkpoint is that of step ${from.global_step}; the run has ${totalSteps} steps.`,
    "Give the options and the examples that the run began with.",
  );
}

/** A run in progress. */
class Trainer {
  readonly #log: TrainingLog;
  /** The number of the last update. */
  #update: number;
  /** The update of the last checkpoint. */
  #saved: number;
  readonly #began = performance.now();
  readonly #history: object[];
  readonly #tuning: Choices;
  /** Steps that were submitted and are not known to be done. */
  readonly #inFlight: Promise<void>[] = [];

  constructor(
    readonly job: Required<TrainingJob>,
    readonly step: CompiledStep,
    readonly order: TrainingOrder,
    readonly evaluator: TrainingEvaluator | null,
  ) {
    const { hooks, from, settings } = job;
    this.#update = from?.global_step ?? 0;
    this.#saved = this.#update;
    this.#history = [...(from?.log_history ?? [])];
    this.#tuning = choicesOfStep(step);
    this.#log = new TrainingLog(step, {
      settings,
      place: (update) => ({ epoch: update / order.updatesPerEpoch, learningRate: this.#learningRate(update) }),
      onSteps: hooks.onSteps,
      stepsEvery: hooks.stepsEvery,
      done: this.#update,
      unlogged: from?.unlogged ?? [],
    });
  }

  async run(): Promise<TrainingSummary> {
    const { hooks, set, settings } = this.job;
    if (settings.evalOnStart && this.#update === 0 && this.evaluator) await this.#outsideOfTraining(this.#evaluate(this.evaluator));
    for (const chosen of this.order.updates(this.#update)) {
      if (this.#isOver) break;
      await this.#train(chosen.map((index) => set.example(index)));
      if (this.#log.isDue(this.#update, this.order.totalSteps)) {
        const entry = await this.#log.entry(this.#update);
        this.#history.push(entry);
        await hooks.onLog?.(entry);
      } else await this.#log.keepUp(this.#update);
      const { totalSteps, updatesPerEpoch } = this.order;
      const place = { update: this.#update, totalSteps, updatesPerEpoch };
      if (this.evaluator?.isDue(place)) await this.#outsideOfTraining(this.#evaluate(this.evaluator));
      if (isDue(settings.saveStrategy, settings.saveSteps, place)) await this.#save();
    }
    await Promise.all(this.#inFlight);
    await hooks.profiler?.finish();
    await this.#log.read(this.#update);
    if (hooks.signal?.aborted && this.#update > this.#saved) await this.#save();
    return this.#summary();
  }

  get #isOver(): boolean {
    return this.#update >= this.order.totalSteps || this.job.hooks.signal?.aborted === true || this.evaluator?.hasStalled === true;
  }

  /** Submits the next update; waits if too many are in flight. */
  async #train(batch: readonly TokenizedExample[]): Promise<void> {
    const { model, hooks } = this.job;
    const update = ++this.#update;
    if (hooks.profiler) await hooks.profiler.run(this.step, batch, update, this.#learningRate(update));
    else await this.step.run(batch, update, this.#learningRate(update));
    this.#log.count(batch.length);
    const done = model.device.finish();
    done.catch(() => {}); // It is awaited when its turn comes; the loss of the device may be noticed elsewhere before.
    this.#inFlight.push(done);
    if (this.#inFlight.length >= stepsInFlight) await this.#inFlight.shift();
    hooks.onStep?.({ step: update, totalSteps: this.order.totalSteps, sentences: batch.length });
  }

  #learningRate(update: number): number {
    const { learningRate, scheduler, warmupSteps } = this.job.settings;
    const { totalSteps } = this.order;
    return learningRate * schedules[scheduler](update - 1, totalSteps, updatesOf(warmupSteps, totalSteps), learningRate);
  }

  async #evaluate(evaluator: TrainingEvaluator): Promise<void> {
    const { hooks } = this.job;
    await this.#log.read(this.#update);
    const { entry, isBest } = await evaluator.evaluate(this.#update, this.#epoch);
    this.#history.push(entry);
    await hooks.onEvaluate?.(entry);
    if (isBest) await hooks.saveBest?.(entry);
  }

  async #save(): Promise<void> {
    await this.#log.read(this.#update);
    const state: TrainerState = {
      global_step: this.#update,
      max_steps: this.order.totalSteps,
      epoch: this.#epoch,
      seconds: this.#seconds,
      evaluator: this.evaluator?.state ?? null,
      unlogged: this.#log.unlogged,
      log_history: [...this.#history],
      tuning: this.#tuning,
    };
    await this.#outsideOfTraining(this.job.hooks.saveCheckpoint?.(state));
    this.#saved = this.#update;
  }

  get #epoch(): number {
    return this.#update / this.order.updatesPerEpoch;
  }

  get #seconds(): number {
    return (this.job.from?.seconds ?? 0) + (performance.now() - this.#began) / 1000;
  }

  /** Waits for work whose time does not count in sentences per second. */
  async #outsideOfTraining(work: Promise<void> | undefined): Promise<void> {
    const began = performance.now();
    await work;
    this.#log.pause(performance.now() - began);
  }

  #summary(): TrainingSummary {
    const { totalSteps } = this.order;
    const stopped = this.#update < totalSteps;
    return {
      steps: this.#update,
      totalSteps,
      stopped,
      interrupted: stopped && this.job.hooks.signal?.aborted === true && !this.evaluator?.hasStalled,
      best: this.evaluator?.state.best ?? null,
      seconds: this.#seconds,
    };
  }
}
