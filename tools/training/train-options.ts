/** The options of `simcse train`: the original's by their names, this package's own, and (foreign-options.ts) those that are not needed here. */
import { InvalidArgumentError, Option } from "commander";
import { OptionError } from "../../src/errors.ts";
import { schedulerTypes } from "../../src/nn/schedule.ts";
import { lossNames } from "../../src/simcse/losses/loss-choice.ts";
import { poolerTypes } from "../../src/simcse/model/poolers.ts";
import { type EvaluationSetFlags, evaluationSetOptions } from "../cli/evaluation-sets.ts";
import { type HubFlags, hubFlags } from "../cli/find-model.ts";
import { alias, flag, flagOrValue, numberBetween, wholeNumber } from "../cli/options.ts";
import { tuningOptions } from "../cli/tuning.ts";
import { foreignOptions } from "./foreign-options.ts";
import { type GivenArguments, type TrainingArguments, trainingDefaults } from "./training-arguments.ts";
import { type TrainingFileOptions, trainingFileOptions } from "./training-files.ts";

export interface TrainOptions extends Partial<TrainingArguments>, HubFlags, TrainingFileOptions, EvaluationSetFlags {
  readonly model_name_or_path: string;
  readonly config_name?: string;
  readonly tokenizer_name?: string;
  readonly output_dir: string;
  readonly overwrite_output_dir?: boolean;
  readonly resume_from_checkpoint?: string | boolean;
  readonly save_strategy?: string;
  readonly save_total_limit?: number;
  readonly do_train?: boolean;
  readonly do_eval?: boolean;
  readonly eval_transfer?: boolean;
  readonly data_dir: string;
  readonly eval_columns?: string;
  readonly seeds?: readonly number[];
  readonly pad_to_max_length?: string | boolean;
  readonly logging_dir?: string;
  readonly run_name?: string;
  readonly disable_tqdm?: boolean;
  readonly print_plan?: boolean;
  readonly profile?: string | boolean;
  readonly autotune?: boolean;
  readonly adapter?: string;
}

const positive = numberBetween(0, Number.POSITIVE_INFINITY, { open: true });
const notNegative = numberBetween(0, Number.POSITIVE_INFINITY);
const anyNumber = numberBetween(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
const unit = numberBetween(0, 1);

/** An option whose default stands in `trainingDefaults`. */
function argument(name: keyof TrainingArguments, value: string, description: string): Option {
  return new Option(`--${name} <${value}>`, `${description} (default: ${trainingDefaults[name]})`);
}

function dimensionList(text: string): number[] {
  return text.split(",").map(wholeNumber(1));
}

function seedList(text: string): number[] {
  return text.split(",").map(wholeNumber(0));
}

/** What to say in place of a `--save_strategy` that there is not. */
const insteadOfStrategy = new Map([
  ["epoch", "Checkpoints are counted in steps: give --save_steps."],
  ["best", "The best model is kept by --load_best_model_at_end."],
]);

function saveStrategy(text: string): string {
  if (text === "no" || text === "steps") return text;
  throw new InvalidArgumentError(insteadOfStrategy.get(text) ?? "Give no or steps.");
}

const modelOption = new Option(
  "--model_name_or_path <model>",
  "folder with config.json, or a name on the hub; its weights are trained on, or fresh ones where it has none; also --model",
).makeOptionMandatory();

const batchSizeOption = argument("per_device_train_batch_size", "n", "examples a batch").argParser(wholeNumber(2));

/** A part of the steps. */
const warmupPart = numberBetween(0, 1, { openAbove: true });

const warmupOption = argument("warmup_steps", "n", "steps in which the rate rises to its peak; below 1, this part of all steps").argParser(
  (text: string) => (Number(text) < 1 ? warmupPart(text) : wholeNumber(0)(text)),
);

const evaluationOption = new Option(
  "--evaluation_strategy <when>",
  "every --eval_steps, at the end of each epoch, or not (default: steps with --do_eval); also --eval_strategy",
).choices(["no", "steps", "epoch"]);

export const trainOptions: readonly Option[] = [
  modelOption,
  alias(modelOption, "model"),
  ...hubFlags,
  new Option("--config_name <model>", "folder or name of another config.json (default: the model's)"),
  new Option("--tokenizer_name <model>", "folder or name of another tokenizer (default: the model's)"),
  ...trainingFileOptions,
  new Option("--output_dir <dir>", "where the trained model goes").makeOptionMandatory(),
  flag("overwrite_output_dir", "write into an output folder that is not empty"),
  new Option("--config <file>", "take options from a JSON file; those on the command line win"),
  flag("do_train", "train (the default)"),
  flag("do_eval", "evaluate on STS-B and SICK-R dev while training, every --eval_steps"),
  flag("eval_transfer", "evaluate on the transfer tasks' dev sets too"),
  ...evaluationSetOptions,
  new Option(
    "--eval_columns <columns>",
    "what the columns of --eval_file are, as --columns says it of --train_file (default: by their names)",
  ),
  new Option("--data_dir <dir>", "the SentEval tree that holds STS/ and SICK/").default("SentEval/data/downstream"),
  argument("num_train_epochs", "n", "times through the training file").argParser(positive),
  new Option("--max_steps <n>", "steps; overrides the epochs (default: -1, as the epochs say)").argParser(wholeNumber(-1)),
  batchSizeOption,
  alias(batchSizeOption, "per_gpu_train_batch_size"),
  argument(
    "gradient_cache_chunk",
    "n",
    "embed so many examples at a time: exactly the large batch's loss, all its negatives, in little memory",
  ).argParser(wholeNumber(1)),
  argument(
    "gradient_accumulation_steps",
    "n",
    "batches an update, each with its own negatives alone; those that fill no update at an epoch's end are left out",
  ).argParser(wholeNumber(1)),
  flag("dataloader_drop_last", "leave out an epoch's last batch when it is smaller"),
  flag("no_duplicates", "no sentence twice in a batch"),
  argument("learning_rate", "x", "peak rate").argParser(positive),
  argument("lr_scheduler_type", "type", "how the rate falls").choices([...schedulerTypes]),
  warmupOption,
  alias(warmupOption, "warmup_ratio").argParser(warmupPart),
  new Option(
    "--max_seq_length <n>",
    `tokens a sentence is truncated to (default: as many as the model reads, where that is saved with it, else ${trainingDefaults.max_seq_length})`,
  ).argParser(wholeNumber(3)),
  argument("temp", "x", "temperature of the contrastive loss").argParser(positive),
  new Option(
    "--pooler_type <type>",
    `how a sentence's vector is made (default: the one saved with the model, else ${trainingDefaults.pooler_type})`,
  ).choices([...poolerTypes]),
  argument("hard_negative_weight", "x", "log of how much more a sentence's own hard negative counts").argParser(anyNumber),
  argument("label_smoothing_factor", "x", "of the contrastive loss").argParser(unit),
  new Option(
    "--loss <name>",
    "the loss of embeddings (default: by the columns: infonce, cosent for scores, contrastive for 0/1 labels, distill for vectors)",
  ).choices([...lossNames]),
  flag("symmetric", "infonce: let each second sentence find its first one too"),
  argument("similarity_weight", "x", "distill: how much the cosines within the batch count").argParser(notNegative),
  new Option(
    "--matryoshka_dims <list>",
    "train the first numbers of each vector as vectors of their own, such as 384,128,64 (default: whole vectors)",
  ).argParser(dimensionList),
  flag("mlp_only_train", "use the MLP of --pooler_type cls for training alone"),
  flag("do_mlm", "also train to restore masked words"),
  argument("mlm_weight", "x", "what that loss is multiplied with").argParser(notNegative),
  argument("mlm_probability", "x", "part of the words that is masked").argParser(unit),
  argument("weight_decay", "x", "AdamW's, for matrices").argParser(notNegative),
  argument("adam_beta1", "x", "AdamW's").argParser(unit),
  argument("adam_beta2", "x", "AdamW's").argParser(unit),
  argument("adam_epsilon", "x", "AdamW's").argParser(positive),
  argument("max_grad_norm", "x", "gradients are clipped to this norm; 0 leaves them").argParser(notNegative),
  flag("fp16", "mixed precision: activations and products in halves, sums, loss and master weights in singles, a dynamic loss scale"),
  flag("gradient_checkpointing", "compute each layer again in the backward pass: a sixth of the memory for activations, a third more time"),
  argument("logging_steps", "n", "steps between log lines").argParser(wholeNumber(1)),
  flag("logging_first_step", "log the first step too"),
  evaluationOption,
  alias(evaluationOption, "eval_strategy"),
  new Option("--eval_steps <n>", "steps between evaluations (default: --logging_steps)").argParser(wholeNumber(1)),
  flag("eval_on_start", "evaluate before the first step too (default: with --eval_file or --eval_split)"),
  new Option("--save_steps <n>", "steps between checkpoints (default: 500, or none with --load_best_model_at_end)").argParser(
    wholeNumber(1),
  ),
  new Option("--save_strategy <when>", "steps, or no checkpoints").argParser(saveStrategy),
  new Option("--save_total_limit <n>", "checkpoints that are kept, the latest ones (default: all)").argParser(wholeNumber(1)),
  flagOrValue("--resume_from_checkpoint [dir]", "go on from a checkpoint, or from the last one in the output folder"),
  new Option(
    "--metric_for_best_model <name>",
    "metric of the best model (default: the first of the evaluation, stsb_spearman with --do_eval)",
  ),
  flag("greater_is_better", `whether more of it is better (default: ${trainingDefaults.greater_is_better})`),
  flag("load_best_model_at_end", "keep the model of the best evaluation"),
  argument("early_stopping_patience", "n", "evaluations without a gain after which training ends; 0 never").argParser(wholeNumber(0)),
  argument("early_stopping_threshold", "x", "a gain is more than this").argParser(notNegative),
  argument("seed", "n", "of initial weights, order and dropout").argParser(wholeNumber(0)),
  new Option("--seeds <list>", "run once for each seed, such as 1,2,3, and report mean and standard deviation").argParser(seedList),
  new Option("--logging_dir <dir>", "TensorBoard's files (default: runs in the output folder)"),
  new Option("--run_name <name>", "the run's name in the report (default: the output folder's)"),
  flag("disable_tqdm", "no progress bar"),
  new Option("--adapter <name>", "run on the adapter whose name contains this"),
  flagOrValue(
    "--profile [file]",
    "time a few steps kernel by kernel; a trace for Perfetto goes to the file (default: profile.json in the output folder)",
  ),
  ...tuningOptions,
  flag("print_plan", "print the step's plan: every operation, its kernel and its memory"),
  ...foreignOptions,
];

/** Steps between checkpoints where none are given. */
const defaultSaveSteps = 500;

/** What the trainer is given; pooler and length only where they were given, for a model may have its own. */
export function trainingArguments(given: TrainOptions): GivenArguments {
  const { do_eval, eval_transfer, eval_file, eval_split, evaluation_strategy, eval_steps, save_steps, save_strategy } = given;
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
    eval_steps: evaluates && args.evaluation_strategy === "steps" ? (eval_steps ?? args.logging_steps) : 0,
    save_steps: save_strategy === "no" ? 0 : (save_steps ?? (args.load_best_model_at_end ? 0 : defaultSaveSteps)),
  };
}
