/** Where a run begins: with given weights and a fresh optimiser, or at the checkpoint of an interrupted run. */
import { type Choices, choicesFrom } from "../../autograd/choices.ts";
import { OptionError } from "../../errors.ts";
import type { Folder } from "../../io/folder.ts";
import type { ParameterStore } from "../../nn/parameters/parameter-store.ts";
import { checkResumable, loadTrainingCheckpoint, readTrainingState, type SavedState } from "../checkpoint/training-checkpoint.ts";
import type { SimCseModel } from "../model/model.ts";
import type { TrainingSettings } from "./training-options.ts";
import type { TrainingSet } from "./training-set.ts";

/** The checkpoint that a run goes on from, and its state. */
export interface RunStart {
  readonly checkpoint: Folder;
  readonly state: SavedState;
}

/** Reads a checkpoint's state; null without one. Throws `OptionError` if its run began with other settings, data or tokens. */
export async function startAt(checkpoint: Folder | null, settings: TrainingSettings, set: TrainingSet): Promise<RunStart | null> {
  if (checkpoint === null) return null;
  const state = await readTrainingState(checkpoint);
  checkResumable(state, settings, set);
  return { checkpoint, state };
}

/** The kernels that the checkpoint's run chose: others would change the last bits. Undefined if it says nothing of them. */
export function tuningOf(start: RunStart | null): Choices | undefined {
  return start?.state.tuning && choicesFrom(start.state.tuning, start.checkpoint.name);
}

/**
 * Completes a model that has its weights except `fresh` ones: those get their initial values by the seed, and the optimiser its initial state.
 * At a checkpoint, all of it is the checkpoint's. Throws `OptionError` for a fresh parameter that is frozen.
 */
export async function beginAt(
  start: RunStart | null,
  model: SimCseModel,
  { fresh, seed }: { readonly fresh: readonly string[]; readonly seed: number },
): Promise<void> {
  const { store } = model;
  for (const parameter of store.layout.parameters) if (fresh.includes(parameter.name)) store.initializeParameter(parameter, seed);
  if (start === null) checkFrozen(store, fresh);
  store.resetOptimizer();
  if (start !== null) await loadTrainingCheckpoint(start.checkpoint, model);
}

/** Throws `OptionError` for a frozen parameter that is among the fresh ones: it would stay random. */
function checkFrozen({ layout }: ParameterStore, fresh: readonly string[]): void {
  const trained = new Set(layout.trained);
  const random = fresh.find((name) => layout.pieces.has(name) && !trained.has(layout.pieces.get(name)!.parameter));
  if (random === undefined) return;
  throw new OptionError(
    `${random} is frozen, but has fresh weights that nothing has trained.`,
    "Start from a model with trained weights, or leave that part out of `freeze`.",
  );
}
