/** `simcse train`: unsupervised SimCSE from files, with the original's option names. */
import { appendFile, mkdir, readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Command, Option } from "commander";
import { formatPlan } from "../src/autograd/plan.ts";
import { DataError, FileError, OptionError } from "../src/errors.ts";
import { fileOperation } from "../src/io/errno-node.ts";
import { openFolder, writeFileAtomically } from "../src/io/folder-node.ts";
import { readSentences } from "../src/io/text.ts";
import { loadTokenizer } from "../src/io/tokenizer.ts";
import { checkVocabulary, inspectWeights, loadWeights, modelFiles, readConfig } from "../src/simcse/checkpoint.ts";
import type { Encode } from "../src/simcse/evaluation/embed-distinct.ts";
import { averagedTasks, evaluateSts, scoresOf } from "../src/simcse/evaluation/evaluate.ts";
import { loadSts } from "../src/simcse/evaluation/sts.ts";
import { SimCseModel } from "../src/simcse/model.ts";
import { poolerTypes } from "../src/simcse/poolers.ts";
import {
  type EvaluationEntry,
  embeddingPooler,
  type LogEntry,
  type TrainingArguments,
  train,
  trainingDefaults,
} from "../src/simcse/trainer.ts";
import { interruptedExitCode } from "./failure.ts";
import { findModel, type HubFlags, hubFlags } from "./find-model.ts";
import { openAdapter } from "./open-adapter.ts";
import { flag, numberBetween, wholeNumber, withOptions } from "./options.ts";
import { startProfiler } from "./profile.ts";
import { noProgress, startProgress } from "./progress.ts";

interface TrainOptions extends Partial<TrainingArguments>, HubFlags {
  readonly model_name_or_path: string;
  readonly tokenizer_name?: string;
  readonly train_file: string;
  readonly output_dir: string;
  readonly overwrite_output_dir?: boolean;
  readonly do_train?: boolean;
  readonly do_eval?: boolean;
  readonly data_dir: string;
  readonly print_plan?: boolean;
  readonly profile?: string | true;
  readonly adapter?: string;
}

const positive = numberBetween(0, Number.POSITIVE_INFINITY, { open: true });
const notNegative = numberBetween(0, Number.POSITIVE_INFINITY);
const unit = numberBetween(0, 1);

/** An option whose default stands in `trainingDefaults`. */
function argument(name: keyof TrainingArguments, value: string, description: string): Option {
  return new Option(`--${name} <${value}>`, `${description} (default: ${trainingDefaults[name]})`);
}

const options: readonly Option[] = [
  new Option(
    "--model_name_or_path <model>",
    "folder with config.json, or a name on the hub; its weights are trained on, or fresh ones where it has none",
  ).makeOptionMandatory(),
  ...hubFlags,
  new Option("--tokenizer_name <model>", "folder or name of another tokenizer (default: the model's)"),
  new Option("--train_file <file>", "training text, one sentence a line").makeOptionMandatory(),
  new Option("--output_dir <dir>", "where the trained model goes").makeOptionMandatory(),
  flag("overwrite_output_dir", "write into an output folder that is not empty"),
  flag("do_train", "train (the default)"),
  flag("do_eval", "evaluate on STS-B and SICK-R dev while training, every --eval_steps"),
  new Option("--data_dir <dir>", "the SentEval tree that holds STS/ and SICK/").default("SentEval/data/downstream"),
  argument("num_train_epochs", "n", "times through the training file").argParser(positive),
  new Option("--max_steps <n>", "steps; overrides the epochs").argParser(wholeNumber(1)),
  argument("per_device_train_batch_size", "n", "sentences a batch").argParser(wholeNumber(2)),
  argument("learning_rate", "x", "peak rate; it falls to 0 in a line").argParser(positive),
  argument("max_seq_length", "n", "tokens a sentence is truncated to").argParser(wholeNumber(3)),
  argument("temp", "x", "temperature of the contrastive loss").argParser(positive),
  argument("pooler_type", "type", "how a sentence's vector is made").choices([...poolerTypes]),
  flag("mlp_only_train", "use the MLP of --pooler_type cls for training alone"),
  argument("weight_decay", "x", "AdamW's, for matrices").argParser(notNegative),
  argument("adam_beta1", "x", "AdamW's").argParser(unit),
  argument("adam_beta2", "x", "AdamW's").argParser(unit),
  argument("adam_epsilon", "x", "AdamW's").argParser(positive),
  argument("max_grad_norm", "x", "gradients are clipped to this norm; 0 leaves them").argParser(notNegative),
  flag("fp16", "mixed precision: activations and products in halves, sums, loss and master weights in singles, a dynamic loss scale"),
  flag("gradient_checkpointing", "compute each layer again in the backward pass: a sixth of the memory for activations, a third more time"),
  argument("logging_steps", "n", "steps between log lines").argParser(wholeNumber(1)),
  new Option("--eval_steps <n>", "steps between evaluations (default: --logging_steps)").argParser(wholeNumber(1)),
  argument("metric_for_best_model", "name", "metric of the best model"),
  flag("load_best_model_at_end", "keep the model of the best evaluation"),
  argument("seed", "n", "of initial weights, order and dropout").argParser(wholeNumber(0)),
  new Option("--adapter <name>", "run on the adapter whose name contains this"),
  new Option(
    "--profile [file]",
    "time a few steps kernel by kernel; a trace for Perfetto goes to the file (default: profile.json in the output folder)",
  ),
  flag("print_plan", "print the step's plan: every operation, its kernel and its memory"),
];

export const trainCommand = withOptions(new Command("train").description("train SimCSE on sentences, without labels"), options).action(
  runTraining,
);

async function runTraining(given: TrainOptions): Promise<void> {
  if (given.do_train === false)
    throw new OptionError("--do_train is false: there is nothing to do.", "Use `simcse evaluate` to evaluate a model.");
  const args = trainingArguments(given);
  const output = await claimOutput(given);
  const { folder, head, bert, hasTrainedHead } = await readConfig(await findModel(given.model_name_or_path, given));
  const tokenizer = await loadTokenizer(given.tokenizer_name ? await findModel(given.tokenizer_name, given) : folder);
  checkVocabulary(folder, tokenizer, bert);
  const sentences = await readTrainFile(given.train_file);
  const data = args.eval_steps > 0 ? await openEvaluationData(given.data_dir) : null;

  await using device = await openAdapter(given.adapter ? { adapter: given.adapter } : {});
  const model = await SimCseModel.allocate(device, bert, { training: true, mlp: args.pooler_type === "cls", halves: args.fp16 });
  if (args.fp16 && !device.capabilities.features.has("shader-f16")) {
    say(`${device.name} has no shader-f16: halves are packed in words and multiplied as singles, which saves memory and no time`);
  }
  model.store.initialize(args.seed);
  const { weights, hasHead } = await inspectWeights(folder, head);
  if (weights !== null) {
    // The pooler of a BERT that SimCSE did not make was trained for something else.
    const ownHead = hasHead && (hasTrainedHead || weights.tensors.has("mlp.dense.weight"));
    await loadWeights(model, weights, { head: ownHead ? "checkpoint" : "fresh" });
  }
  say(
    `${device.name}: ${weights ? `weights of ${given.model_name_or_path}` : "fresh weights"}, ${sentences.length.toLocaleString("en-US")} sentences`,
  );

  const simcseConfig = { pooler_type: embeddingPooler(args), max_seq_length: args.max_seq_length };
  const save = async () => {
    for (const { name, content } of modelFiles(model, tokenizer, simcseConfig)) await writeFileAtomically(join(output, name), content);
  };
  const log = join(output, "log.jsonl");
  await writeFileAtomically(log, "");
  const history: (LogEntry | EvaluationEntry)[] = [];
  const record = (entry: LogEntry | EvaluationEntry) => {
    history.push(entry);
    return fileOperation("write", log, () => appendFile(log, `${JSON.stringify(entry)}\n`));
  };
  const interruption = onInterrupt();
  let progress = noProgress;
  let note = "";
  try {
    const summary = await train(model, tokenizer, sentences, args, {
      signal: interruption.signal,
      profiler: given.profile
        ? startProfiler(device, given.profile === true ? join(output, "profile.json") : given.profile, (text) => progress.note(text))
        : null,
      onStart: ({ totalSteps, step }) => {
        const { plan } = step.program;
        if (given.print_plan) process.stdout.write(`${formatPlan(plan)}\n`);
        say(
          `${totalSteps.toLocaleString("en-US")} steps; the step takes ${megabytes(plan.bytes.total)} beside ${megabytes(model.store.bytes)} of parameters and optimiser state`,
        );
        progress = startProgress(totalSteps, "training");
      },
      onStep: ({ step }) => progress.update(step, note),
      onLog: async (entry) => {
        await record(entry);
        note = `loss ${entry.loss.toFixed(4)} · ${entry.sentences_per_second.toFixed(0)} sentences/s`;
        progress.line(`step ${entry.step}  ${note} · lr ${entry.learning_rate.toExponential(2)}`);
      },
      ...(data && { evaluate: (encode: Encode) => evaluateDev(encode, data) }),
      onEvaluate: async (entry) => {
        await record(entry);
        progress.line(
          `step ${entry.step}  ${Object.entries(entry)
            .filter(([name]) => name.startsWith("eval_"))
            .map(([name, value]) => `${name} ${value.toFixed(4)}`)
            .join(" · ")}`,
        );
      },
      ...(args.load_best_model_at_end && { saveBest: save }),
    });
    if (!args.load_best_model_at_end || summary.best === null) await save();
    const state = {
      ...summary,
      global_step: summary.steps,
      max_steps: summary.totalSteps,
      best_metric: summary.best?.value ?? null,
      log_history: history,
      arguments: { ...given, ...args },
      adapter: device.name,
    };
    await writeFileAtomically(join(output, "trainer_state.json"), `${JSON.stringify(state, null, 2)}\n`);
    progress.stop();
    const kept =
      summary.best && args.load_best_model_at_end
        ? `, the best of step ${summary.best.step} (${summary.best.metric} ${summary.best.value.toFixed(4)})`
        : "";
    say(
      `${summary.stopped ? `stopped after step ${summary.steps} of ${summary.totalSteps}` : `${summary.steps} steps in ${duration(summary.seconds)}`}; saved ${given.output_dir}${kept}`,
    );
    if (summary.stopped) process.exitCode = interruptedExitCode;
  } finally {
    progress.stop();
    interruption.stop();
    model.close();
  }
}

function trainingArguments({ do_eval, ...given }: TrainOptions): TrainingArguments {
  const names = Object.keys(trainingDefaults) as (keyof TrainingArguments)[];
  const chosen = Object.fromEntries(names.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]));
  const args: TrainingArguments = { ...trainingDefaults, ...chosen };
  const evaluates = do_eval === true || given.eval_steps !== undefined || args.load_best_model_at_end;
  return { ...args, eval_steps: evaluates ? (given.eval_steps ?? args.logging_steps) : 0 };
}

/** Makes the output folder. Throws `FileError` when it holds something and may not be overwritten. */
async function claimOutput({ output_dir, overwrite_output_dir }: TrainOptions): Promise<string> {
  const path = resolve(output_dir);
  try {
    await mkdir(path, { recursive: true });
    const found = await readdir(path);
    if (found.length === 0 || overwrite_output_dir) return path;
  } catch (cause) {
    throw new FileError(
      `The output folder ${output_dir} cannot be made: ${(cause as Error).message}`,
      "Give a folder that can be written, with --output_dir.",
      { cause },
    );
  }
  throw new FileError(`The output folder ${output_dir} is not empty.`, "Choose another, or allow it with --overwrite_output_dir.");
}

async function readTrainFile(path: string): Promise<string[]> {
  const sentences: string[] = [];
  for await (const sentence of readSentences(
    await openFolder(dirname(resolve(path))),
    resolve(path).slice(dirname(resolve(path)).length + 1),
  ))
    sentences.push(sentence);
  if (sentences.every((sentence) => sentence.trim() === ""))
    throw new DataError(`${path} holds no sentence.`, "Give a text file with one sentence a line.");
  return sentences;
}

/** The SentEval tree, checked before training begins. */
async function openEvaluationData(dataDir: string) {
  const folder = await openFolder(dataDir);
  for (const task of averagedTasks("dev")) {
    const found = await loadSts(folder, task, "dev");
    if ("missing" in found)
      throw new FileError(
        `${found.missing} is not there: ${task.name} cannot be evaluated.`,
        "Give the SentEval tree with --data_dir, or leave out --do_eval and --eval_steps.",
      );
  }
  return folder;
}

async function evaluateDev(encode: Encode, folder: Awaited<ReturnType<typeof openFolder>>): Promise<Record<string, number>> {
  const { tasks, average } = await evaluateSts({ encode, folder, mode: "dev", tasks: averagedTasks("dev") });
  return {
    eval_stsb_spearman: scoresOf(tasks, "STSBenchmark")!.spearman.all,
    eval_sickr_spearman: scoresOf(tasks, "SICKRelatedness")!.spearman.all,
    eval_avg_sts: average.spearman,
  };
}

/** Ctrl-C finishes the step and saves; a second one ends at once. */
function onInterrupt() {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(interruptedExitCode);
    say("stopping after this step; Ctrl-C again to quit without saving");
    controller.abort();
  };
  process.on("SIGINT", interrupt);
  return { signal: controller.signal, stop: () => process.off("SIGINT", interrupt) };
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function duration(seconds: number): string {
  return seconds < 120 ? `${seconds.toFixed(1)} s` : `${(seconds / 60).toFixed(1)} min`;
}
