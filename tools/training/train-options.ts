/** The options of `simcse train`: the original's under their names, this package's own, and (foreign-options.ts) those that have no effect here. */
import { InvalidArgumentError, Option } from "commander";
import { OptionError } from "../../src/errors.ts";
import { schedulerTypes } from "../../src/nn/schedule.ts";
import { lossNames } from "../../src/simcse/losses/loss-choice.ts";
import { poolerTypes } from "../../src/simcse/model/poolers.ts";
import { type Strategy, strategies, targetNames } from "../../src/simcse/training/training-options.ts";
import { type EvaluationSetFlags, evaluationSetOptions } from "../cli/evaluation-sets.ts";
import { type HubFlags, hubFlags } from "../cli/find-model.ts";
import { alias, flag, flagOrValue, numberBetween, wholeNumber, wholeNumbers } from "../cli/options.ts";
import { tuningOptions } from "../cli/tuning.ts";
import { type DeviceFlags, deviceOptions } from "../setup/open-devices.ts";
import { foreignOptions } from "./foreign-options.ts";
import { type GivenArguments, type TrainingArguments, trainingDefaults } from "./training-arguments.ts";
import { exampleOptions, type TrainingFileOptions, trainingFileOptions } from "./training-files.ts";

export interface TrainOptions extends Partial<TrainingArguments>, HubFlags, TrainingFileOptions, EvaluationSetFlags, DeviceFlags {
  readonly model_name_or_path: string;
  readonly config_name?: string;
  readonly tokenizer_name?: string;
  readonly output_dir: string;
  readonly overwrite_output_dir?: boolean;
  readonly resume_from_checkpoint?: string | boolean;
  readonly save_total_limit?: number;
  readonly do_train?: boolean;
  readonly do_eval?: boolean;
  readonly eval_transfer?: boolean;
  readonly data_dir: string;
  readonly eval_columns?: string;
  readonly seeds?: readonly number[];
  readonly pad_to_max_length?: string | boolean;
  readonly logging_dir?: string | undefined;
  readonly run_name?: string | undefined;
  readonly disable_tqdm?: boolean;
  readonly print_plan?: boolean;
  readonly profile?: string | boolean | undefined;
  readonly autotune?: boolean;
  readonly save_adapter?: boolean;
  readonly warmup_ratio?: number;
}

const positive = numberBetween(0, Number.POSITIVE_INFINITY, { open: true });
const notNegative = numberBetween(0, Number.POSITIVE_INFINITY);
const anyNumber = numberBetween(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
const unit = numberBetween(0, 1);

/** An option whose default is in `trainingDefaults`. */
function argument(name: keyof TrainingArguments, value: string, description: string): Option {
  return new Option(`--${name} <${value}>`, `${description} (default: ${trainingDefaults[name]})`);
}

/** An empty part is refused like any that is not known. */
function partList(text: string): string[] {
  return text.split(",").map((name) => name.trim());
}

const isStrategy = (text: string): text is Strategy => (strategies as readonly string[]).includes(text);

function saveStrategy(text: string): Strategy {
  if (isStrategy(text)) return text;
  throw new InvalidArgumentError(text === "best" ? "The best model is kept by --load_best_model_at_end." : "Give steps, epoch or no.");
}

const modelOption = new Option(
  "--model_name_or_path <model>",
  "folder with config.json, or a name on the hub; training starts from its weights, or from fresh ones if it has none; also --model",
).makeOptionMandatory();

const batchSizeOption = argument("per_device_train_batch_size", "n", "examples per batch").argParser(wholeNumber(2));

/** A fraction of the steps. */
const warmupPart = numberBetween(0, 1, { openAbove: true });

/** A number of steps, or a fraction of all. */
function steps(text: string): number {
  const value = Number(text);
  if (value > 0 && (value < 1 || Number.isSafeInteger(value))) return value;
  throw new InvalidArgumentError("Give a whole number of at least 1, or a fraction of all steps, greater than 0 and less than 1.");
}

const evaluationOption = new Option(
  "--evaluation_strategy <when>",
  "when to evaluate: every --eval_steps, after each epoch, or never (default: steps with --do_eval); also --eval_strategy",
).choices(strategies);

export const trainOptions: readonly Option[] = [
  modelOption,
  alias(modelOption, "model"),
  ...hubFlags,
  new Option("--config_name <model>", "folder or name of another config.json (default: the model's)"),
  new Option("--tokenizer_name <model>", "folder or name of another tokenizer (default: the model's)"),
  ...trainingFileOptions,
  ...exampleOptions,
  new Option("--output_dir <dir>", "folder for the trained model").makeOptionMandatory(),
  flag("overwrite_output_dir", "allow an output folder that is not empty"),
  new Option("--config <file>", "read options from a JSON file; options on the command line take precedence"),
  flag("do_train", "train (the default)"),
  flag("do_eval", "evaluate during training, every --eval_steps: on STS-B and SICK-R dev, and on --eval_file and --eval_split"),
  flag("eval_transfer", "also evaluate on the dev sets of the transfer tasks"),
  ...evaluationSetOptions,
  new Option("--eval_columns <columns>", "the columns of --eval_file, in the form of --columns (default: by their names)"),
  new Option("--data_dir <dir>", "SentEval folder that contains STS/ and SICK/").default("SentEval/data/downstream"),
  argument("num_train_epochs", "n", "passes over the training data").argParser(positive),
  new Option("--max_steps <n>", "number of steps, in place of the epochs (default: -1, use the epochs)").argParser(wholeNumber(-1)),
  batchSizeOption,
  alias(batchSizeOption, "per_gpu_train_batch_size"),
  argument(
    "gradient_cache_chunk",
    "n",
    "GradCache: embed this many examples at a time, for large batches in little memory with exactly the same loss; 0 for off",
  ).argParser(wholeNumber(1)),
  argument(
    "gradient_accumulation_steps",
    "n",
    "batches per update, each with only its own negatives; batches left over at the end of an epoch are skipped",
  ).argParser(wholeNumber(1)),
  flag("dataloader_drop_last", "skip the last batch of an epoch if it is smaller"),
  flag("no_duplicates", "never put a sentence twice into a batch"),
  argument("learning_rate", "x", "peak learning rate").argParser(positive),
  argument("lr_scheduler_type", "type", "how the learning rate decreases").choices([...schedulerTypes]),
  argument("warmup_steps", "n", "steps until the learning rate reaches its peak; below 1, a fraction of all steps").argParser(
    (text: string) => (Number(text) < 1 ? warmupPart(text) : wholeNumber(0)(text)),
  ),
  new Option("--warmup_ratio <x>", "the fraction alone; a number of --warmup_steps counts instead, as in transformers")
    .argParser(warmupPart)
    .hideHelp(),
  new Option(
    "--max_seq_length <n>",
    `truncate sentences to this many tokens (default: the length saved with the model, else ${trainingDefaults.max_seq_length})`,
  ).argParser(wholeNumber(3)),
  argument("temp", "x", "temperature of the contrastive loss").argParser(positive),
  new Option(
    "--pooler_type <type>",
    `how a sentence's vector is made (default: the one saved with the model, else ${trainingDefaults.pooler_type})`,
  ).choices([...poolerTypes]),
  argument("hard_negative_weight", "x", "logarithm of the weight of a sentence's own hard negative").argParser(anyNumber),
  argument("label_smoothing_factor", "x", "label smoothing of the contrastive loss").argParser(unit),
  new Option(
    "--loss <name>",
    "loss of the embeddings (default: infonce, or cosent for scores, contrastive for 0/1 labels, distill for vectors)",
  ).choices([...lossNames]),
  flag("symmetric", "infonce: also let each second sentence find its first one"),
  argument("similarity_weight", "x", "distill: weight of the cosines within the batch").argParser(notNegative),
  new Option(
    "--matryoshka_dims <list>",
    "also train the first n numbers of each vector as vectors of their own, for each n, such as 384,128,64; the whole length must be among them (default: whole vectors)",
  ).argParser(wholeNumbers(1)),
  flag("mlp_only_train", "use the MLP of --pooler_type cls only for training"),
  flag("do_mlm", "also train to predict masked words"),
  argument("mlm_weight", "x", "weight of the loss of masked words").argParser(notNegative),
  argument("mlm_probability", "x", "fraction of the words that is masked").argParser(unit),
  new Option(
    "--freeze <parts>",
    "leave parts as they are: embeddings, layers by number or range, pooler; such as embeddings,0-5; saves memory and time",
  ).argParser(partList),
  argument("lora_rank", "r", "LoRA: train adapters of this rank beside frozen weights; they are merged when saved; 0 for off").argParser(
    wholeNumber(1),
  ),
  argument("lora_alpha", "x", "the adapters' product is multiplied by this over the rank").argParser(positive),
  argument("lora_target", "list", `layers with adapters, by BERT's names whatever the model: ${targetNames.join(", ")}`).argParser(
    partList,
  ),
  argument("lora_dropout", "x", "dropout of the adapters' input").argParser(numberBetween(0, 1, { openAbove: true })),
  flag("save_adapter", "also write the adapters alone, in PEFT's format, to the folder adapter in the output folder"),
  argument("weight_decay", "x", "weight decay of AdamW, for matrices only").argParser(notNegative),
  argument("adam_beta1", "x", "β₁ of AdamW").argParser(unit),
  argument("adam_beta2", "x", "β₂ of AdamW").argParser(unit),
  argument("adam_epsilon", "x", "ε of AdamW").argParser(positive),
  new Option("--dropout <x>", "probability of dropout (default: those of the model's config.json)").argParser(
    numberBetween(0, 1, { openAbove: true }),
  ),
  argument("max_grad_norm", "x", "clip gradients to this norm; 0 for no clipping").argParser(notNegative),
  flag("fp16", "mixed precision: activations and products in f16; sums, loss and master weights in f32; a dynamic loss scale"),
  flag("gradient_checkpointing", "recompute each layer in the backward pass: a sixth of the memory for activations, a third more time"),
  argument("logging_steps", "n", "steps between log lines; below 1, a fraction of all steps").argParser(steps),
  flag("logging_first_step", "also log the first step"),
  evaluationOption,
  alias(evaluationOption, "eval_strategy"),
  new Option("--eval_steps <n>", "steps between evaluations; below 1, a fraction of all steps (default: --logging_steps)").argParser(steps),
  flag("eval_on_start", "also evaluate before the first step (default: true with --eval_file or --eval_split)"),
  new Option(
    "--save_steps <n>",
    "steps between checkpoints; below 1, a fraction of all steps (default: 500, or none with --load_best_model_at_end)",
  ).argParser(steps),
  new Option("--save_strategy <when>", "when to write checkpoints: every --save_steps (the default), after each epoch, or no").argParser(
    saveStrategy,
  ),
  new Option("--save_total_limit <n>", "keep only this many checkpoints, the latest ones (default: all)").argParser(wholeNumber(1)),
  flagOrValue("--resume_from_checkpoint [dir]", "resume from a checkpoint, or from the last one in the output folder"),
  new Option(
    "--metric_for_best_model <name>",
    "metric that selects the best model (default: the first of the evaluation, stsb_spearman with --do_eval)",
  ),
  flag("greater_is_better", `whether a higher value of that metric is better (default: ${trainingDefaults.greater_is_better})`),
  flag("load_best_model_at_end", "save the model of the best evaluation, not the last one"),
  argument("early_stopping_patience", "n", "stop after this many evaluations without improvement; 0 for never").argParser(wholeNumber(0)),
  argument("early_stopping_threshold", "x", "smallest improvement that counts").argParser(notNegative),
  argument("seed", "n", "random seed of initial weights, order and dropout").argParser(wholeNumber(0)),
  new Option("--seeds <list>", "train once per seed, such as 1,2,3, and report mean and standard deviation").argParser(wholeNumbers(0)),
  new Option("--logging_dir <dir>", "folder for TensorBoard's files (default: runs in the output folder)"),
  new Option("--run_name <name>", "name of the run in the report (default: that of the output folder)"),
  flag("disable_tqdm", "no progress bar"),
  ...deviceOptions,
  flagOrValue(
    "--profile [file]",
    "time a few steps kernel by kernel, and write a trace for Perfetto (default: profile.json in the output folder)",
  ),
  ...tuningOptions,
  flag("print_plan", "print the plan of a step: every operation, its kernels and its memory"),
  ...foreignOptions,
];

/** Default number of steps between checkpoints. */
const defaultSaveSteps = 500;

/** The trainer's arguments; pooler and length only if given, since a model may have its own. */
export function trainingArguments(given: TrainOptions): GivenArguments {
  const { do_eval, eval_transfer, eval_file, eval_split, evaluation_strategy, eval_steps, save_steps, warmup_ratio } = given;
  const names = Object.keys(trainingDefaults) as (keyof TrainingArguments)[];
  const chosen = Object.fromEntries(names.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]));
  const { pooler_type: _, max_seq_length: __, ...defaults } = trainingDefaults;
  const hasOwn = eval_file !== undefined || eval_split !== undefined;
  const args: GivenArguments = { ...defaults, eval_on_start: hasOwn, ...chosen };
  const evaluates =
    do_eval === true ||
    eval_transfer === true ||
    hasOwn ||
    eval_steps !== undefined ||
    args.load_best_model_at_end ||
    args.early_stopping_patience > 0 ||
    evaluation_strategy !== undefined;
  if (evaluation_strategy === "no" && (do_eval || eval_transfer)) {
    throw new OptionError(
      `--${do_eval ? "do_eval" : "eval_transfer"} with --evaluation_strategy no evaluates nothing.`,
      "Leave one of them out, or give the strategy steps or epoch.",
    );
  }
  return {
    ...args,
    // Options written by transformers have both, and one of them is 0.
    warmup_steps: args.warmup_steps < 1 ? (warmup_ratio ?? args.warmup_steps) : args.warmup_steps,
    eval_steps: evaluates && args.evaluation_strategy === "steps" ? (eval_steps ?? args.logging_steps) : 0,
    save_steps: args.save_strategy === "steps" ? (save_steps ?? (args.load_best_model_at_end ? 0 : defaultSaveSteps)) : 0,
  };
}
