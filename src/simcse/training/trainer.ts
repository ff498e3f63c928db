/**
 * SimCSE training, from examples to a trained model: shuffle, batch, step, log, evaluate, keep the best, and everything needed to go on after an
 * interruption. Reading and writing files is its caller's; it runs in a browser as in Node.
 */
import type { Profiler } from "../../autograd/profiler.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import { longestSentence } from "../../nn/architectures/bert-config.ts";
import { schedules } from "../../nn/schedule.ts";
import { checkLength } from "../embedding/encoder.ts";
import { infoNce } from "../losses/infonce.ts";
import type { Loss } from "../losses/loss.ts";
import type { SimCseModel } from "../model/model.ts";
import { checkArguments, optimizerOf, type TrainingArguments } from "./training-arguments.ts";
import { type Best, type Evaluate, type EvaluationEntry, type EvaluatorState, TrainingEvaluator } from "./training-evaluator.ts";
import { type LogEntry, TrainingLog } from "./training-log.ts";
import { TrainingOrder } from "./training-order.ts";
import { exampleSet, type TrainingExample, type TrainingSet } from "./training-set.ts";
import { type StepMetrics, TrainingStep } from "./training-step.ts";

export { embeddingPooler, type TrainingArguments, trainingDefaults } from "./training-arguments.ts";
export type { EvaluationEntry } from "./training-evaluator.ts";
export type { LogEntry } from "./training-log.ts";
export type { TrainingExample } from "./training-set.ts";

/** What a run is at after an update, beside what stands on the GPU. Everything random follows from the seed and the step. */
export interface TrainerState {
  readonly global_step: number;
  readonly max_steps: number;
  readonly epoch: number;
  readonly evaluator: EvaluatorState | null;
  /** Metrics of the steps since the last log entry. */
  readonly unlogged: readonly StepMetrics[];
}

export interface TrainerHooks {
  readonly onStart?: (plan: { totalSteps: number; step: TrainingStep }) => void;
  readonly onStep?: (progress: { step: number; totalSteps: number; sentences: number }) => void;
  readonly onLog?: (entry: LogEntry) => void | Promise<void>;
  readonly evaluate?: Evaluate;
  readonly onEvaluate?: (entry: EvaluationEntry) => void | Promise<void>;
  /** Called when an evaluation is strictly better than all before. */
  readonly saveBest?: (entry: EvaluationEntry) => Promise<void>;
  /** Called every `save_steps`, and when the run is stopped. */
  readonly saveCheckpoint?: (state: TrainerState) => Promise<void>;
  /** Times some of the steps kernel by kernel. */
  readonly profiler?: Profiler | null;
  /** Stops after the step in flight. */
  readonly signal?: AbortSignal;
}

export interface TrainingSummary {
  readonly steps: number;
  readonly totalSteps: number;
  /** Ended before the last step: asked to, or without a gain for too long. */
  readonly stopped: boolean;
  /** Asked to stop: there is more to do. */
  readonly interrupted: boolean;
  readonly best: Best | null;
  readonly seconds: number;
}

/** Steps submitted before the first of them has finished: enough to keep a GPU busy, few enough to stop soon. */
const stepsInFlight = 2;

/**
 * Trains `model` on `examples`, all of as many columns, or on a set of another kind; goes on after the steps of `from`, whose weights and optimiser state the model then has.
 * Throws `DataError` when there are too few, `OptionError` for options that exclude each other, `CapacityError` when the device is too small,
 * `DivergenceError` when the loss is no longer a number.
 */
export async function train(
  model: SimCseModel,
  tokenizer: Tokenizer,
  examples: readonly TrainingExample[] | TrainingSet,
  args: TrainingArguments,
  hooks: TrainerHooks = {},
  from: TrainerState | null = null,
): Promise<TrainingSummary> {
  const set = "views" in examples ? examples : exampleSet(examples, tokenizer, args.max_seq_length);
  checkArguments(args);
  checkLength(args.max_seq_length, longestSentence(model.config));
  const order = new TrainingOrder(set, args);
  const { totalSteps, updatesPerEpoch } = order;
  const step = await createStep(model, tokenizer, args, { batchSize: order.batchSize, views: set.views });
  hooks.onStart?.({ totalSteps, step });
  const evaluator = evaluates(args)
    ? hooks.evaluate && (await TrainingEvaluator.create(model, tokenizer, args, hooks.evaluate, from?.evaluator ?? null))
    : undefined;
  const log = new TrainingLog(step, args, from?.global_step ?? 0, [...(from?.unlogged ?? [])]);
  const schedule = schedules[args.lr_scheduler_type];

  const started = performance.now();
  const inFlight: Promise<void>[] = [];
  let update = from?.global_step ?? 0;
  let saved = update;
  const save = async () => {
    await log.read(update);
    const epoch = update / updatesPerEpoch;
    const state = { global_step: update, max_steps: totalSteps, epoch, evaluator: evaluator?.state ?? null, unlogged: log.unlogged };
    await outsideOf(log, hooks.saveCheckpoint?.(state));
    saved = update;
  };
  try {
    for (const chosen of order.updates(update)) {
      if (update >= totalSteps || hooks.signal?.aborted || evaluator?.hasStalled) break;
      const batch = chosen.map((index) => set.example(index));
      const learningRate = args.learning_rate * schedule(update, totalSteps, args.warmup_steps, args.learning_rate);
      update++;
      if (hooks.profiler) await hooks.profiler.run(step, batch, update, learningRate);
      else step.run(batch, update, learningRate);
      log.count(batch.length);
      const done = model.device.finish();
      done.catch(() => {}); // Awaited when its turn comes; a loss of the device may be noticed elsewhere before.
      inFlight.push(done);
      if (inFlight.length >= stepsInFlight) await inFlight.shift();
      hooks.onStep?.({ step: update, totalSteps, sentences: batch.length });

      const epoch = update / updatesPerEpoch;
      if (log.isDue(update, totalSteps)) {
        const entry = await log.entry(update, epoch, learningRate);
        await hooks.onLog?.(entry);
      } else if (log.isFull(update)) await log.read(update);
      if (evaluator?.isDue(update, totalSteps, updatesPerEpoch)) {
        await outsideOf(log, evaluate(evaluator, hooks, update, epoch));
      }
      if (args.save_steps > 0 && update % args.save_steps === 0) await save();
    }
    await Promise.all(inFlight);
    await hooks.profiler?.finish();
    if (hooks.signal?.aborted && update > saved) await save();
  } finally {
    evaluator?.close();
    step.close();
  }
  return {
    steps: update,
    totalSteps,
    stopped: update < totalSteps,
    interrupted: update < totalSteps && hooks.signal?.aborted === true && !evaluator?.hasStalled,
    best: evaluator?.state.best ?? null,
    seconds: (performance.now() - started) / 1000,
  };
}

function createStep(
  model: SimCseModel,
  tokenizer: Tokenizer,
  args: TrainingArguments,
  { batchSize, views }: { batchSize: number; views: TrainingSet["views"] },
): Promise<TrainingStep> {
  return TrainingStep.create(model, {
    batchSize,
    views,
    maxLength: args.max_seq_length,
    pooler: args.pooler_type,
    loss: views === 1 ? null : lossOf(args),
    optimizer: optimizerOf(args),
    gradientCheckpointing: args.gradient_checkpointing,
    accumulation: args.gradient_accumulation_steps,
    ...(args.gradient_cache_chunk > 0 && { cacheChunk: Math.min(args.gradient_cache_chunk, batchSize) }),
    ...((args.do_mlm || views === 1) && {
      mlm: {
        weight: views === 1 ? 1 : args.mlm_weight,
        probability: args.mlm_probability,
        maskId: tokenizer.maskId,
        specialIds: new Set([tokenizer.padId, tokenizer.clsId, tokenizer.sepId, tokenizer.maskId, tokenizer.unknownId]),
      },
    }),
    seed: args.seed,
  });
}

function lossOf({ temp, hard_negative_weight, label_smoothing_factor }: TrainingArguments): Loss {
  return infoNce({ temperature: temp, hardNegativeWeight: hard_negative_weight, labelSmoothing: label_smoothing_factor });
}

function evaluates({ evaluation_strategy, eval_steps }: TrainingArguments): boolean {
  return evaluation_strategy === "epoch" || (evaluation_strategy === "steps" && eval_steps > 0);
}

async function evaluate(evaluator: TrainingEvaluator, hooks: TrainerHooks, update: number, epoch: number): Promise<void> {
  const { entry, isBest } = await evaluator.evaluate(update, epoch);
  await hooks.onEvaluate?.(entry);
  if (isBest) await hooks.saveBest?.(entry);
}

/** Waits for work whose time is not training's. */
async function outsideOf(log: TrainingLog, work: Promise<void> | undefined): Promise<void> {
  const began = performance.now();
  await work;
  log.pause(performance.now() - began);
}
