/** Hugging Face's names for the library's training settings, which the command line uses, and the library's messages in those names. */
import { SimcseError } from "../../src/errors.ts";
import { trainingDefaults as settingDefaults, type TrainingSettings } from "../../src/simcse/training/training-options.ts";

/** The name of each setting on the command line. */
const settingOf = {
  num_train_epochs: "epochs",
  max_steps: "maxSteps",
  per_device_train_batch_size: "batchSize",
  gradient_accumulation_steps: "gradientAccumulationSteps",
  gradient_cache_chunk: "gradientCacheChunk",
  dataloader_drop_last: "dropLast",
  no_duplicates: "noDuplicates",
  learning_rate: "learningRate",
  lr_scheduler_type: "scheduler",
  warmup_steps: "warmupSteps",
  max_seq_length: "maxLength",
  loss: "loss",
  temp: "temperature",
  pooler_type: "pooler",
  hard_negative_weight: "hardNegativeWeight",
  label_smoothing_factor: "labelSmoothing",
  symmetric: "symmetric",
  similarity_weight: "similarityWeight",
  matryoshka_dims: "matryoshkaDims",
  mlp_only_train: "mlpOnlyTrain",
  do_mlm: "mlm",
  mlm_weight: "mlmWeight",
  mlm_probability: "mlmProbability",
  freeze: "freeze",
  lora_rank: "loraRank",
  lora_alpha: "loraAlpha",
  lora_target: "loraTargets",
  lora_dropout: "loraDropout",
  weight_decay: "weightDecay",
  adam_beta1: "adamBeta1",
  adam_beta2: "adamBeta2",
  adam_epsilon: "adamEpsilon",
  dropout: "dropout",
  max_grad_norm: "maxGradNorm",
  fp16: "fp16",
  gradient_checkpointing: "gradientCheckpointing",
  logging_steps: "loggingSteps",
  logging_first_step: "loggingFirstStep",
  evaluation_strategy: "evaluationStrategy",
  eval_steps: "evalSteps",
  eval_on_start: "evalOnStart",
  save_strategy: "saveStrategy",
  save_steps: "saveSteps",
  metric_for_best_model: "metric",
  greater_is_better: "greaterIsBetter",
  load_best_model_at_end: "keepBest",
  early_stopping_patience: "earlyStoppingPatience",
  early_stopping_threshold: "earlyStoppingThreshold",
  seed: "seed",
} as const satisfies Readonly<Record<string, keyof TrainingSettings>>;

type ArgumentName = keyof typeof settingOf;

/** The library's settings by Hugging Face's names. */
export type TrainingArguments = { readonly [Name in ArgumentName]: TrainingSettings[(typeof settingOf)[Name]] };

/** Arguments whose default depends on the model. */
type ModelArgument = "pooler_type" | "max_seq_length";

/** The trainer's arguments from the command line. */
export type GivenArguments = Omit<TrainingArguments, ModelArgument> & Partial<Pick<TrainingArguments, ModelArgument>>;

/** The original's defaults. */
export const trainingDefaults: TrainingArguments = argumentsOf(settingDefaults);

/** Settings under the command line's names. */
export function argumentsOf(settings: TrainingSettings): TrainingArguments {
  return Object.fromEntries(Object.entries(settingOf).map(([name, setting]) => [name, settings[setting]])) as unknown as TrainingArguments;
}

/** Arguments under the library's names; absent ones stay absent. */
export function settingsOf(given: Partial<TrainingArguments>): Partial<TrainingSettings> {
  const known = Object.entries(settingOf).filter(([name]) => given[name as ArgumentName] !== undefined);
  return Object.fromEntries(known.map(([name, setting]) => [setting, given[name as ArgumentName]]));
}

/** Options of a student by the library's names. */
const studentArguments = { vocabSize: "vocab_size", layers: "layers", config: "config_name" };

const argumentOf = new Map<string, string>([
  ...Object.entries(settingOf).map(([name, setting]) => [setting, name] as const),
  ...Object.entries(studentArguments),
]);

/** The same error with the command line's names of settings, which the library writes in backticks. */
export function inCommandLineTerms(error: unknown): unknown {
  if (!(error instanceof SimcseError)) return error;
  const translated = (text: string) =>
    text.replace(/`(\w+)`/g, (whole, name: string) => (argumentOf.has(name) ? `--${argumentOf.get(name)}` : whole));
  const message = translated(error.message);
  const remedy = translated(error.remedy);
  return message === error.message && remedy === error.remedy ? error : error.rephrased(message, remedy);
}
