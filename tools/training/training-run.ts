/** Training from the command line: reading the inputs of a run, resuming it, and writing its records. */
import { basename, dirname, join, resolve } from "node:path";
import { Choices, choicesFrom, choicesOf } from "../../src/autograd/choices.ts";
import { formatPlan } from "../../src/autograd/plan.ts";
import { CapacityError, FormatError, OptionError } from "../../src/errors.ts";
import type { Device } from "../../src/gpu/device.ts";
import { type Attempt, withReopenedDevice } from "../../src/gpu/reopen.ts";
import { type Folder, readJson } from "../../src/io/folder.ts";
import { openFolder, writeFileAtomically, writeFilesInto } from "../../src/io/folder-node.ts";
import type { ParameterCounts } from "../../src/nn/parameters/parameter-layout.ts";
import { formatCount } from "../../src/show.ts";
import { adapterFiles } from "../../src/simcse/checkpoint/adapter.ts";
import { DiskCheckpoints, openCheckpoint, tidyCheckpoints } from "../../src/simcse/checkpoint/checkpoint-folders-node.ts";
import { stateFile } from "../../src/simcse/checkpoint/checkpoint-store.ts";
import { savedModelFiles } from "../../src/simcse/checkpoint/saved-model.ts";
import {
  type CheckpointedRun,
  checkResumable,
  type ExamplesState,
  examplesOf,
  isHistory,
  loadTrainingCheckpoint,
  readTrainingState,
  type SavedState,
  withKnownBest,
  writeCheckpoint,
} from "../../src/simcse/checkpoint/training-checkpoint.ts";
import { Encoder } from "../../src/simcse/embedding/encoder.ts";
import type { EvaluationSet } from "../../src/simcse/evaluation/sets/evaluation-set.ts";
import type { Loss } from "../../src/simcse/losses/loss.ts";
import { Modules, type SimCseModel, trainingOf } from "../../src/simcse/model/model.ts";
import type { PoolerType } from "../../src/simcse/model/poolers.ts";
import { collapseText } from "../../src/simcse/report/collapse.ts";
import type { HistoryEntry } from "../../src/simcse/report/history.ts";
import { isMainMetric, metricChanges, metricValue } from "../../src/simcse/report/own-metrics.ts";
import type { SeedRun } from "../../src/simcse/report/seeds.ts";
import { meanCosineOf } from "../../src/simcse/training/mean-cosine.ts";
import {
  fitLength,
  modelNeeds,
  openTrainingSource,
  prepareModel,
  resolveSettings,
  savedConfig,
  type TrainingSource,
} from "../../src/simcse/training/prepare-model.ts";
import { stepOptions, type TrainerHooks, type TrainingSummary, train } from "../../src/simcse/training/trainer.ts";
import {
  checkSettings,
  embeddingPooler,
  evaluates,
  type TrainingSettings,
  trainedPartsText,
} from "../../src/simcse/training/training-options.ts";
import type { TrainingSet } from "../../src/simcse/training/training-set.ts";
import type { CompiledStep } from "../../src/simcse/training/training-step.ts";
import { commandLine } from "../cli/command-line.ts";
import { resultsAreFiles } from "../cli/failure.ts";
import { findModel } from "../cli/find-model.ts";
import { interruptedExitCode, onInterrupt } from "../cli/interrupt.ts";
import { startProfiler } from "../cli/profile.ts";
import { noProgress, type Progress, startProgress } from "../cli/progress.ts";
import { say } from "../cli/say.ts";
import { tuningFor } from "../cli/tuning.ts";
import { openDevices } from "../setup/open-devices.ts";
import { ineffectiveNotes } from "./foreign-options.ts";
import { claimOutput } from "./output-folder.ts";
import { precisionNote } from "./precision-note.ts";
import { chosenMetric, type DevEvaluation, openDevEvaluation, runEvaluation } from "./train-evaluation.ts";
import { type TrainOptions, trainingArguments } from "./train-options.ts";
import { numbersOf, TrainRecords } from "./train-records.ts";
import { checkSeeds, optionsOfSeed, reportSeeds } from "./train-seeds.ts";
import { argumentsOf, inCommandLineTerms, settingsOf } from "./training-arguments.ts";
import { sourcesOf } from "./training-files.ts";

/** The training data of a run, and its held-out part for evaluation. */
export interface TrainingData {
  readonly set: TrainingSet;
  readonly held: EvaluationSet | null;
}

/** Where a run writes, and what ends it. */
export interface RunPlace {
  readonly output: string;
  readonly signal: AbortSignal;
}

/** The model that a run starts from, and how to read its training files with the run's settings. */
export interface OpenedTraining {
  readonly source: TrainingSource;
  readonly read: (settings: TrainingSettings) => Promise<TrainingData>;
}

/** What distinguishes the kinds of training. */
export interface TrainingKind {
  readonly open: (given: TrainOptions, place: RunPlace) => Promise<OpenedTraining>;
  /** Hints about the options. */
  readonly hints: (
    settings: TrainingSettings,
    set: TrainingSet,
    model: { readonly fresh: boolean; readonly pooler: PoolerType | null; readonly prompts: readonly string[] },
  ) => string[];
}

/** Trains once, or once per seed. */
export async function runTraining(given: TrainOptions, kind: TrainingKind): Promise<void> {
  if (given.do_train === false)
    throw new OptionError("--do_train is false: there is nothing to do.", "Use `simcse evaluate` to evaluate a model.");
  sourcesOf(given);
  if (!given.print_plan) resultsAreFiles();
  for (const note of ineffectiveNotes(given)) say(note);
  const { signal, stop } = interruption();
  try {
    if (given.seeds === undefined) await trainOnce(given, kind, signal);
    else await trainSeeds(given, given.seeds, kind, signal);
  } catch (error) {
    throw inCommandLineTerms(error);
  } finally {
    stop();
  }
}

/** One run per seed, each in its own folder. */
async function trainSeeds(given: TrainOptions, seeds: readonly number[], kind: TrainingKind, signal: AbortSignal): Promise<void> {
  checkSeeds(given, seeds);
  await using output = await claimOutput(given);
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
  await reportSeeds(output.path, given.run_name ?? basename(output.path), runs, { ...given, ...trainingArguments(given), seed: undefined });
  say(`${seeds.length} runs; saved ${given.output_dir}`);
}

interface Outcome {
  readonly summary: TrainingSummary;
  readonly history: readonly HistoryEntry[];
}

async function trainOnce(given: TrainOptions, kind: TrainingKind, signal: AbortSignal): Promise<Outcome> {
  await using output = await claimOutput(given);
  const inputs = await readInputs(given, kind, { output: output.path, signal });
  const ended = await endedRun(inputs);
  if (ended !== null) return ended;
  const checkpoint = await startingPoint(inputs);
  tellBefore(inputs, kind);
  // Awaited here, so that the folder stays locked until the run is over.
  let others: Device[] = [];
  let fewer = false;
  return await withReopenedDevice({
    async open() {
      const [first, ...more] = await openDevices(given, { fewer });
      others = more;
      return first;
    },
    async run(device, attempt) {
      try {
        const from = attempt.losses === 0 ? checkpoint : ((await inputs.checkpoints.last()) ?? checkpoint);
        return await new CommandRun([device, ...others], inputs, attempt).train(from, signal);
      } finally {
        for (const other of others) other.close();
      }
    },
    onLoss(error) {
      fewer = true;
      say(`${(error as Error).message} Opening it again, to resume from the last checkpoint.`);
    },
  });
}

/** The inputs of a run, read before a device is opened. */
interface Inputs {
  readonly given: TrainOptions;
  readonly settings: TrainingSettings;
  readonly output: string;
  readonly checkpoints: DiskCheckpoints;
  readonly source: TrainingSource;
  readonly set: TrainingSet;
  /** The loss of the embeddings; null if only masked words are predicted. */
  readonly loss: Loss | null;
  readonly evaluation: DevEvaluation | null;
}

/** The model that the options name, with another config or tokenizer if they name one. */
export async function openSource(given: TrainOptions): Promise<TrainingSource> {
  return openTrainingSource(await findModel(given.model_name_or_path, given), {
    ...(given.config_name && { config: await findModel(given.config_name, given) }),
    ...(given.tokenizer_name && { tokenizer: await findModel(given.tokenizer_name, given) }),
    pooler: given.pooler_type,
  });
}

async function readInputs(given: TrainOptions, kind: TrainingKind, place: RunPlace): Promise<Inputs> {
  const args = trainingArguments(given);
  if (given.save_adapter && args.lora_rank === 0) {
    throw new OptionError("--save_adapter without --lora_rank: there are no adapters.", "Give --lora_rank, such as 8, or leave it out.");
  }
  if (args.do_mlm && given.pad_to_max_length) {
    throw new OptionError(
      "In the original, --pad_to_max_length silently drops the masked language model.",
      "Leave it out: batches have no padding here, and --do_mlm then works.",
    );
  }
  const { source, read } = await kind.open(given, place);
  const wanted = resolveSettings(settingsOf(args), source.config);
  checkSettings(wanted);
  const { set: examples, held } = await read(wanted);
  const { set, settings } = args.max_seq_length === undefined ? fitLength(examples, wanted) : { set: examples, settings: wanted };
  const evaluation = evaluates(settings) ? await openDevEvaluation(given, held) : null;
  const metric = evaluation && chosenMetric(evaluation, given.metric_for_best_model ?? undefined);
  // Examples without a loss and parts that the model lacks are refused before anything is written.
  const needs = modelNeeds(settings, set);
  trainingOf(new Modules(source.config.transformer, needs), source.config.transformer, needs);
  const { loss } = stepOptions(set, settings, { tokenizer: source.tokenizer, dimension: source.config.transformer.hidden_size });
  const checkpoints = new DiskCheckpoints(place.output, given.save_total_limit);
  return { given, settings: { ...settings, metric }, output: place.output, checkpoints, source, set, loss, evaluation };
}

/** `trainer_state.json` of a run that is over, or was interrupted. */
interface EndState extends TrainingSummary, ExamplesState {
  readonly log_history: readonly HistoryEntry[];
  readonly options: TrainingSettings;
}

/** The results of the run to resume if it is finished, else null. Throws `FormatError` for a damaged state. */
async function endedRun({ given, settings, output, set }: Inputs): Promise<Outcome | null> {
  const { resume_from_checkpoint: resume, output_dir } = given;
  const folder = await openFolder(output);
  if ((resume !== true && resume !== "last") || !(await folder.has(stateFile))) return null;
  const state = await readJson<EndState | null>(folder, stateFile);
  // Written by an interrupted run, or by another program.
  if (state?.interrupted !== false) return null;
  const { log_history: history, options: began, ...summary } = state;
  if (!isHistory(history) || typeof began !== "object" || began === null || !Number.isSafeInteger(summary.steps)) {
    throw new FormatError(
      `${join(output, stateFile)} is not the state of a run of this package.`,
      "Start again with --overwrite_output_dir, or resume from a checkpoint by its path.",
    );
  }
  checkResumable(state, settings, set);
  say(`${output_dir} is already finished, after ${summary.steps} steps`);
  return { summary, history: history.map(numbersOf) };
}

/** The checkpoint to resume from, or null. Removes leftovers of killed or earlier runs from the output folder. */
async function startingPoint({ given, settings, output, checkpoints, set }: Inputs): Promise<Folder | null> {
  const { resume_from_checkpoint: resume } = given;
  await tidyCheckpoints(output, { anew: !resume });
  if (!resume) return null;
  const checkpoint = resume === true || resume === "last" ? await checkpoints.last() : await openCheckpoint(resume);
  if (checkpoint === null) say(`there is no checkpoint in ${given.output_dir} yet: starting from the beginning`);
  else checkResumable(await readTrainingState(checkpoint), settings, set);
  return checkpoint;
}

function tellBefore({ given, settings, source, set, evaluation }: Inputs, kind: TrainingKind): void {
  const { pooler, maxLength } = source.config;
  for (const note of evaluation?.notes ?? []) say(note);
  if (pooler !== null && given.pooler_type === undefined && given.mlp_only_train !== true) say(`pooler ${pooler}, as saved with the model`);
  if (pooler !== null && given.max_seq_length !== undefined && given.max_seq_length < maxLength)
    say(`training on at most ${given.max_seq_length} tokens per sentence; the saved model keeps its own length of ${maxLength}`);
  const prompts = Object.values(source.config.texts.prompts).filter((prompt) => prompt !== "");
  for (const hint of kind.hints(settings, set, { fresh: source.weights === null, pooler, prompts })) say(`hint: ${hint}`);
}

/** A run on its devices. */
class CommandRun {
  #progress: Progress = noProgress;
  /** Text shown beside the progress bar. */
  #note = "";
  #tuning = new Choices([]);
  /** That of the model as it was last saved. */
  #meanCosine: number | null = null;

  constructor(
    readonly devices: readonly [Device, ...Device[]],
    readonly inputs: Inputs,
    readonly attempt: Attempt,
  ) {}

  /** The device of the model that is saved. */
  get device(): Device {
    return this.devices[0];
  }

  /** Trains from the checkpoint or from the beginning, and writes the complete output folder. */
  async train(checkpoint: Folder | null, signal: AbortSignal): Promise<Outcome> {
    const { given, source, set, settings } = this.inputs;
    const saved = checkpoint && (await readTrainingState(checkpoint));
    // The weights of the best evaluation are those in the output folder, if the run that wrote the checkpoint saved them there.
    const hasWeights = saved?.options.keepBest === true && dirname(resolve(checkpoint!.name)) === this.inputs.output;
    const from = saved && withKnownBest(saved, settings, { hasWeights });
    const model = await this.#prepare(checkpoint, from);
    try {
      const records = await this.#records(from);
      const hooks = this.#hooks(model, records, signal);
      const { max_seq_length: maxLength } = savedConfig(source, settings);
      const reading = { maxLength, texts: source.config.texts };
      const trained = await train({ model, tokenizer: source.tokenizer, set, settings, devices: this.devices, hooks, reading, from });
      if (!settings.keepBest || trained.best === null) await this.#saveModel(model);
      const summary = { ...trained, meanCosine: this.#meanCosine };
      await this.#writeEnd(summary, records);
      this.#progress.stop();
      tellEnd(summary, this.inputs);
      tellChanges(summary, records.history, given);
      return { summary, history: records.history };
    } finally {
      this.#progress.stop();
      model.close();
    }
  }

  /** A model with the weights of the checkpoint, or with the initial ones. */
  async #prepare(checkpoint: Folder | null, from: SavedState | null): Promise<SimCseModel> {
    const { given, settings, source, set } = this.inputs;
    const { device } = this;
    const precision = precisionNote(device.name, device.capabilities, settings.fp16);
    if (precision !== null) say(precision);
    // New measurements may choose other variants, which would change the last bits.
    const tuning = from?.tuning ? choicesFrom(from.tuning, checkpoint!.name) : await tuningFor(device, given);
    const { model, fresh } = await prepareModel(device, source, { settings, set, tuning });
    const count = `${formatCount(set.length)} ${set.unit}`;
    if (checkpoint !== null) {
      await loadTrainingCheckpoint(checkpoint, model);
      say(`${device.name}: resuming after step ${from?.global_step} (${checkpoint.name}), ${count}`);
    } else if (source.weights === null) {
      say(`${device.name}: fresh weights, ${count}`);
    } else {
      const heads = Object.entries(headNames).filter(([prefix]) => fresh.some((name) => name.startsWith(prefix)));
      const note = heads.length > 0 ? `, fresh ${heads.map(([, head]) => head).join(" and ")}` : "";
      say(`${device.name}: weights of ${given.model_name_or_path}${note}, ${count}`);
    }
    return model;
  }

  #records(from: SavedState | null): Promise<TrainRecords> {
    const { given, settings, output, source } = this.inputs;
    const { pooler_type, max_seq_length } = savedConfig(source, settings);
    return TrainRecords.open({
      output,
      loggingDir: given.logging_dir ? resolve(given.logging_dir) : join(output, "runs"),
      history: (from?.log_history ?? []) as readonly HistoryEntry[],
      steps: from?.global_step ?? 0,
      about: {
        ...(given.run_name && { name: given.run_name }),
        arguments: { ...given, ...argumentsOf(settings), loss: this.inputs.loss?.name },
        command: commandLine(),
        pooler: pooler_type,
        maxLength: max_seq_length,
        modelType: source.config.transformer.model_type,
        adapter: this.device.name,
      },
    });
  }

  #hooks(model: SimCseModel, records: TrainRecords, signal: AbortSignal): TrainerHooks {
    const { given, settings, output, checkpoints, source, set, evaluation } = this.inputs;
    const run = (): CheckpointedRun => ({
      model,
      tokenizer: source.tokenizer,
      simcse: savedConfig(source, settings),
      settings,
      set,
      history: records.history,
      tuning: this.#tuning,
    });
    return {
      signal,
      onStart: (plan) => this.#tellStart(model, plan),
      onDeviceLost: (lost, left) => say(`${lost.name} was lost; ${left === 1 ? "one device goes" : `${left} devices go`} on`),
      onStep: ({ step }) => this.#progress.update(step, this.#note),
      onSteps: (steps) => records.addSteps(steps),
      onLog: async (entry) => {
        await records.add(entry);
        this.#note = `loss ${entry.loss.toFixed(4)} · ${entry.sentences_per_second.toFixed(0)} sentences/s`;
        this.#progress.line(`step ${entry.step}  ${this.#note} · lr ${entry.learning_rate.toExponential(2)}`);
      },
      ...(evaluation && { evaluate: runEvaluation(evaluation, this.device) }),
      onEvaluate: async (entry) => {
        await records.add(entry);
        await records.report();
        this.#progress.line(`step ${entry.step}  ${metricsText(entry)}`);
      },
      ...(settings.keepBest && { saveBest: () => this.#saveModel(model) }),
      saveCheckpoint: async (state) => {
        await writeCheckpoint(checkpoints, run(), state);
        this.attempt.progressed();
      },
      profiler: given.profile
        ? startProfiler(this.device, given.profile === true ? join(output, "profile.json") : given.profile, (text) =>
            this.#progress.note(text),
          )
        : null,
    };
  }

  #tellStart(model: SimCseModel, { totalSteps, step }: { readonly totalSteps: number; readonly step: CompiledStep }): void {
    const { given } = this.inputs;
    const programs = [...step.programs.values()];
    this.#tuning = choicesOf({ steps: programs.flatMap(({ plan }) => plan.steps) });
    if (given.print_plan) printPlans(step);
    const { length: count } = this.devices;
    if (count > 1) say(`${count} devices share each batch: ${this.devices.map(({ name }) => name).join(", ")}`);
    say(
      `${formatCount(totalSteps)} steps; ${count > 1 ? "on each device " : ""}a step takes ${megabytes(step.bytes)}, and parameters and optimiser state ${megabytes(model.store.bytes)}`,
    );
    const { warmupSteps } = this.inputs.settings;
    if (warmupSteps >= totalSteps)
      say(
        `hint: --warmup_steps ${warmupSteps} is not shorter than the run, so the learning rate does not reach --learning_rate before its end`,
      );
    say(trainedText(model.store.layout.counts, this.inputs));
    say(lossText(this.inputs));
    if (!given.disable_tqdm) this.#progress = startProgress(totalSteps, "training");
  }

  async #saveModel(model: SimCseModel): Promise<void> {
    const { given, output, source, settings } = this.inputs;
    const adapter = given.save_adapter ? adapterFiles(model, given.model_name_or_path) : [];
    await writeFilesInto(output, [
      ...savedModelFiles(model, source.tokenizer, savedConfig(source, settings), source.config.texts),
      ...adapter.map(({ name, content }) => ({ name: `adapter/${name}`, content })),
    ]);
    this.#meanCosine = await this.#measure(model);
  }

  /** Null after training that only predicts masked words, and where the device has no room beside the run, which is not to fail for it. */
  async #measure(model: SimCseModel): Promise<number | null> {
    const { source, settings, set, loss } = this.inputs;
    if (loss === null) return null;
    const { maxLength } = settings;
    try {
      using encoder = await Encoder.create(model, source.tokenizer, { pooler: embeddingPooler(settings), maxLength, batchSize: 8 });
      return await meanCosineOf(encoder, set);
    } catch (error) {
      if (error instanceof CapacityError) return null;
      throw error;
    }
  }

  async #writeEnd(summary: TrainingSummary, records: TrainRecords): Promise<void> {
    const { given, settings, output, set } = this.inputs;
    const { steps, totalSteps, seconds, best, meanCosine = null } = summary;
    const state = {
      ...summary,
      global_step: steps,
      max_steps: totalSteps,
      epoch: records.history.at(-1)?.epoch ?? 0,
      best_metric: best?.value ?? null,
      best_model_checkpoint: best && settings.keepBest ? given.output_dir : null,
      log_history: records.history,
      options: settings,
      arguments: { ...given, ...argumentsOf(settings) },
      ...examplesOf(set),
      adapter: this.device.name,
      tuning: this.#tuning,
    };
    await writeFileAtomically(join(output, stateFile), `${JSON.stringify(state, null, 2)}\n`);
    await records.report({ steps, totalSteps, seconds, best, meanCosine });
    await records.card({ steps, best, meanCosine });
    await records.results({ epoch: state.epoch, global_step: steps, train_examples: set.length, train_runtime: seconds }, { best });
  }
}

/** Prints the plans of a step's programs; those of several devices once for each kind of device. */
function printPlans({ onDevices }: CompiledStep): void {
  const kinds = new Map(onDevices.map((step) => [step.device.name, step]));
  for (const [name, { programs }] of kinds) {
    if (onDevices.length > 1) process.stdout.write(`on each ${name}:\n`);
    for (const { plan } of programs.values()) process.stdout.write(`${formatPlan(plan)}\n`);
  }
}

/** Names of the heads for messages, by the prefix of their tensors. */
const headNames = { "mlp.": "MLP", "cls.": "head of the masked language model" };

function metricsText(entry: Readonly<Record<string, number>>): string {
  return Object.entries(entry)
    .filter(([name]) => name.startsWith("eval_"))
    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
    .join(" · ");
}

function tellEnd(
  { steps, totalSteps, stopped, interrupted, seconds, best, meanCosine }: TrainingSummary,
  { given, settings }: Inputs,
): void {
  const kept = best && settings.keepBest ? `, the best of step ${best.step} (${best.metric} ${best.value.toFixed(4)})` : "";
  const end = `saved ${given.output_dir}${kept}`;
  if (interrupted) {
    tellInterrupted(`stopped after step ${steps} of ${totalSteps}; ${end}`);
    return;
  }
  say(`${stopped ? `stopped after step ${steps} of ${totalSteps}` : `${steps} steps in ${duration(seconds)}`}; ${end}`);
  if (settings.keepBest && best === null) say("no evaluation gave a number to choose the best model by: the last weights are saved");
  const collapse = collapseText(meanCosine);
  if (collapse !== null) say(`warning: ${collapse}`);
  if (stopped) say(`${settings.earlyStoppingPatience} evaluations in a row brought no improvement (--early_stopping_patience)`);
}

/** The scores on your own sets before the first step and of the saved model, side by side. */
function tellChanges({ best }: TrainingSummary, history: readonly HistoryEntry[], given: TrainOptions): void {
  const { step, changes } = metricChanges({ history, best, arguments: { ...given } });
  const main = changes.filter(({ metric }) => isMainMetric(`eval_${metric}`));
  if (main.length === 0) return;
  const width = Math.max(...main.map(({ metric }) => metric.length));
  say(`${"".padEnd(width)}  before    after step ${step}`);
  for (const { metric, before, after } of main) say(`${metric.padEnd(width)}  ${metricValue(before).padEnd(8)}  ${metricValue(after)}`);
}

function tellInterrupted(where: string): void {
  say(where);
  say("to resume, give the same command with --resume_from_checkpoint");
  process.exitCode = interruptedExitCode();
}

/** Aborts at the first signal, at which the trainer finishes its step and saves. */
function interruption() {
  const controller = new AbortController();
  const stop = onInterrupt(() => {
    say("stopping after this step; Ctrl-C again to quit without saving");
    controller.abort();
  });
  return { signal: controller.signal, stop };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function duration(seconds: number): string {
  return seconds < 120 ? `${seconds.toFixed(1)} s` : `${(seconds / 60).toFixed(1)} min`;
}

/** How many parameters are trained, and which are not. */
function trainedText({ trained, all }: ParameterCounts, { settings }: Inputs): string {
  if (trained === all) return `trains all ${formatCount(all)} parameters`;
  return `trains ${formatCount(trained)} of ${formatCount(all)} parameters (${((100 * trained) / all).toPrecision(2)}%): ${trainedPartsText(settings)}`;
}

/** The loss that is used, and why if no option names it. */
function lossText({ loss, settings, set }: Inputs): string {
  if (loss === null) return "loss: only masked words";
  return settings.loss === null ? `loss: ${loss.name}, the one for ${set.unit}` : `loss: ${loss.name}`;
}
