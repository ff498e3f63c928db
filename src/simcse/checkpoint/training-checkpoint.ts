/**
 * A checkpoint of a run: a model folder with AdamW's moments, the optimiser's state and the trainer's state. A run resumed from it ends
 * with the same bits as if it had never been interrupted, because everything random is a function of seed and step.
 *
 * The folder's model has its adapters merged, as every saved model. The adapters and the weights beside them are kept with the moments.
 */
import { FileError, FormatError, OptionError } from "../../errors.ts";
import { type Folder, type NamedContent, pathIn, readJson } from "../../io/folder.ts";
import { isJsonObject } from "../../io/formats/json.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import { encodeSafetensors, f32Tensor, openSafetensors, type TensorToWrite } from "../../io/weights/safetensors.ts";
import type { Weights } from "../../io/weights/tensor-file.ts";
import { openRequiredWeights } from "../../io/weights.ts";
import { formatShape } from "../../kernels/language/operation.ts";
import { isAdapter } from "../../nn/lora.ts";
import type { Piece } from "../../nn/parameters/parameter.ts";
import type { ParameterSnapshot } from "../../nn/parameters/parameter-snapshot.ts";
import type { Moment, ParameterStore } from "../../nn/parameters/parameter-store.ts";
import type { SimCseConfig, SimCseModel } from "../model/model.ts";
import type { TrainerState, TrainingJob } from "../training/trainer.ts";
import type { TextReading } from "../training/training-evaluator.ts";
import { checkSettings, embeddingPooler, type TrainingSettings, trainingDefaults } from "../training/training-options.ts";
import type { TrainingSet } from "../training/training-set.ts";
import { loadWeights, modelFiles, streamBytes } from "./checkpoint.ts";
import { type CheckpointStore, stateFile, stepOfFolder } from "./checkpoint-store.ts";

/** What a state says of the examples. */
export interface ExamplesState {
  /** Examples of the training file. */
  readonly train_examples: number;
  /** Their digest; absent in states of earlier versions. */
  readonly train_digest?: string;
  /** The digest of their tokens; absent in states of earlier versions. */
  readonly train_tokens?: string;
}

/** `trainer_state.json`, with the fields of Hugging Face's. */
export interface SavedState extends TrainerState, ExamplesState {
  readonly best_metric: number | null;
  readonly options: TrainingSettings;
}

const optimizerFile = "optimizer.safetensors";
/** The trained tensors of the best evaluation so far, where the run keeps them on the device. */
const bestFile = "best.safetensors";
const moments: readonly Moment[] = ["first", "second"];
const optimizerStateName = "state";

/** The files of a checkpoint, to be written in this order; tensors are read from the GPU one after the other. */
export function trainingCheckpointFiles(
  model: SimCseModel,
  tokenizer: Tokenizer,
  simcse: SimCseConfig,
  state: SavedState,
  best: ParameterSnapshot | null = null,
): NamedContent[] {
  return [
    ...modelFiles(model, tokenizer, simcse),
    { name: optimizerFile, content: encodeSafetensors(optimizerTensors(model)) },
    ...(best?.isTaken ? [{ name: bestFile, content: encodeSafetensors(bestTensors(model.store, best)) }] : []),
    { name: stateFile, content: `${JSON.stringify(state, null, 2)}\n` },
  ];
}

/** A run as its checkpoints need it; `reading` says how the model will read texts. */
export type CheckpointedRun = Pick<TrainingJob, "model" | "tokenizer" | "settings" | "set"> & { readonly reading: TextReading };

/** Writes a checkpoint of a run in `state`. `best` holds the weights of the best evaluation, if they are not saved elsewhere. */
export async function writeCheckpoint(
  store: CheckpointStore,
  { model, tokenizer, settings, set, reading }: CheckpointedRun,
  state: TrainerState,
  best: ParameterSnapshot | null = null,
): Promise<void> {
  const simcse = { pooler_type: embeddingPooler(settings), max_seq_length: reading.maxLength };
  const best_metric = state.evaluator?.best?.value ?? null;
  const saved: SavedState = { ...state, best_metric, options: settings, ...examplesOf(set) };
  await store.write(state.global_step, trainingCheckpointFiles(model, tokenizer, simcse, saved, best));
}

/** What a state says of the examples. */
export function examplesOf(set: Pick<TrainingSet, "length" | "digest">): Required<ExamplesState> {
  const { examples, tokens } = set.digest();
  return { train_examples: set.length, train_digest: examples, train_tokens: tokens };
}

/** The tensors that have moments. */
function trainedPieces({ layout }: ParameterStore): [string, Piece][] {
  const trained = new Set(layout.trained);
  return [...layout.pieces].filter(([, { parameter }]) => trained.has(parameter));
}

function bestTensors(store: ParameterStore, best: ParameterSnapshot): TensorToWrite[] {
  return trainedPieces(store).map(([name, { shape }]) => f32Tensor(name, shape, () => best.read(name)));
}

/** The names of tensors whose values are not in the model's own files: adapters, and weights that are merged with them there. */
const unmerged = (model: SimCseModel) => [...model.store.pieces].filter(([name]) => isAdapter(name) || model.hasAdapter(name));

function optimizerTensors(model: SimCseModel): TensorToWrite[] {
  const { store, device } = model;
  const state = store.layout.optimizer!;
  return [
    ...unmerged(model).map(([name, { shape }]) => f32Tensor(`value.${name}`, shape, () => store.read(name))),
    ...trainedPieces(store).flatMap(([name, { shape }]) =>
      moments.map((moment) => f32Tensor(`${moment}.${name}`, shape, () => store.readMoment(name, moment))),
    ),
    f32Tensor(optimizerStateName, state.shape, async () => new Float32Array(await device.read(state.window))),
  ];
}

/**
 * Reads the trainer's state. Throws `FileError` when the folder is not a checkpoint, and `FormatError`, naming the field, when its state
 * was not written by this package.
 */
export async function readTrainingState(folder: Folder): Promise<SavedState> {
  return orEarlier(folder, () => readState(folder));
}

async function readState(folder: Folder): Promise<SavedState> {
  const path = pathIn(folder, stateFile);
  const state = await readJson<unknown>(folder, stateFile);
  if (!isJsonObject(state)) throw notAState(path, "it is no object");
  if (state.interrupted === false) {
    throw new FormatError(
      `${path} is of a run that is over: beside it is the model, and no state of the optimizer.`,
      "Resume from a checkpoint-N folder, or train this model anew as --model_name_or_path.",
    );
  }
  const wrong = Object.entries(stateRules).find(([name, holds]) => !holds(state[name]));
  if (wrong !== undefined) throw notAState(path, `${wrong[0]} is ${shortJson(state[wrong[0]])}`);
  const saved = state as unknown as SavedState;
  try {
    checkSettings(withDefaults(saved.options));
  } catch (cause) {
    throw notAState(path, `in options, ${(cause as Error).message}`);
  }
  // JSON has null for the infinite norm of a step whose gradients overflowed.
  const unlogged = saved.unlogged.map((metrics) => ({ ...metrics, gradientNorm: metrics.gradientNorm ?? Number.POSITIVE_INFINITY }));
  return { ...saved, unlogged };
}

/** Settings as a run saved them; those that did not exist yet had no effect, as their defaults. */
const withDefaults = (saved: TrainingSettings): TrainingSettings => ({ ...trainingDefaults, ...saved });

function notAState(path: string, why: string): FormatError {
  return new FormatError(
    `${path} is not the state of a run of this package: ${why}.`,
    "Resume from a checkpoint-N folder that a run of this version has written.",
  );
}

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;

/** Entries of a log: numbers by name; null for values that were not finite. */
export function isHistory(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every((entry) => isJsonObject(entry) && isCount(entry.step) && Object.values(entry).every((own) => own === null || isNumber(own)))
  );
}

const isMetrics = (value: unknown) =>
  isJsonObject(value) &&
  isNumber(value.loss) &&
  (value.gradientNorm === null || isNumber(value.gradientNorm)) &&
  (value.mlmLoss === undefined || isNumber(value.mlmLoss));

const isBest = (value: unknown) =>
  value === null || (isJsonObject(value) && typeof value.metric === "string" && isNumber(value.value) && isCount(value.step));

/** What each field of a state must be. */
const stateRules: { readonly [Name in keyof SavedState]-?: (value: unknown) => boolean } = {
  global_step: isCount,
  max_steps: isCount,
  epoch: isNumber,
  seconds: (value) => isNumber(value) && value >= 0,
  evaluator: (value) => value === null || (isJsonObject(value) && isBest(value.best) && isCount(value.withoutGain)),
  unlogged: (value) => Array.isArray(value) && value.every(isMetrics),
  best_metric: (value) => value === null || isNumber(value),
  log_history: isHistory,
  options: isJsonObject,
  train_examples: isCount,
  train_digest: (value) => value === undefined || typeof value === "string",
  train_tokens: (value) => value === undefined || typeof value === "string",
  tuning: (value) => value === undefined || isJsonObject(value),
};

/** A value as a message shows it: short, whatever it holds. */
function shortJson(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return isJsonObject(value) ? "an object" : String(JSON.stringify(value)).slice(0, 60);
}

/**
 * Loads a checkpoint's weights, moments and optimiser state into a model. Throws `FileError` or `FormatError` naming the missing file or
 * tensor.
 */
export async function loadTrainingCheckpoint(folder: Folder, model: SimCseModel): Promise<void> {
  await orEarlier(folder, () => load(folder, model));
}

/** Reads a checkpoint; an error also tells the way on from one that is damaged. */
async function orEarlier<Read>(folder: Folder, read: () => Promise<Read>): Promise<Read> {
  try {
    return await read();
  } catch (error) {
    const isOneOfSeveral = stepOfFolder(folder.name.split(/[/\\]/).at(-1)!) !== undefined;
    if (!isOneOfSeveral || !(error instanceof FileError || error instanceof FormatError)) throw error;
    throw error.rephrased(
      error.message,
      `${error.remedy} If ${folder.name} is damaged, remove it: the checkpoint before it is then resumed from.`,
    );
  }
}

async function load(folder: Folder, model: SimCseModel): Promise<void> {
  const weights = await openRequiredWeights(folder);
  await loadWeights(model, weights, { head: "checkpoint" });
  const { store, device } = model;
  const file = await openSafetensors(folder, optimizerFile);
  checkMoments(file, model);
  for (const [name, { shape }] of unmerged(model)) store.write(name, await file.readF32(`value.${name}`, shape));
  for (const [name] of trainedPieces(store)) {
    for (const moment of moments) {
      for await (const { offset, data } of file.streamF32(`${moment}.${name}`, streamBytes)) store.writeMoment(name, moment, data, offset);
    }
    await device.finish();
  }
  const state = await file.readF32(optimizerStateName, store.layout.optimizer!.shape);
  device.write(store.layout.optimizer!.window.buffer, 0, state);
}

/** Reads the weights of the best evaluation from a checkpoint, if it has them. */
export async function loadBest(folder: Folder, { store }: SimCseModel, best: ParameterSnapshot): Promise<void> {
  if (!(await folder.has(bestFile))) return;
  const file = await openSafetensors(folder, bestFile);
  const tensors = new Map<string, Float32Array>();
  for (const [name, { shape }] of trainedPieces(store)) tensors.set(name, await file.readF32(name, shape));
  best.write(tensors);
}

/**
 * The state to resume with. The best evaluation so far counts if its weights are there, should they be kept, and if better means the same;
 * otherwise the best is found among the evaluations from here on.
 */
export function withKnownBest<State extends SavedState>(
  state: State,
  { keepBest, greaterIsBetter }: TrainingSettings,
  { hasWeights }: { readonly hasWeights: boolean },
): State {
  const counts = (hasWeights || !keepBest) && withDefaults(state.options).greaterIsBetter === greaterIsBetter;
  return counts || state.evaluator === null ? state : { ...state, evaluator: null };
}

/** Throws `FormatError` unless the moments of every trained tensor exist with its shape. */
function checkMoments({ tensors, path }: Weights, { store }: SimCseModel): void {
  for (const [name, { shape }] of trainedPieces(store)) {
    for (const moment of moments) {
      const found = tensors.get(`${moment}.${name}`);
      if (found !== undefined && formatShape(found.shape) === formatShape(shape)) continue;
      throw new FormatError(
        `${path}: the moment ${moment}.${name} ${found === undefined ? "is missing" : `has the shape ${formatShape(found.shape)}`}; the model's tensor has ${formatShape(shape)}.`,
        "Resume from a checkpoint of this model, or start anew from its weights with --model_name_or_path.",
      );
    }
  }
}

/** Settings that may change between an interruption and resuming, because they affect logging and saving, not training. */
const mayChange: ReadonlySet<keyof TrainingSettings> = new Set([
  "loggingSteps",
  "loggingFirstStep",
  "evaluationStrategy",
  "evalSteps",
  "evalOnStart",
  "saveStrategy",
  "saveSteps",
  "metric",
  "greaterIsBetter",
  "keepBest",
  "earlyStoppingPatience",
  "earlyStoppingThreshold",
]);

/** Throws `OptionError`, naming the differences, if a run would resume with other settings, data or tokens than it began with. */
export function checkResumable(
  { options, train_examples, train_digest, train_tokens }: Pick<SavedState, "options"> & ExamplesState,
  settings: TrainingSettings,
  set: Pick<TrainingSet, "length" | "digest">,
): void {
  const began = withDefaults(options);
  const names = (Object.keys(settings) as (keyof TrainingSettings)[]).filter(
    (name) => !mayChange.has(name) && JSON.stringify(began[name]) !== JSON.stringify(settings[name]),
  );
  const now = set.digest();
  if (train_examples !== set.length || (train_digest !== undefined && train_digest !== now.examples)) {
    throw new OptionError(
      train_examples === set.length
        ? `The run began on ${train_examples} other examples, or on these in another order.`
        : `The run began on ${train_examples} examples; now there are ${set.length}.`,
      "Give the examples that it began with, or train the checkpoint as a model of its own.",
    );
  }
  if (names.length > 0) {
    throw new OptionError(
      `The run began with ${names.map((name) => `\`${name}\` ${began[name]}`).join(", ")}; now ${names.length === 1 ? "it is" : "they are"} ${names.map((name) => settings[name]).join(", ")}.`,
      "Resume with the options it began with, or train the checkpoint as a model of its own.",
    );
  }
  // With another `maxLength` the tokens may differ too: it is named above.
  if (train_tokens !== undefined && train_tokens !== now.tokens) {
    throw new OptionError(
      "The run began with another tokenizer: it made other tokens of the same examples.",
      "Resume with the tokenizer files that it began with; its checkpoints have them.",
    );
  }
}
