/** What the worker holds between calls: the device, the model as it was, what was trained from it, and the data. */
import {
  type Device,
  type Folder,
  OptionError,
  openDevice,
  type PoolerType,
  SimCSE,
  type TrainingReport,
  writableFolder,
} from "simcse-webgpu/browser";
import type { LoadedData, ScoredPairs } from "./loaded-data.ts";
import type { ModelFacts, Which } from "./protocol.ts";
import { RunEvaluation } from "./run-evaluation.ts";
import { trainedHandle } from "./run-store.ts";

/** A model as it was before any training here. */
export interface BaseModel {
  readonly simcse: SimCSE;
  /** The folder that it came from, to load it again. */
  readonly folder: Folder;
  readonly facts: ModelFacts;
}

/** The state of the worker. */
export class Session {
  #device: Device | null = null;
  #base: BaseModel | null = null;
  #data: LoadedData | null = null;
  #scoredPairs: ScoredPairs | null = null;
  #evaluation: RunEvaluation | null = null;
  /** The model that is being trained or was trained. */
  trained: SimCSE | null = null;
  /** What the card and the report of the trained model say about its training; null as long as nothing was trained. */
  record: Omit<TrainingReport, "name" | "folder"> | null = null;
  isTraining = false;
  /** Questions of the visitor's own. */
  queries: readonly string[] = [];
  /** How long a step takes, once it was measured. */
  secondsPerStep: number | null = null;

  /** Opens the device, unless that has been done and it was not lost. */
  async openDevice(): Promise<Device> {
    if (this.#device !== null && !(await this.#device.isLost())) return this.#device;
    this.#device?.close();
    this.#device = await openDevice();
    return this.#device;
  }

  async isDeviceLost(): Promise<boolean> {
    return (await this.#device?.isLost()) ?? false;
  }

  /** Opens a new device for one that was lost, and loads the model onto it again. */
  async reopen(): Promise<void> {
    const { folder, facts, simcse } = this.model;
    const device = await this.openDevice();
    this.dropTrained();
    this.#setBase({ simcse: await SimCSE.loadFrom(device, folder, { pooler: poolerOf(simcse) }), folder, facts });
  }

  /** Replaces the model. What was trained from the one before is freed, and so is the data: its lengths were counted in that one's tokens. */
  setModel(base: BaseModel): void {
    this.#setBase(base);
    this.#data = null;
  }

  #setBase(base: BaseModel): void {
    this.dropTrained();
    this.#dropEvaluation();
    this.#base?.simcse.close();
    this.#base = base;
    this.secondsPerStep = null;
  }

  setData(data: LoadedData): void {
    this.#dropEvaluation();
    this.#data = data;
  }

  setScoredPairs(pairs: ScoredPairs | null): void {
    this.#dropEvaluation();
    this.#scoredPairs = pairs;
  }

  get scoredPairs(): ScoredPairs | null {
    return this.#scoredPairs;
  }

  /** The loaded model. Throws `OptionError` if there is none. */
  get model(): BaseModel {
    if (this.#base !== null) return this.#base;
    throw new OptionError("There is no model yet.", "Choose a model first.");
  }

  /** The data that was read; null if there is none. */
  get data(): LoadedData | null {
    return this.#data;
  }

  /** The data that was read. Throws `OptionError` if there is none. */
  get text(): LoadedData {
    if (this.#data !== null) return this.#data;
    throw new OptionError("There is no text yet.", "Give your text first.");
  }

  /** One of the two models. Throws `OptionError` if it is not there. */
  modelOf(which: Which): SimCSE {
    if (which === "before") return this.model.simcse;
    if (this.trained !== null) return this.trained;
    throw new OptionError("Nothing has been trained yet.", "Train first.");
  }

  /** The same, loaded again if the device was lost since. What a run that is not over has learned is in its checkpoints. */
  async usable(which: Which): Promise<SimCSE> {
    if (await this.isDeviceLost()) {
      const { record } = this;
      await this.reopen();
      // A finished run has a record, and its model is kept.
      if (record !== null) this.trained = await SimCSE.loadFrom(await this.openDevice(), writableFolder(await trainedHandle()));
      this.record = record;
    }
    return this.modelOf(which);
  }

  /** What is looked at while a run goes on, for this model and this data. */
  async evaluation(): Promise<RunEvaluation> {
    this.#evaluation ??= await RunEvaluation.create(this.model.simcse, this.text, this.#scoredPairs);
    return this.#evaluation;
  }

  /** Frees what was trained. */
  dropTrained(): void {
    this.trained?.close();
    this.trained = null;
    this.record = null;
    this.#evaluation?.forgetNow();
  }

  #dropEvaluation(): void {
    this.#evaluation?.close();
    this.#evaluation = null;
  }
}

/** The pooler that a model is trained with: its own, or the mean where it has modules that cannot be trained. */
export function poolerOf({ pooler }: SimCSE): PoolerType {
  return pooler === "sentence_transformers" ? "avg" : pooler;
}
