/**
 * Unsupervised SimCSE training, from sentences to a trained model: shuffle, batch, step, log, evaluate, keep the best. Reading and writing files
 * is its caller's; it runs in a browser as in Node.
 */
import { DataError, DivergenceError } from "../errors.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import type { AdamWOptions } from "../nn/adamw.ts";
import { longestSentence } from "../nn/bert-config.ts";
import { permutation } from "../nn/random.ts";
import { linear } from "../nn/schedule.ts";
import { checkLength, Encoder } from "./encoder.ts";
import type { Encode } from "./evaluation/embed-distinct.ts";
import type { SimCseModel } from "./model.ts";
import type { PoolerType } from "./poolers.ts";
import { historyLength, type StepMetrics, TrainingStep } from "./training-step.ts";

/** The original's options, by their Hugging Face names. */
export interface TrainingArguments {
  readonly num_train_epochs: number;
  /** Overrides the epochs when positive. */
  readonly max_steps: number;
  readonly per_device_train_batch_size: number;
  readonly learning_rate: number;
  readonly max_seq_length: number;
  readonly temp: number;
  readonly pooler_type: PoolerType;
  /** Use the MLP for training alone: embeddings are then the [CLS] vectors before it. */
  readonly mlp_only_train: boolean;
  readonly weight_decay: number;
  readonly adam_beta1: number;
  readonly adam_beta2: number;
  readonly adam_epsilon: number;
  readonly max_grad_norm: number;
  /** Mixed precision: the model was allocated with halves. */
  readonly fp16: boolean;
  /** Compute each layer again in the backward pass, and keep only its input. */
  readonly gradient_checkpointing: boolean;
  readonly logging_steps: number;
  /** Evaluate every so many steps; 0 never does. */
  readonly eval_steps: number;
  /** Name of the evaluation's metric, with or without `eval_`. */
  readonly metric_for_best_model: string;
  /** The caller then saves in `saveBest`, and nothing at the end. */
  readonly load_best_model_at_end: boolean;
  readonly seed: number;
}

export const trainingDefaults: TrainingArguments = {
  num_train_epochs: 3,
  max_steps: -1,
  per_device_train_batch_size: 8,
  learning_rate: 5e-5,
  max_seq_length: 32,
  temp: 0.05,
  pooler_type: "cls",
  mlp_only_train: false,
  weight_decay: 0,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  max_grad_norm: 1,
  fp16: false,
  gradient_checkpointing: false,
  logging_steps: 500,
  eval_steps: 0,
  metric_for_best_model: "stsb_spearman",
  load_best_model_at_end: false,
  seed: 42,
};

export interface LogEntry {
  readonly step: number;
  readonly epoch: number;
  /** Mean over the steps since the last entry. */
  readonly loss: number;
  readonly gradient_norm: number;
  readonly learning_rate: number;
  readonly sentences_per_second: number;
  /** In mixed precision: the loss scale, and the steps so far whose gradients overflowed and were left out. */
  readonly loss_scale?: number;
  readonly skipped_steps?: number;
}

export type EvaluationEntry = { readonly step: number; readonly epoch: number } & Readonly<Record<string, number>>;

export interface TrainerHooks {
  readonly onStart?: (plan: { totalSteps: number; step: TrainingStep }) => void;
  readonly onStep?: (progress: { step: number; totalSteps: number; sentences: number }) => void;
  readonly onLog?: (entry: LogEntry) => void | Promise<void>;
  /** Metrics by name, such as `eval_stsb_spearman`. */
  readonly evaluate?: (encode: Encode) => Promise<Readonly<Record<string, number>>>;
  readonly onEvaluate?: (entry: EvaluationEntry) => void | Promise<void>;
  /** Called when an evaluation is strictly better than all before. */
  readonly saveBest?: (entry: EvaluationEntry) => Promise<void>;
  /** Stops after the step in flight. */
  readonly signal?: AbortSignal;
}

export interface TrainingSummary {
  readonly steps: number;
  readonly totalSteps: number;
  readonly stopped: boolean;
  readonly best: { readonly metric: string; readonly value: number; readonly step: number } | null;
  readonly seconds: number;
}

/** Steps submitted before the first of them has finished: enough to keep a GPU busy, few enough to stop soon. */
const stepsInFlight = 2;

/** The pooler that a model trained with these arguments embeds with. */
export function embeddingPooler({ pooler_type, mlp_only_train }: Pick<TrainingArguments, "pooler_type" | "mlp_only_train">): PoolerType {
  return pooler_type === "cls" && mlp_only_train ? "cls_before_pooler" : pooler_type;
}

/**
 * Trains `model` on `sentences`. Throws `DataError` when there are none, `CapacityError` when the device is too small, `DivergenceError` when the
 * loss is no longer a number.
 */
export async function train(
  model: SimCseModel,
  tokenizer: Tokenizer,
  sentences: readonly string[],
  args: TrainingArguments,
  hooks: TrainerHooks = {},
): Promise<TrainingSummary> {
  if (sentences.length < 2) {
    throw new DataError(
      `There are ${sentences.length} training sentences; contrast needs at least 2.`,
      "Give a file with one sentence a line.",
    );
  }
  checkLength(args.max_seq_length, longestSentence(model.config));
  const batchSize = Math.min(args.per_device_train_batch_size, sentences.length);
  const batchesPerEpoch = Math.ceil(sentences.length / batchSize);
  const totalSteps = args.max_steps > 0 ? args.max_steps : Math.ceil(args.num_train_epochs * batchesPerEpoch);
  const optimizer: AdamWOptions = {
    beta1: args.adam_beta1,
    beta2: args.adam_beta2,
    epsilon: args.adam_epsilon,
    weightDecay: args.weight_decay,
    maxGradNorm: args.max_grad_norm > 0 ? args.max_grad_norm : Number.POSITIVE_INFINITY,
  };
  const step = await TrainingStep.create(model, {
    batchSize,
    maxSeqLength: args.max_seq_length,
    pooler: args.pooler_type,
    temperature: args.temp,
    optimizer,
    gradientCheckpointing: args.gradient_checkpointing,
    seed: args.seed,
  });
  hooks.onStart?.({ totalSteps, step });
  const evaluator = hooks.evaluate && args.eval_steps > 0 ? await createEvaluator(model, tokenizer, args, hooks) : null;

  const { device } = model;
  const started = performance.now();
  const inFlight: Promise<void>[] = [];
  let order: Uint32Array = new Uint32Array();
  let logged = 0;
  let sentencesSinceLog = 0;
  let lastLog = started;
  let update = 0;
  try {
    while (update < totalSteps && !hooks.signal?.aborted) {
      const batchInEpoch = update % batchesPerEpoch;
      if (batchInEpoch === 0) order = permutation(args.seed, `epoch ${update / batchesPerEpoch}`, sentences.length);
      const chosen = order.subarray(batchInEpoch * batchSize, (batchInEpoch + 1) * batchSize);
      const batch = Array.from(chosen, (index) => tokenizer.encode(sentences[index]!, args.max_seq_length));
      const learningRate = args.learning_rate * linear(update, totalSteps);
      update++;
      step.run(batch, update, learningRate);
      sentencesSinceLog += batch.length;
      inFlight.push(device.finish());
      if (inFlight.length >= stepsInFlight) await inFlight.shift();
      hooks.onStep?.({ step: update, totalSteps, sentences: batch.length });
      const epoch = update / batchesPerEpoch;
      if (update % args.logging_steps === 0 || update === totalSteps) {
        const since = await step.metrics(Math.max(logged + 1, update - historyLength + 1), update);
        const scaling = args.fp16 ? await step.scaling() : null;
        const metrics = scaling && scaling.loss_scale > 1 ? since.filter(isFiniteStep) : since;
        checkFinite(metrics, update);
        const seconds = (performance.now() - lastLog) / 1000;
        await hooks.onLog?.({
          step: update,
          epoch,
          loss: meanOf(metrics, "loss"),
          gradient_norm: meanOf(metrics, "gradientNorm"),
          learning_rate: learningRate,
          sentences_per_second: sentencesSinceLog / seconds,
          ...scaling,
        });
        logged = update;
        sentencesSinceLog = 0;
        lastLog = performance.now();
      }
      if (evaluator !== null && update % args.eval_steps === 0) {
        await evaluator.evaluate(update, epoch);
        lastLog += evaluator.lastSeconds * 1000;
      }
    }
    await Promise.all(inFlight);
  } finally {
    evaluator?.close();
    step.close();
  }
  return {
    steps: update,
    totalSteps,
    stopped: update < totalSteps,
    best: evaluator?.best ?? null,
    seconds: (performance.now() - started) / 1000,
  };
}

/** Evaluates while training, and remembers the best. */
async function createEvaluator(model: SimCseModel, tokenizer: Tokenizer, args: TrainingArguments, hooks: TrainerHooks) {
  const encoder = await Encoder.create(model, tokenizer, {
    pooler: embeddingPooler(args),
    maxLength: Math.min(longestSentence(model.config), longestEvaluated),
  });
  const metric = args.metric_for_best_model.replace(/^(eval_)?/, "eval_");
  return {
    best: null as TrainingSummary["best"],
    lastSeconds: 0,
    async evaluate(step: number, epoch: number): Promise<void> {
      const started = performance.now();
      const entry: EvaluationEntry = { step, epoch, ...(await hooks.evaluate!((sentences) => encoder.encode(sentences))) };
      const value = entry[metric];
      if (value === undefined) {
        throw new DataError(
          `The evaluation has no metric ${metric}; it has ${Object.keys(entry).join(", ")}.`,
          "Choose one of them with --metric_for_best_model.",
        );
      }
      await hooks.onEvaluate?.(entry);
      // Of a collapsed model every cosine is the same and the correlation is no number: never the best.
      if (Number.isFinite(value) && (this.best === null || value > this.best.value)) {
        this.best = { metric, value, step };
        await hooks.saveBest?.(entry);
      }
      this.lastSeconds = (performance.now() - started) / 1000;
    },
    close: () => encoder.close(),
  };
}

/** Tokens of a sentence that evaluation reads: the longest that any BERT takes. */
const longestEvaluated = 512;

const isFiniteStep = ({ loss, gradientNorm }: StepMetrics) => Number.isFinite(loss) && Number.isFinite(gradientNorm);

function checkFinite(metrics: readonly StepMetrics[], lastStep: number): void {
  const bad = metrics.findIndex((entry) => !isFiniteStep(entry));
  if (bad < 0) return;
  const step = lastStep - metrics.length + 1 + bad;
  const before = metrics[bad - 1];
  throw new DivergenceError(
    `At step ${step} the loss is ${metrics[bad]!.loss} and the gradient norm ${metrics[bad]!.gradientNorm}${before ? `; the step before had ${before.loss.toFixed(4)} and ${before.gradientNorm.toFixed(4)}` : ""}.`,
    "Lower --learning_rate, or raise --temp.",
  );
}

function meanOf(metrics: readonly StepMetrics[], key: keyof StepMetrics): number {
  return metrics.reduce((sum, entry) => sum + entry[key], 0) / metrics.length;
}
