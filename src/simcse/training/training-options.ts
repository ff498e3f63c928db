/**
 * The options of a training run. `TrainingSettings` are the numbers and switches that decide what is learned, logged and kept; they are
 * saved with a checkpoint. Their defaults are the original's. The command line uses Hugging Face's names.
 */
import { OptionError } from "../../errors.ts";
import type { AdamWOptions } from "../../nn/adamw.ts";
import { type LoraOptions, type LoraTarget, loraTargets } from "../../nn/lora.ts";
import { type SchedulerType, schedulerTypes } from "../../nn/schedule.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { type LossName, lossNames } from "../losses/loss-choice.ts";
import { type PoolerType, poolerTypes } from "../model/poolers.ts";
import { checkMetric } from "./best-metric.ts";

export const strategies = ["no", "steps", "epoch"] as const;

/** When something is done in a run: never, every so many steps, or at the end of each epoch. */
export type Strategy = (typeof strategies)[number];

/** All settings of a training run; `trainingDefaults` has the default values. */
export interface TrainingSettings {
  /** Passes through the examples; may be a fraction. */
  readonly epochs: number;
  /** Updates; overrides `epochs` when positive. */
  readonly maxSteps: number;
  /** Examples per batch. */
  readonly batchSize: number;
  /** Batches per update, each with its own loss (and negatives). */
  readonly gradientAccumulationSteps: number;
  /**
   * Examples embedded at a time, with the loss over the whole batch (GradCache): large batches with little memory. 0 embeds all at once.
   */
  readonly gradientCacheChunk: number;
  /** Drop the last batch of an epoch if it is smaller than the others. */
  readonly dropLast: boolean;
  /** No sentence occurs twice in a batch, where it would be its own negative. */
  readonly noDuplicates: boolean;
  /** AdamW's peak rate. */
  readonly learningRate: number;
  /** How the rate changes after the warm-up. */
  readonly scheduler: SchedulerType;
  /** Updates in which the rate rises to its peak; below 1, this share of all updates (rounded up). */
  readonly warmupSteps: number;
  /** Sentences are truncated to this many tokens in training, special tokens included. */
  readonly maxLength: number;
  /** The loss of embeddings by name; null for the one that suits the examples. */
  readonly loss: LossName | null;
  /** τ of the contrastive loss. */
  readonly temperature: number;
  /** How a sentence's vector is made. */
  readonly pooler: PoolerType;
  /** The log of the weight of a sentence's own hard negative relative to those of others. */
  readonly hardNegativeWeight: number;
  /** Share of the contrastive loss's target that is spread over all keys, 0 to 1. */
  readonly labelSmoothing: number;
  /** Let each second sentence of a pair also find its first one (contrastive loss), and average both directions. */
  readonly symmetric: boolean;
  /** When distilling, the weight of the cosines within a batch, relative to the cosines with the given vectors. */
  readonly similarityWeight: number;
  /**
   * Train the first dimensions of each vector, for each of these lengths, as vectors (Matryoshka); the whole length must be among them.
   * Null trains only whole vectors.
   */
  readonly matryoshkaDims: readonly number[] | null;
  /** Use the MLP of the pooler `cls` only in training: embeddings are then the [CLS] vectors before it. */
  readonly mlpOnlyTrain: boolean;
  /** Masked language modelling as a second loss. */
  readonly mlm: boolean;
  /** The weight of that loss. */
  readonly mlmWeight: number;
  /** Share of the tokens that are masked, 0 to 1. */
  readonly mlmProbability: number;
  /**
   * Parts that are not trained: `embeddings`, layers by number or range, such as `3` or `0-5`, and `pooler` (the MLP of the pooler cls). They
   * take no memory for gradients and moments, and the backward pass ends above them.
   */
  readonly freeze: readonly string[];
  /**
   * Trains low-rank adapters of this rank beside the encoder's weights (LoRA, Hu et al. 2021), which are then frozen; 0 trains the weights
   * themselves. The saved model has the adapters merged. Layers in `freeze` get no adapters.
   */
  readonly loraRank: number;
  /** The adapters' product is multiplied by `loraAlpha` / `loraRank`. */
  readonly loraAlpha: number;
  /** The linear layers that get adapters, in each layer of the encoder; `all-linear` for all of them. */
  readonly loraTargets: readonly (LoraTarget | "all-linear")[];
  /** Dropout of the adapters' input, 0 to below 1. */
  readonly loraDropout: number;
  /** AdamW's weight decay of matrices. */
  readonly weightDecay: number;
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEpsilon: number;
  /**
   * The probability of dropout, 0 to less than 1; null for those of the model's config. Dropout tells the two vectors of a sentence without a
   * pair apart.
   */
  readonly dropout: number | null;
  /** Gradients are clipped to this norm; 0 does not clip. */
  readonly maxGradNorm: number;
  /** Mixed precision: activations and products in f16; sums, loss and master weights in f32. */
  readonly fp16: boolean;
  /** Recompute each layer in the backward pass, and keep only its input: a sixth of the memory for activations. */
  readonly gradientCheckpointing: boolean;
  /** Updates between log entries; below 1, this share of all updates (rounded up). */
  readonly loggingSteps: number;
  readonly loggingFirstStep: boolean;
  /** Evaluate every `evalSteps`, at the end of each epoch, or never. */
  readonly evaluationStrategy: Strategy;
  /** Updates between evaluations with the strategy `steps`; below 1, this share of all updates (rounded up). 0 never evaluates. */
  readonly evalSteps: number;
  /** Also evaluate before the first update, if there is an evaluation: the initial score. */
  readonly evalOnStart: boolean;
  /** Write checkpoints every `saveSteps`, at the end of each epoch, or only that of an interrupted run. */
  readonly saveStrategy: Strategy;
  /** The same between checkpoints; 0 writes only that of an interrupted run. */
  readonly saveSteps: number;
  /** The evaluation's metric that decides which model is best, with or without `eval_`; null for the evaluation's first. */
  readonly metric: string | null;
  /** Whether a greater value of it is better. */
  readonly greaterIsBetter: boolean;
  /** Keep the weights of the best evaluation instead of the last ones. */
  readonly keepBest: boolean;
  /** Evaluations without an improvement after which training ends; 0 trains to the end. */
  readonly earlyStoppingPatience: number;
  /** An improvement must be larger than this. */
  readonly earlyStoppingThreshold: number;
  /** The seed of initial weights, order, dropout and masked words. */
  readonly seed: number;
}

/** The original's defaults. */
export const trainingDefaults: TrainingSettings = {
  epochs: 3,
  maxSteps: -1,
  batchSize: 8,
  gradientAccumulationSteps: 1,
  gradientCacheChunk: 0,
  dropLast: false,
  noDuplicates: false,
  learningRate: 5e-5,
  scheduler: "linear",
  warmupSteps: 0,
  maxLength: 32,
  loss: null,
  temperature: 0.05,
  pooler: "cls",
  hardNegativeWeight: 0,
  labelSmoothing: 0,
  symmetric: false,
  similarityWeight: 0,
  matryoshkaDims: null,
  mlpOnlyTrain: false,
  mlm: false,
  mlmWeight: 0.1,
  mlmProbability: 0.15,
  freeze: [],
  loraRank: 0,
  loraAlpha: 16,
  loraTargets: ["query", "value"],
  loraDropout: 0,
  weightDecay: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  dropout: null,
  maxGradNorm: 1,
  fp16: false,
  gradientCheckpointing: false,
  loggingSteps: 500,
  loggingFirstStep: false,
  evaluationStrategy: "steps",
  evalSteps: 0,
  evalOnStart: false,
  saveStrategy: "steps",
  saveSteps: 0,
  metric: null,
  greaterIsBetter: true,
  keepBest: false,
  earlyStoppingPatience: 0,
  earlyStoppingThreshold: 0,
  seed: 42,
};

/** What each value must be, as text and as a test. */
interface Rule {
  readonly wanted: string;
  readonly holds: (value: unknown) => boolean;
}

const whole = (least: number): Rule => ({
  wanted: `a whole number of at least ${least}`,
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= least,
});
const finite = (wanted: string, holds: (value: number) => boolean): Rule => ({
  wanted,
  holds: (value) => typeof value === "number" && Number.isFinite(value) && holds(value),
});
const positive = finite("a number greater than 0", (value) => value > 0);
const notNegative = finite("a number of at least 0", (value) => value >= 0);
const fraction = finite("a number from 0 to 1", (value) => value >= 0 && value <= 1);
const belowOne = finite("a number from 0 to less than 1", (value) => value >= 0 && value < 1);
const updates = finite(
  "a whole number of at least 0, or a part below 1",
  (value) => value >= 0 && (value < 1 || Number.isSafeInteger(value)),
);
const flag: Rule = { wanted: "true or false", holds: (value) => typeof value === "boolean" };
const oneOf = (names: readonly string[]): Rule => ({
  wanted: `one of ${names.join(", ")}`,
  holds: (value) => typeof value === "string" && names.includes(value),
});
const listOf = (wanted: string, holds: (item: unknown) => boolean): Rule => ({
  wanted: `a list of ${wanted}`,
  holds: (value) => Array.isArray(value) && value.length > 0 && value.every(holds),
});
const orNull = ({ wanted, holds }: Rule): Rule => ({ wanted: `${wanted}, or null`, holds: (value) => value === null || holds(value) });

/** What `loraTargets` may list. */
export const targetNames: readonly string[] = [...loraTargets, "all-linear"];

const rules: { readonly [Name in keyof TrainingSettings]: Rule } = {
  epochs: positive,
  maxSteps: whole(-1),
  batchSize: whole(1),
  gradientAccumulationSteps: whole(1),
  gradientCacheChunk: whole(0),
  dropLast: flag,
  noDuplicates: flag,
  learningRate: positive,
  scheduler: oneOf(schedulerTypes),
  warmupSteps: updates,
  maxLength: whole(3),
  loss: orNull(oneOf(lossNames)),
  temperature: positive,
  pooler: oneOf(poolerTypes),
  hardNegativeWeight: finite("a finite number", () => true),
  labelSmoothing: fraction,
  symmetric: flag,
  similarityWeight: notNegative,
  matryoshkaDims: orNull(listOf("whole numbers of at least 1", whole(1).holds)),
  mlpOnlyTrain: flag,
  mlm: flag,
  mlmWeight: notNegative,
  mlmProbability: fraction,
  freeze: {
    wanted: "a list of parts, such as embeddings or 0-5",
    holds: (value) => Array.isArray(value) && value.every((part) => typeof part === "string"),
  },
  loraRank: whole(0),
  loraAlpha: positive,
  loraTargets: listOf(`one or more of ${targetNames.join(", ")}`, oneOf(targetNames).holds),
  loraDropout: belowOne,
  weightDecay: notNegative,
  adamBeta1: belowOne,
  adamBeta2: belowOne,
  adamEpsilon: positive,
  dropout: orNull(belowOne),
  maxGradNorm: notNegative,
  fp16: flag,
  gradientCheckpointing: flag,
  loggingSteps: finite(
    "a whole number of at least 1, or a part greater than 0",
    (value) => value > 0 && (value < 1 || Number.isSafeInteger(value)),
  ),
  loggingFirstStep: flag,
  evaluationStrategy: oneOf(strategies),
  evalSteps: updates,
  evalOnStart: flag,
  saveStrategy: oneOf(strategies),
  saveSteps: updates,
  metric: orNull({ wanted: "a metric's name", holds: (value) => typeof value === "string" && value !== "" }),
  greaterIsBetter: flag,
  keepBest: flag,
  earlyStoppingPatience: whole(0),
  earlyStoppingThreshold: notNegative,
  seed: whole(0),
};

/** The names of all settings. */
export const settingNames = Object.fromEntries(Object.keys(rules).map((name) => [name, true])) as OptionNames<TrainingSettings>;

/** Throws `OptionError`, naming the setting, for an unknown or impossible setting, and for settings that exclude each other. */
export function checkSettings(settings: TrainingSettings): void {
  checkOptions("train", settings, settingNames);
  for (const [name, { wanted, holds }] of Object.entries(rules)) {
    const value = settings[name as keyof TrainingSettings];
    if (holds(value)) continue;
    throw new OptionError(
      `\`${name}\` must be ${wanted}, but is ${typeof value === "string" ? JSON.stringify(value) : String(value)}.`,
      `Give \`${name}\` such a value, or leave it out.`,
    );
  }
  checkTogether(settings);
}

function checkTogether(settings: TrainingSettings): void {
  if (settings.gradientCacheChunk > 0 && settings.gradientAccumulationSteps > 1) {
    throw new OptionError(
      "`gradientCacheChunk` and `gradientAccumulationSteps` exclude each other.",
      "Use `gradientCacheChunk` with a large `batchSize`: it has the negatives of the whole batch.",
    );
  }
  if (!evaluates(settings) && (settings.keepBest || settings.earlyStoppingPatience > 0)) {
    const never = `\`evaluationStrategy\` ${settings.evaluationStrategy}${settings.evaluationStrategy === "no" ? "" : " with `evalSteps` 0"}`;
    throw new OptionError(
      `${never} leaves nothing to ${settings.keepBest ? "choose the best model" : "stop early"} by.`,
      "Give `evaluationStrategy` epoch, or steps with `evalSteps`; or leave out `keepBest` and `earlyStoppingPatience`.",
    );
  }
  if (settings.metric !== null) checkMetric(settings.metric, settings);
  const adapterSettings = ["loraAlpha", "loraTargets", "loraDropout"] as const;
  const idle = adapterSettings.find((name) => JSON.stringify(settings[name]) !== JSON.stringify(trainingDefaults[name]));
  if (settings.loraRank === 0 && idle !== undefined) {
    throw new OptionError(`\`${idle}\` does nothing without \`loraRank\`.`, "Give the rank of the adapters, such as 8.");
  }
}

/** The pooler that a model trained with these settings uses for embeddings. */
export function embeddingPooler({ pooler, mlpOnlyTrain }: Pick<TrainingSettings, "pooler" | "mlpOnlyTrain">): PoolerType {
  return pooler === "cls" && mlpOnlyTrain ? "cls_before_pooler" : pooler;
}

/** The adapters that are trained; null if the weights themselves are. */
export function loraOf({
  loraRank: rank,
  loraAlpha: alpha,
  loraTargets: named,
  loraDropout: dropout,
}: TrainingSettings): LoraOptions | null {
  if (rank === 0) return null;
  return { rank, alpha, dropout, targets: loraTargets.filter((target) => named.includes(target) || named.includes("all-linear")) };
}

/** What is trained and what is not, in words; empty if everything is trained. */
export function trainedPartsText({
  freeze,
  loraRank,
  loraAlpha,
  loraTargets: targets,
}: Pick<TrainingSettings, "freeze" | "loraRank" | "loraAlpha" | "loraTargets">): string {
  return [
    ...(loraRank > 0 ? [`LoRA of rank ${loraRank} and alpha ${loraAlpha} on ${targets.join(", ")}`] : []),
    ...(freeze.length > 0 ? [`frozen: ${freeze.join(", ")}`] : []),
  ].join("; ");
}

/** The settings for AdamW. */
export function optimizerOf(settings: TrainingSettings): AdamWOptions {
  return {
    beta1: settings.adamBeta1,
    beta2: settings.adamBeta2,
    epsilon: settings.adamEpsilon,
    weightDecay: settings.weightDecay,
    maxGradNorm: settings.maxGradNorm > 0 ? settings.maxGradNorm : Number.POSITIVE_INFINITY,
  };
}

/** A number of updates; below 1, this share of all, rounded up, as in transformers. */
export function updatesOf(number: number, all: number): number {
  return number < 1 ? Math.ceil(number * all) : number;
}

/** Where a run is after an update. */
export interface UpdatePlace {
  readonly update: number;
  readonly totalSteps: number;
  readonly updatesPerEpoch: number;
}

/** Whether something with this strategy is done at a place; with `steps`, every so many updates, or that share of all. */
export function isDue(strategy: Strategy, steps: number, { update, totalSteps, updatesPerEpoch }: UpdatePlace): boolean {
  const every = { no: 0, steps: updatesOf(steps, totalSteps), epoch: updatesPerEpoch }[strategy];
  return every > 0 && update % every === 0;
}

/** Whether a run evaluates when an evaluation is given. */
export function evaluates({ evaluationStrategy, evalSteps }: TrainingSettings): boolean {
  return evaluationStrategy === "epoch" || (evaluationStrategy === "steps" && evalSteps > 0);
}
