/** One run of training from the command line: reading what it needs, going on where it was, and leaving what people look at. */
import { mkdir, readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { Choices, choicesFrom, choicesOf } from "../../src/autograd/choices.ts";
import { formatPlan } from "../../src/autograd/plan.ts";
import { FileError, OptionError } from "../../src/errors.ts";
import type { Device } from "../../src/gpu/device.ts";
import { withReopenedDevice } from "../../src/gpu/reopen.ts";
import { type Folder, readJson } from "../../src/io/folder.ts";
import { openFolder, writeFileAtomically } from "../../src/io/folder-node.ts";
import { loadTokenizer, type Tokenizer } from "../../src/io/tokenizer.ts";
import {
  type CheckpointConfig,
  checkVocabulary,
  inspectWeights,
  loadWeights,
  modelFiles,
  readConfig,
  usualLength,
} from "../../src/simcse/checkpoint/checkpoint.ts";
import {
  checkResumable,
  loadTrainingCheckpoint,
  readTrainingState,
  type SavedState,
  stateFile,
  trainingCheckpointFiles,
} from "../../src/simcse/checkpoint/training-checkpoint.ts";
import { SimCseModel } from "../../src/simcse/model/model.ts";
import type { HistoryEntry } from "../../src/simcse/report/report.ts";
import type { SeedRun } from "../../src/simcse/report/seeds.ts";
import { embeddingPooler, type TrainingArguments, type TrainingSummary, train } from "../../src/simcse/training/trainer.ts";
import { checkArguments } from "../../src/simcse/training/training-arguments.ts";
import type { TrainingSet } from "../../src/simcse/training/training-set.ts";
import { interruptedExitCode } from "../cli/failure.ts";
import { findModel } from "../cli/find-model.ts";
import { startProfiler } from "../cli/profile.ts";
import { noProgress, startProgress } from "../cli/progress.ts";
import { tuningFor } from "../cli/tuning.ts";
import { openAdapter } from "../setup/open-adapter.ts";
import { findCheckpoint, tidyCheckpoints, writeCheckpoint } from "./checkpoint-folders.ts";
import { ineffectiveNotes } from "./foreign-options.ts";
import { checkMetric, devEvaluation, type EvaluationData, openEvaluationData } from "./train-evaluation.ts";
import { type TrainOptions, trainingArguments } from "./train-options.ts";
import { numbersOf, TrainRecords } from "./train-records.ts";
import { checkSeeds, optionsOfSeed, reportSeeds } from "./train-seeds.ts";

/** What sets the kinds of training apart. */
export interface TrainingKind {
  /** Reads the training files. */
  readonly read: (given: TrainOptions, tokenizer: Tokenizer, args: TrainingArguments) => Promise<TrainingSet>;
  /** The heads that the model has beside its encoder. */
  readonly heads: (args: TrainingArguments) => { readonly mlp: boolean; readonly mlm: boolean };
  /** What in the options is worth a word; `fresh` where no weights were trained before. */
  readonly hints: (args: TrainingArguments, set: TrainingSet, fresh: boolean) => string[];
}

/** Trains as the options say: once, or once for each seed. */
export async function runTraining(given: TrainOptions, kind: TrainingKind): Promise<void> {
  if (given.do_train === false)
    throw new OptionError("--do_train is false: there is nothing to do.", "Use `simcse evaluate` to evaluate a model.");
  for (const note of ineffectiveNotes(given)) say(note);
  const interruption = onInterrupt();
  try {
    if (given.seeds === undefined) await trainOnce(given, kind, interruption.signal);
    else await trainSeeds(given, given.seeds, kind, interruption.signal);
  } finally {
    interruption.stop();
  }
}

/** One run a seed, each in a folder of its own. */
async function trainSeeds(given: TrainOptions, seeds: readonly number[], kind: TrainingKind, signal: AbortSignal): Promise<void> {
  checkSeeds(given, seeds);
  const output = await claimOutput(given);
  const runs: SeedRun[] = [];
  for (const seed of seeds) {
    if (signal.aborted) {
      tellInterrupted(`stopped before seed ${seed}`);
      return;
    }
    say(`seed ${seed}`);
    const { summary, history } = await trainOnce(optionsOfSeed(given, seed), kind, signal);
    if (summary.interrupted) return;
    runs.push({ seed, history, best: summary.best });
  }
  await reportSeeds(output, given.run_name ?? basename(output), runs, { ...given, ...trainingArguments(given), seed: undefined });
  say(`${seeds.length} runs; saved ${given.output_dir}`);
}

interface Outcome {
  readonly summary: TrainingSummary;
  readonly history: readonly HistoryEntry[];
}

/** `trainer_state.json` of a run that is over, or was interrupted. */
interface EndState extends TrainingSummary {
  readonly log_history: readonly HistoryEntry[];
  readonly arguments: TrainingArguments;
  readonly train_examples: number;
}

/** What a run is made of, read before a device is opened. */
interface Inputs {
  readonly given: TrainOptions;
  readonly args: TrainingArguments;
  readonly output: string;
  readonly config: CheckpointConfig;
  /** What training begins with. */
  readonly weights: Awaited<ReturnType<typeof inspectWeights>>;
  readonly tokenizer: Tokenizer;
  readonly set: TrainingSet;
  readonly heads: ReturnType<TrainingKind["heads"]>;
  readonly data: EvaluationData | null;
}

async function trainOnce(given: TrainOptions, kind: TrainingKind, signal: AbortSignal): Promise<Outcome> {
  const args = trainingArguments(given);
  checkArguments(args);
  if (args.do_mlm && given.pad_to_max_length) {
    throw new OptionError(
      "--pad_to_max_length drops the masked language model in the original, silently.",
      "Leave it out: batches have no padding here, and --do_mlm then works.",
    );
  }
  const output = await claimOutput(given);
  const own = await readConfig(await findModel(given.model_name_or_path, given));
  const config = given.config_name ? { ...own, bert: (await readConfig(await findModel(given.config_name, given))).bert } : own;
  const tokenizer = await loadTokenizer(given.tokenizer_name ? await findModel(given.tokenizer_name, given) : config.folder);
  checkVocabulary(config.folder, tokenizer, config.bert);
  const set = await kind.read(given, tokenizer, args);
  const evaluates = args.eval_steps > 0 || args.evaluation_strategy === "epoch";
  const data = evaluates ? await openEvaluationData(given.data_dir, { transfer: given.eval_transfer === true }) : null;
  if (data) checkMetric(data, args.metric_for_best_model);
  const weights = await inspectWeights(config.folder, config.head);
  const inputs = { given, args, output, config, weights, tokenizer, set, heads: kind.heads(args), data };
  const ended = await endedRun(inputs);
  if (ended !== null) return ended;
  const checkpoint = await startingPoint(inputs);
  for (const path of data?.missing ?? []) say(`${path} is not there: its task is left out of eval_avg_transfer`);
  for (const hint of kind.hints(args, set, weights.weights === null)) say(`hint: ${hint}`);
  return withReopenedDevice({
    open: () => openAdapter(given.adapter ? { adapter: given.adapter } : {}),
    run: async (device, losses) =>
      trainOn(device, inputs, losses === 0 ? checkpoint : ((await findCheckpoint(output, "last")) ?? checkpoint), signal),
    onLoss: (error) => say(`${(error as Error).message} Opening it again, to go on from the last checkpoint.`),
  });
}

/** What the run to go on with came to, where it is over; else null. */
async function endedRun({ given, args, output, set }: Inputs): Promise<Outcome | null> {
  const { resume_from_checkpoint: resume, output_dir } = given;
  const folder = await openFolder(output);
  if ((resume !== true && resume !== "last") || !(await folder.has(stateFile))) return null;
  const state = await readJson<EndState | null>(folder, stateFile);
  // Of a run that was interrupted, or of another program.
  if (state?.interrupted !== false) return null;
  const { log_history: history, arguments: began, train_examples, ...summary } = state;
  checkResumable({ arguments: began, train_examples }, args, set.length);
  say(`${output_dir} has ended already, after ${summary.steps} steps`);
  return { summary, history: history.map(numbersOf) };
}

/** The checkpoint to go on from, or null; leaves the output folder without what killed runs, or runs before this one, have left. */
async function startingPoint({ given, args, output, set }: Inputs): Promise<Folder | null> {
  const { resume_from_checkpoint: resume } = given;
  await tidyCheckpoints(output, { anew: !resume });
  if (!resume) return null;
  const checkpoint = await findCheckpoint(output, resume);
  if (checkpoint === null) say(`there is no checkpoint in ${given.output_dir} yet: beginning at the beginning`);
  else checkResumable(await readTrainingState(checkpoint), args, set.length);
  return checkpoint;
}

async function trainOn(device: Device, inputs: Inputs, checkpoint: Folder | null, signal: AbortSignal): Promise<Outcome> {
  const { given, args, output, tokenizer, set, heads, data } = inputs;
  const from = checkpoint && (await readTrainingState(checkpoint));
  const model = await SimCseModel.allocate(device, inputs.config.bert, {
    training: true,
    ...heads,
    halves: args.fp16,
    // Variants that are measured anew may differ, and with them the last bits.
    tuning: from?.tuning ? choicesFrom(from.tuning, checkpoint!.name) : await tuningFor(device, given),
  });
  let progress = noProgress;
  try {
    await prepare(model, inputs, checkpoint, from);
    // Short sentences train it, but a text that is embedded is not cut at their length.
    const simcse = { pooler_type: embeddingPooler(args), max_seq_length: Math.max(usualLength, args.max_seq_length) };
    const records = await TrainRecords.open({
      output,
      loggingDir: given.logging_dir ? resolve(given.logging_dir) : join(output, "runs"),
      history: (from?.log_history ?? []) as HistoryEntry[],
      about: {
        ...(given.run_name && { name: given.run_name }),
        arguments: { ...given, ...args },
        pooler: simcse.pooler_type,
        adapter: device.name,
      },
    });
    const saveModel = async () => {
      for (const { name, content } of modelFiles(model, tokenizer, simcse)) await writeFileAtomically(join(output, name), content);
    };
    let note = "";
    let tuning = new Choices([]);
    const summary = await train(
      model,
      tokenizer,
      set,
      args,
      {
        signal,
        onStart: ({ totalSteps, step }) => {
          tuning = choicesOf({ steps: [...step.programs.values()].flatMap(({ plan }) => plan.steps) });
          if (given.print_plan) for (const { plan } of step.programs.values()) process.stdout.write(`${formatPlan(plan)}\n`);
          say(
            `${totalSteps.toLocaleString("en-US")} steps; the step takes ${megabytes(step.bytes)} beside ${megabytes(model.store.bytes)} of parameters and optimiser state`,
          );
          if (!given.disable_tqdm) progress = startProgress(totalSteps, "training");
        },
        onStep: ({ step }) => progress.update(step, note),
        onLog: async (entry) => {
          await records.add(entry);
          note = `loss ${entry.loss.toFixed(4)} · ${entry.sentences_per_second.toFixed(0)} sentences/s`;
          progress.line(`step ${entry.step}  ${note} · lr ${entry.learning_rate.toExponential(2)}`);
        },
        ...(data && { evaluate: devEvaluation(data, device) }),
        onEvaluate: async (entry) => {
          await records.add(entry);
          await records.report();
          progress.line(
            `step ${entry.step}  ${Object.entries(entry)
              .filter(([name]) => name.startsWith("eval_"))
              .map(([name, value]) => `${name} ${value.toFixed(4)}`)
              .join(" · ")}`,
          );
        },
        ...(args.load_best_model_at_end && { saveBest: saveModel }),
        saveCheckpoint: async (state) => {
          const saved: SavedState = {
            ...state,
            best_metric: state.evaluator?.best?.value ?? null,
            log_history: records.history,
            arguments: args,
            train_examples: set.length,
            tuning,
          };
          const files = trainingCheckpointFiles(model, tokenizer, simcse, saved);
          await writeCheckpoint(output, state.global_step, files, given.save_total_limit);
        },
        profiler: given.profile
          ? startProfiler(device, given.profile === true ? join(output, "profile.json") : given.profile, (text) => progress.note(text))
          : null,
      },
      from,
    );
    if (!args.load_best_model_at_end || summary.best === null) await saveModel();
    const { steps, totalSteps, seconds, best } = summary;
    const state = {
      ...summary,
      global_step: steps,
      max_steps: totalSteps,
      epoch: records.history.at(-1)?.epoch ?? 0,
      best_metric: best?.value ?? null,
      best_model_checkpoint: best && args.load_best_model_at_end ? given.output_dir : null,
      log_history: records.history,
      arguments: { ...given, ...args },
      train_examples: set.length,
      adapter: device.name,
      tuning,
    };
    await writeFileAtomically(join(output, "trainer_state.json"), `${JSON.stringify(state, null, 2)}\n`);
    await records.report({ steps, totalSteps, seconds, best });
    await records.card({ steps, best });
    await records.results({ epoch: state.epoch, global_step: steps, train_examples: set.length, train_runtime: seconds }, { best });
    progress.stop();
    tellEnd(summary, inputs);
    return { summary, history: records.history };
  } finally {
    progress.stop();
    model.close();
  }
}

/** Gives the model its weights: those of the checkpoint that it goes on `from`, or those that training begins with. */
async function prepare(model: SimCseModel, inputs: Inputs, checkpoint: Folder | null, from: SavedState | null): Promise<void> {
  const { given, args, config, set } = inputs;
  const { device } = model;
  if (args.fp16 && !device.capabilities.features.has("shader-f16")) {
    say(`${device.name} has no shader-f16: halves are packed in words and multiplied as singles, which saves memory and no time`);
  }
  const count = `${set.length.toLocaleString("en-US")} ${set.unit}`;
  if (checkpoint !== null) {
    await loadTrainingCheckpoint(checkpoint, model);
    say(`${device.name}: going on after step ${from?.global_step} (${checkpoint.name}), ${count}`);
    return;
  }
  model.store.initialize(args.seed);
  const { weights, hasHead } = inputs.weights;
  if (weights === null) {
    say(`${device.name}: fresh weights, ${count}`);
    return;
  }
  // The pooler of a BERT that SimCSE did not make was trained for something else.
  const ownHead = hasHead && (config.hasTrainedHead || weights.tensors.has("mlp.dense.weight"));
  const fresh = await loadWeights(model, weights, { head: ownHead ? "checkpoint" : "fresh" });
  const heads = Object.entries(headNames).filter(([prefix]) => fresh.some((name) => name.startsWith(prefix)));
  const note = heads.length > 0 ? `, fresh ${heads.map(([, head]) => head).join(" and ")}` : "";
  say(`${device.name}: weights of ${given.model_name_or_path}${note}, ${count}`);
}

/** What people call the heads, by the prefix of their tensors. */
const headNames = { "mlp.": "MLP", "cls.": "head of the masked language model" };

function tellEnd({ steps, totalSteps, stopped, interrupted, seconds, best }: TrainingSummary, { given, args }: Inputs): void {
  const kept = best && args.load_best_model_at_end ? `, the best of step ${best.step} (${best.metric} ${best.value.toFixed(4)})` : "";
  const end = `saved ${given.output_dir}${kept}`;
  if (interrupted) {
    tellInterrupted(`stopped after step ${steps} of ${totalSteps}; ${end}`);
    return;
  }
  say(`${stopped ? `stopped after step ${steps} of ${totalSteps}` : `${steps} steps in ${duration(seconds)}`}; ${end}`);
  if (stopped) say(`${args.early_stopping_patience} evaluations in a row gained nothing (--early_stopping_patience)`);
}

function tellInterrupted(where: string): void {
  say(where);
  say("to go on, give the same command with --resume_from_checkpoint");
  process.exitCode = interruptedExitCode;
}

/** Makes the output folder. Throws `FileError` when it holds something and may not be overwritten. */
async function claimOutput({ output_dir, overwrite_output_dir, resume_from_checkpoint }: TrainOptions): Promise<string> {
  const path = resolve(output_dir);
  try {
    await mkdir(path, { recursive: true });
    const found = await readdir(path);
    if (found.length === 0 || overwrite_output_dir || resume_from_checkpoint) return path;
  } catch (cause) {
    throw new FileError(
      `The output folder ${output_dir} cannot be made: ${(cause as Error).message}`,
      "Give a folder that can be written, with --output_dir.",
      { cause },
    );
  }
  throw new FileError(
    `The output folder ${output_dir} is not empty.`,
    "Choose another, allow it with --overwrite_output_dir, or go on with --resume_from_checkpoint.",
  );
}

/** Ctrl-C, or SIGTERM, finishes the step and saves; a second one ends at once. */
function onInterrupt() {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(interruptedExitCode);
    say("stopping after this step; Ctrl-C again to quit without saving");
    controller.abort();
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, interrupt);
  const stop = () => {
    for (const signal of signals) process.off(signal, interrupt);
  };
  return { signal: controller.signal, stop };
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
