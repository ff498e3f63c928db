/**
 * A checkpoint of a run: a model folder with AdamW's moments, the optimiser's state and what the trainer is at. Whoever goes on from it ends with the
 * same bits as if the run had never been interrupted: everything random is a function of seed and step.
 */
import type { Choices } from "../../autograd/choices.ts";
import { FormatError, OptionError } from "../../errors.ts";
import { type Folder, type NamedContent, pathIn, readJson } from "../../io/folder.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import { encodeSafetensors, openSafetensors, type TensorToWrite } from "../../io/weights/safetensors.ts";
import { missingWeights, openWeights } from "../../io/weights.ts";
import type { Moment } from "../../nn/parameters/parameter-store.ts";
import type { SimCseConfig, SimCseModel } from "../model/model.ts";
import type { TrainerState } from "../training/trainer.ts";
import type { TrainingArguments } from "../training/training-arguments.ts";
import { loadWeights, modelFiles } from "./checkpoint.ts";

/** `trainer_state.json`, with the fields that Hugging Face's has. */
export interface SavedState extends TrainerState {
  readonly best_metric: number | null;
  readonly log_history: readonly object[];
  readonly arguments: TrainingArguments;
  /** Examples of the training file. */
  readonly train_examples: number;
  /** The kernels' variants, so that measuring anew changes no bit; absent where operations chose for themselves. */
  readonly tuning?: Choices | Readonly<Record<string, string>>;
}

const optimizerFile = "optimizer.safetensors";
/** Written last: a folder that has it has everything. */
export const stateFile = "trainer_state.json";
const moments: readonly Moment[] = ["first", "second"];
const optimizerStateName = "state";

/** The files of a checkpoint, to be written in this order; tensors are read from the GPU one after another. */
export function trainingCheckpointFiles(model: SimCseModel, tokenizer: Tokenizer, simcse: SimCseConfig, state: SavedState): NamedContent[] {
  return [
    ...modelFiles(model, tokenizer, simcse),
    { name: optimizerFile, content: encodeSafetensors(optimizerTensors(model)) },
    { name: stateFile, content: `${JSON.stringify(state, null, 2)}\n` },
  ];
}

function optimizerTensors({ store, device }: SimCseModel): TensorToWrite[] {
  const state = store.layout.optimizer!;
  return [
    ...[...store.pieces].flatMap(([name, { shape }]) =>
      moments.map((moment) => ({
        name: `${moment}.${name}`,
        dtype: "F32" as const,
        shape: [...shape],
        data: async () => new Uint8Array((await store.readMoment(name, moment)).buffer),
      })),
    ),
    {
      name: optimizerStateName,
      dtype: "F32",
      shape: [...state.shape],
      data: async () => new Uint8Array(await device.read(state.window)),
    },
  ];
}

/** Reads what the trainer was at. Throws `FileError` when the folder is no checkpoint, `FormatError` when its state is not one of this package. */
export async function readTrainingState(folder: Folder): Promise<SavedState> {
  const state = (await readJson<Partial<SavedState> | null>(folder, stateFile)) ?? {};
  const { global_step, unlogged, log_history, arguments: args } = state;
  if (Number.isInteger(global_step) && [unlogged, log_history].every(Array.isArray) && typeof args === "object" && args !== null)
    return state as SavedState;
  throw new FormatError(
    `${pathIn(folder, stateFile)} is not the state of a run of this package.`,
    "Resume from a checkpoint-N folder that `simcse train` has written.",
  );
}

/** Floats on their way to the GPU at a time. */
const streamBytes = 8 * 2 ** 20;

/** Puts a checkpoint's weights, moments and optimiser state into a model. Throws `FileError` or `FormatError` naming the file or tensor that is missing. */
export async function loadTrainingCheckpoint(folder: Folder, model: SimCseModel): Promise<void> {
  const weights = await openWeights(folder);
  if (weights === null) throw missingWeights(folder);
  await loadWeights(model, weights, { head: "checkpoint" });
  const { store, device } = model;
  const file = await openSafetensors(folder, optimizerFile);
  for (const name of store.pieces.keys()) {
    for (const moment of moments) {
      for await (const { offset, data } of file.streamF32(`${moment}.${name}`, streamBytes)) store.writeMoment(name, moment, data, offset);
    }
    await device.finish();
  }
  const state = await file.readF32(optimizerStateName);
  device.gpu.queue.writeBuffer(store.layout.optimizer!.window.buffer, 0, state as GPUAllowSharedBufferSource);
}

/** Arguments that may change between an interruption and going on: they say what is told and kept, not what is learned. */
const mayChange: ReadonlySet<keyof TrainingArguments> = new Set([
  "logging_steps",
  "logging_first_step",
  "evaluation_strategy",
  "eval_steps",
  "save_steps",
  "metric_for_best_model",
  "greater_is_better",
  "load_best_model_at_end",
  "early_stopping_patience",
  "early_stopping_threshold",
]);

/** Throws `OptionError`, naming them, where a run would go on under other arguments or on other data than it began with. */
export function checkResumable(
  { arguments: began, train_examples }: Pick<SavedState, "arguments" | "train_examples">,
  args: TrainingArguments,
  examples: number,
): void {
  const names = (Object.keys(args) as (keyof TrainingArguments)[]).filter((name) => !mayChange.has(name) && began[name] !== args[name]);
  if (train_examples !== examples) {
    throw new OptionError(
      `The run began on ${train_examples} examples; the training file has ${examples}.`,
      "Give the file that it began with, or start anew from the checkpoint with --model_name_or_path.",
    );
  }
  if (names.length === 0) return;
  throw new OptionError(
    `The run began with ${names.map((name) => `--${name} ${began[name]}`).join(", ")}; now ${names.length === 1 ? "it is" : "they are"} ${names.map((name) => args[name]).join(", ")}.`,
    "Resume with the options it began with, or start anew from the checkpoint with --model_name_or_path.",
  );
}
