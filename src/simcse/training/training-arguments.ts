/** The options of a training run: the original's, by their Hugging Face names, with its defaults, and a few of this package's. */
import { OptionError } from "../../errors.ts";
import type { AdamWOptions } from "../../nn/adamw.ts";
import type { SchedulerType } from "../../nn/schedule.ts";
import type { PoolerType } from "../model/poolers.ts";

export interface TrainingArguments {
  readonly num_train_epochs: number;
  /** Overrides the epochs when positive. */
  readonly max_steps: number;
  /** Examples a batch. */
  readonly per_device_train_batch_size: number;
  /** Batches an update, each contrasted by itself. */
  readonly gradient_accumulation_steps: number;
  /** Examples embedded at a time, with the loss over the whole batch (GradCache); 0 embeds all at once. */
  readonly gradient_cache_chunk: number;
  /** Leave out the last batch of an epoch when it is smaller than the others. */
  readonly dataloader_drop_last: boolean;
  /** No sentence twice in a batch. */
  readonly no_duplicates: boolean;
  readonly learning_rate: number;
  readonly lr_scheduler_type: SchedulerType;
  readonly warmup_steps: number;
  readonly max_seq_length: number;
  readonly temp: number;
  readonly pooler_type: PoolerType;
  /** The log of how much more a sentence's own hard negative counts than those of others. */
  readonly hard_negative_weight: number;
  readonly label_smoothing_factor: number;
  /** Use the MLP for training alone: embeddings are then the [CLS] vectors before it. */
  readonly mlp_only_train: boolean;
  /** Masked language modelling beside the contrast. */
  readonly do_mlm: boolean;
  readonly mlm_weight: number;
  readonly mlm_probability: number;
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
  readonly logging_first_step: boolean;
  /** Evaluate every `eval_steps`, at the end of each epoch, or never. */
  readonly evaluation_strategy: "no" | "steps" | "epoch";
  /** Steps between evaluations; 0 never evaluates. */
  readonly eval_steps: number;
  /** Steps between checkpoints; 0 writes none. */
  readonly save_steps: number;
  /** Name of the evaluation's metric, with or without `eval_`. */
  readonly metric_for_best_model: string;
  readonly greater_is_better: boolean;
  /** The caller then saves in `saveBest`, and nothing at the end. */
  readonly load_best_model_at_end: boolean;
  /** Evaluations without a gain after which training ends; 0 goes on to the end. */
  readonly early_stopping_patience: number;
  /** What counts as a gain: more than this. */
  readonly early_stopping_threshold: number;
  readonly seed: number;
}

export const trainingDefaults: TrainingArguments = {
  num_train_epochs: 3,
  max_steps: -1,
  per_device_train_batch_size: 8,
  gradient_accumulation_steps: 1,
  gradient_cache_chunk: 0,
  dataloader_drop_last: false,
  no_duplicates: false,
  learning_rate: 5e-5,
  lr_scheduler_type: "linear",
  warmup_steps: 0,
  max_seq_length: 32,
  temp: 0.05,
  pooler_type: "cls",
  hard_negative_weight: 0,
  label_smoothing_factor: 0,
  mlp_only_train: false,
  do_mlm: false,
  mlm_weight: 0.1,
  mlm_probability: 0.15,
  weight_decay: 0,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  max_grad_norm: 1,
  fp16: false,
  gradient_checkpointing: false,
  logging_steps: 500,
  logging_first_step: false,
  evaluation_strategy: "steps",
  eval_steps: 0,
  save_steps: 0,
  metric_for_best_model: "stsb_spearman",
  greater_is_better: true,
  load_best_model_at_end: false,
  early_stopping_patience: 0,
  early_stopping_threshold: 0,
  seed: 42,
};

/** The pooler that a model trained with these arguments embeds with. */
export function embeddingPooler({ pooler_type, mlp_only_train }: Pick<TrainingArguments, "pooler_type" | "mlp_only_train">): PoolerType {
  return pooler_type === "cls" && mlp_only_train ? "cls_before_pooler" : pooler_type;
}

export function optimizerOf(args: TrainingArguments): AdamWOptions {
  return {
    beta1: args.adam_beta1,
    beta2: args.adam_beta2,
    epsilon: args.adam_epsilon,
    weightDecay: args.weight_decay,
    maxGradNorm: args.max_grad_norm > 0 ? args.max_grad_norm : Number.POSITIVE_INFINITY,
  };
}

/** Throws `OptionError` for options that exclude each other. */
export function checkArguments(args: TrainingArguments): void {
  const { gradient_cache_chunk: chunk, gradient_accumulation_steps: accumulation } = args;
  if (chunk > 0 && accumulation > 1) {
    throw new OptionError(
      "--gradient_cache_chunk and --gradient_accumulation_steps exclude each other.",
      "Use --gradient_cache_chunk with a large --per_device_train_batch_size: it has the negatives of the whole batch.",
    );
  }
  if (args.evaluation_strategy === "no" && (args.load_best_model_at_end || args.early_stopping_patience > 0)) {
    throw new OptionError(
      `--evaluation_strategy no leaves nothing to ${args.load_best_model_at_end ? "choose the best model" : "stop early"} by.`,
      "Leave it out, or leave out --load_best_model_at_end and --early_stopping_patience.",
    );
  }
  if (args.do_mlm && args.mlm_probability === 0) {
    throw new OptionError("--do_mlm with --mlm_probability 0 masks nothing.", "Give a probability such as 0.15.");
  }
}

/** What hints look at beside the options. */
export interface HintsOn {
  /** Columns of the training file. */
  readonly columns: number;
  /** Whether nothing was trained before. */
  readonly fresh: boolean;
}

/** What in the options is at odds with the paper's settings or with what is trained, each as a sentence. */
export function hints(args: TrainingArguments, { columns, fresh }: HintsOn): string[] {
  const unsupervised = columns === 1;
  const { temp, pooler_type, mlp_only_train, hard_negative_weight, label_smoothing_factor, do_mlm, no_duplicates } = args;
  const { metric_for_best_model, greater_is_better } = args;
  const rules: readonly (readonly [boolean, string])[] = [
    [
      fresh && pooler_type.startsWith("cls"),
      `from fresh weights ${pooler_type} collapses: all vectors become one; use --pooler_type avg, or a pre-trained model`,
    ],
    [
      unsupervised && pooler_type === "cls" && !mlp_only_train,
      "the paper's unsupervised models embed without the MLP (--mlp_only_train): 82.5 and not 81.7 on STS-B dev",
    ],
    [!unsupervised && mlp_only_train, "the paper's supervised models keep the MLP: leave out --mlp_only_train"],
    [mlp_only_train && pooler_type !== "cls", `--mlp_only_train does nothing: --pooler_type ${pooler_type} has no MLP`],
    [temp < 0.01 || temp > 0.1, `--temp ${temp} is far from the paper's 0.05: .001 gave 84.9, 1 gave 64.0 in place of 86.2 on STS-B dev`],
    [!fresh && pooler_type !== "cls", `the paper trains with --pooler_type cls; ${pooler_type} has no MLP`],
    [columns < 3 && hard_negative_weight !== 0, "--hard_negative_weight does nothing: the training file has no third column"],
    [label_smoothing_factor > 0, "the original accepts --label_smoothing_factor and does not use it; here it smooths the contrastive loss"],
    [do_mlm && !unsupervised, "the paper uses --do_mlm for unsupervised models, where it gains on transfer and loses on STS"],
    [!unsupervised && !no_duplicates, "pairs often repeat a sentence, which is then its own negative: --no_duplicates keeps them apart"],
    [
      /alignment|uniformity/.test(metric_for_best_model) && greater_is_better,
      `less ${metric_for_best_model.replace(/^eval_/, "")} is better: add --greater_is_better false`,
    ],
  ];
  return rules.filter(([applies]) => applies).map(([, hint]) => hint);
}
