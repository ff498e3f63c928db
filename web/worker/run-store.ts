/**
 * The run in the browser's private storage: what it was begun with, how far it is, its checkpoints, and at its end the model. One run is
 * kept; beginning another one replaces it.
 */
import {
  type Example,
  type ExampleKind,
  type Folder,
  type HistoryEntry,
  OptionError,
  PlacedCheckpoints,
  readTrainingState,
  type TrainingSettings,
} from "simcse-webgpu/browser";
import type { ScoredPairs } from "./loaded-data.ts";
import type { DataFacts, Evaluation, RunSummary } from "./protocol.ts";
import { readStored, removeFromStorage, storageFolder, storageHandle } from "./storage.ts";

const room = "run";
const recordFile = "run.json";
const examplesFile = "examples.json";
const modelFolder = "model";
const checkpointsFolder = "checkpoints";

/** What the run was begun with, and what it has shown so far. */
export interface RunRecord {
  readonly modelName: string;
  readonly facts: DataFacts;
  /** All of them. */
  readonly settings: TrainingSettings;
  readonly steps: number;
  readonly queries: readonly string[];
  readonly evaluations: readonly Evaluation[];
  /** How it ended or was paused; null as long as it goes on. */
  readonly summary: RunSummary | null;
  /** The log, once it has ended, for the report. */
  readonly history: readonly HistoryEntry[];
  readonly savedAt: number;
}

/** The examples of a run. */
export interface RunExamples {
  readonly kind: ExampleKind;
  readonly training: readonly Example[];
  readonly held: readonly Example[];
  readonly scoredPairs: ScoredPairs | null;
}

/** Begins a run: whatever was kept before is removed. */
export async function beginRun(record: RunRecord, examples: RunExamples): Promise<void> {
  await removeFromStorage(room);
  const folder = await storageFolder(room);
  await folder.write(examplesFile, JSON.stringify(examples));
  await writeRecord(record);
}

export async function writeRecord(record: RunRecord): Promise<void> {
  const folder = await storageFolder(room);
  await folder.write(recordFile, JSON.stringify({ ...record, savedAt: Date.now() }));
}

/** The kept run; null if there is none. */
export async function readRecord(): Promise<RunRecord | null> {
  return readStored<RunRecord>(await storageFolder(room), recordFile);
}

/** The kept run. Throws `OptionError` if there is none. */
export async function requireRecord(): Promise<RunRecord> {
  const record = await readRecord();
  if (record !== null) return record;
  throw new OptionError("There is no run to go on with.", "Start a new one.");
}

export async function readRunExamples(): Promise<RunExamples | null> {
  return readStored<RunExamples>(await storageFolder(room), examplesFile);
}

/** Where the run's checkpoints are. */
export const checkpointsHandle = (): Promise<FileSystemDirectoryHandle> => storageHandle(room, checkpointsFolder);

/** The run's last complete checkpoint; null if there is none. */
export async function lastCheckpoint(): Promise<Folder | null> {
  return new PlacedCheckpoints(await checkpointsHandle()).last();
}

/** The step of the last checkpoint; 0 if there is none. */
export async function lastStep(): Promise<number> {
  const checkpoint = await lastCheckpoint();
  return checkpoint === null ? 0 : (await readTrainingState(checkpoint)).global_step;
}

/** The log of the run's last checkpoint. */
export async function pastLog(): Promise<readonly HistoryEntry[]> {
  const checkpoint = await lastCheckpoint();
  return checkpoint === null ? [] : ((await readTrainingState(checkpoint)).log_history as readonly HistoryEntry[]);
}

/** Where the trained model is kept. */
export const trainedHandle = (): Promise<FileSystemDirectoryHandle> => storageHandle(room, modelFolder);

/** Removes the checkpoints, which nobody needs once the run is over. */
export const removeCheckpoints = (): Promise<void> => removeFromStorage(room, checkpointsFolder);

export const discardRun = (): Promise<void> => removeFromStorage(room);
