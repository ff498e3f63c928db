/** What the worker holds between calls: the device, the model as it was, what was trained from it, and the data. */
import {
  type Device,
  type Example,
  type ExampleKind,
  type Folder,
  OptionError,
  openDevice,
  type SimCSE,
  type TrainingReport,
} from "simcse-webgpu/browser";
import type { DataFacts, DeviceRequest, ModelFacts } from "./protocol.ts";

/** A model as it was before any training here. */
export interface BaseModel {
  readonly simcse: SimCSE;
  /** The folder that it came from, to load it again. */
  readonly folder: Folder;
  readonly facts: ModelFacts;
}

/** The visitor's data. */
export interface LoadedData {
  readonly facts: DataFacts;
  readonly kind: ExampleKind;
  readonly training: readonly Example[];
  readonly held: readonly Example[];
  /** Every different text, in the order of its first occurrence. */
  readonly texts: readonly string[];
}

/** Scored pairs that are only for evaluation. */
export interface ScoredPairs {
  readonly name: string;
  readonly examples: readonly Example[];
}

/** The state of the worker. */
export class Session {
  #device: Device | null = null;
  #profile: DeviceRequest["profile"] = "full";
  base: BaseModel | null = null;
  /** The model that is being trained or was trained. */
  trained: SimCSE | null = null;
  data: LoadedData | null = null;
  scoredPairs: ScoredPairs | null = null;
  /** What the card and the report of the trained model say about its training; null as long as nothing was trained. */
  record: Omit<TrainingReport, "name" | "folder"> | null = null;

  /** Opens the device, unless that has been done and it was not lost. */
  async openDevice(profile = this.#profile): Promise<Device> {
    if (this.#device !== null && this.#profile === profile && !(await this.#device.isLost())) return this.#device;
    this.#device?.close();
    this.#profile = profile;
    this.#device = await openDevice({ profile });
    return this.#device;
  }

  /** The loaded model. Throws `OptionError` if there is none. */
  get model(): BaseModel {
    if (this.base !== null) return this.base;
    throw new OptionError("There is no model yet.", "Choose a model first.");
  }

  /** The data that was read. Throws `OptionError` if there is none. */
  get text(): LoadedData {
    if (this.data !== null) return this.data;
    throw new OptionError("There is no text yet.", "Give your text first.");
  }

  /** One of the two models. Throws `OptionError` if it is not there. */
  modelOf(which: "before" | "now"): SimCSE {
    if (which === "before") return this.model.simcse;
    if (this.trained !== null) return this.trained;
    throw new OptionError("Nothing has been trained yet.", "Train first.");
  }

  /** Frees what was trained. */
  dropTrained(): void {
    this.trained?.close();
    this.trained = null;
  }
}
