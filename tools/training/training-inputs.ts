/** The inputs of a run from the command line, read and checked before a device is opened. */
import { join } from "node:path";
import { FormatError, OptionError } from "../../src/errors.ts";
import { readJson } from "../../src/io/folder.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import type { TransformerConfig } from "../../src/nn/architectures/architecture.ts";
import { DiskCheckpoints, openCheckpoint, tidyCheckpoints } from "../../src/simcse/checkpoint/checkpoint-folders-node.ts";
import { stateFile } from "../../src/simcse/checkpoint/checkpoint-store.ts";
import { checkResumable, type ExamplesState, isHistory } from "../../src/simcse/checkpoint/training-checkpoint.ts";
import type { EvaluationSet } from "../../src/simcse/evaluation/sets/evaluation-set.ts";
import type { Loss } from "../../src/simcse/losses/loss.ts";
import { Modules, trainingOf } from "../../src/simcse/model/model.ts";
import type { PoolerType } from "../../src/simcse/model/poolers.ts";
import type { HistoryEntry } from "../../src/simcse/report/history.ts";
import {
  fitLength,
  modelNeeds,
  openTrainingSource,
  resolveSettings,
  type TrainingSource,
} from "../../src/simcse/training/prepare-model.ts";
import { type RunStart, startAt } from "../../src/simcse/training/run-start.ts";
import { stepOptions, type TrainingSummary } from "../../src/simcse/training/trainer.ts";
import { evaluates, type TrainingSettings } from "../../src/simcse/training/training-options.ts";
import type { TrainingSet } from "../../src/simcse/training/training-set.ts";
import { findModel } from "../cli/find-model.ts";
import { say } from "../cli/say.ts";
import { chosenMetric, type DevEvaluation, openDevEvaluation } from "./train-evaluation.ts";
import { type TrainOptions, trainingArguments } from "./train-options.ts";
import { numbersOf } from "./train-records.ts";
import { settingsOf } from "./training-arguments.ts";

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
    model: {
      readonly fresh: boolean;
      readonly pooler: PoolerType | null;
      readonly prompts: readonly string[];
      readonly config: TransformerConfig;
    },
  ) => string[];
}

/** The inputs of a run, read before a device is opened. */
export interface Inputs {
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
    config: given.config_name ? await findModel(given.config_name, given) : undefined,
    tokenizer: given.tokenizer_name ? await findModel(given.tokenizer_name, given) : undefined,
    pooler: given.pooler_type,
  });
}

/** Reads the inputs of a run. Throws the errors of reading them, and `OptionError` for options that do not fit them. */
export async function readInputs(given: TrainOptions, kind: TrainingKind, place: RunPlace): Promise<Inputs> {
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
  const { set: examples, held } = await read(wanted);
  const { set, settings } = fitLength(examples, wanted, args.max_seq_length);
  const evaluation = evaluates(settings) ? await openDevEvaluation(given, held) : null;
  const metric = evaluation && chosenMetric(evaluation, given.metric_for_best_model ?? undefined);
  // Examples without a loss and parts that the model lacks are refused before anything is written.
  const needs = modelNeeds(settings, set);
  trainingOf(new Modules(source.config.transformer, needs), source.config.transformer, needs);
  const { loss } = stepOptions(set, settings, { tokenizer: source.tokenizer, dimension: source.config.transformer.hidden_size });
  const checkpoints = new DiskCheckpoints(place.output, given.save_total_limit);
  return { given, settings: { ...settings, metric }, output: place.output, checkpoints, source, set, loss, evaluation };
}

/** What a run ends with. */
export interface Outcome {
  readonly summary: TrainingSummary;
  readonly history: readonly HistoryEntry[];
}

/** `trainer_state.json` of a run that is over, or was interrupted. */
interface EndState extends TrainingSummary, ExamplesState {
  readonly log_history: readonly HistoryEntry[];
  readonly options: TrainingSettings;
}

/** The results of the run to resume if it is finished, else null. Throws `FormatError` for a damaged state. */
export async function endedRun({ given, settings, output, set }: Inputs): Promise<Outcome | null> {
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
export async function startingPoint({ given, settings, output, checkpoints, set }: Inputs): Promise<RunStart | null> {
  const { resume_from_checkpoint: resume } = given;
  await tidyCheckpoints(output, { anew: !resume });
  if (!resume) return null;
  const checkpoint = resume === true || resume === "last" ? await checkpoints.last() : await openCheckpoint(resume);
  if (checkpoint === null) say(`there is no checkpoint in ${given.output_dir} yet: starting from the beginning`);
  return startAt(checkpoint, settings, set);
}
