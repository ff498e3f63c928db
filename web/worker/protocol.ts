/**
 * What the page may ask of its worker, and what comes back. The engine runs only in the worker; the page imports nothing but types from it.
 *
 * Every call has a request, a result and events on the way. All of them are plain data that can be cloned. A call that fails rejects with a
 * `Failure`. Aborting a call's signal stops it after the step in flight.
 */
import type { ColumnRole, ExampleKind, Snippet, TrainingSettings } from "simcse-webgpu/browser";

/** Every call, by name. */
export interface Calls {
  // The device.
  readonly openDevice: Call<null, DeviceFacts>;

  // 1. Model.
  /** Loads a model; it replaces the one before, together with what was trained from it. */
  readonly loadModel: Call<ModelSource, ModelFacts, FileProgress>;
  /** The models that are kept in the browser's storage. */
  readonly keptModels: Call<null, readonly KeptModel[]>;
  readonly forgetModel: Call<{ readonly name: string }, null>;

  // 2. Data.
  /** Reads the beginning of a file or of pasted text, and proposes what its columns are. */
  readonly openData: Call<DataSource, TablePreview>;
  /** Reads the data that was opened last, with these columns. */
  readonly readData: Call<DataChoice, DataFacts, CountProgress>;
  /** Reads scored pairs that are only for evaluation; null takes them away. */
  readonly readScoredPairs: Call<DataSource | null, ScoredPairsFacts | null>;

  // 3. Plan.
  /** What a run would take. Computed; nothing is allocated. */
  readonly plan: Call<RunSettings, PlanFacts>;
  /** Times three steps on a copy of the model. */
  readonly measure: Call<RunSettings, Timing>;

  // 4. Training.
  /** Trains from the loaded model's own weights. Aborting its signal pauses the run, with a checkpoint. */
  readonly train: Call<RunRequest, RunSummary, RunEvent>;
  /** Loads the model and the data of the run in the browser's storage, and of a finished one what was trained. */
  readonly restoreRun: Call<null, RestoredRun, FileProgress>;
  /** Goes on with the run that was paused, or that `restoreRun` has loaded. */
  readonly resume: Call<null, RunSummary, RunEvent>;
  /** Ends a paused run: what was trained so far is the result. */
  readonly finish: Call<null, RunSummary>;
  /** The run in the browser's storage. */
  readonly savedRun: Call<null, SavedRun | null>;
  readonly discardRun: Call<null, null>;
  /** The nearest sentences to each query, by the model as it was and as it is. May be called during a run. */
  readonly compare: Call<CompareRequest, readonly Comparison[]>;

  // 5. Use.
  /** The index that an earlier visit left in the browser's storage. */
  readonly savedIndex: Call<null, SavedIndex | null>;
  /** Opens that index, and loads its model; the index is then the model's. */
  readonly openIndex: Call<null, OpenedIndex>;
  readonly discardIndex: Call<null, null>;
  /** Makes the index that `search` uses, or finds it again in the browser's storage. */
  readonly buildIndex: Call<IndexRequest, IndexFacts, CountProgress>;
  readonly search: Call<SearchRequest, readonly Match[]>;
  readonly nearDuplicates: Call<NearDuplicatesRequest, readonly DuplicatePair[], CountProgress>;
  /** The vectors of the visitor's sentences, as a file. */
  readonly vectors: Call<VectorsRequest, Blob, CountProgress>;
  /** The model's files in Hugging Face's layout, with model card and report, as a zip. */
  readonly modelZip: Call<FilesRequest, Blob, FileProgress>;
  /** Writes the same files into a folder of the model's name, inside one that the visitor chose. */
  readonly saveModel: Call<FilesRequest & { readonly folder: FileSystemDirectoryHandle }, null, FileProgress>;
  /** Code that opens those files. */
  readonly snippets: Call<FilesRequest, readonly Snippet[]>;
}

/** One call: what is asked, what comes back, and what is reported on the way. */
export interface Call<Request, Result, Event = never> {
  readonly request: Request;
  readonly result: Result;
  readonly event: Event;
}

/** What a call takes besides its request. */
export interface CallOptions<Event> {
  /** Stops the call. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: Event) => void;
}

/** The calls as methods, for the page. */
export type Engine = {
  readonly [Name in keyof Calls]: (
    request: Calls[Name]["request"],
    options?: CallOptions<Calls[Name]["event"]>,
  ) => Promise<Calls[Name]["result"]>;
};

/** What the worker's side of a call is given. */
export interface CallContext<Event> {
  readonly signal: AbortSignal;
  readonly emit: (event: Event) => void;
}

/** The worker's side of some of the calls. */
export type Handlers<Names extends keyof Calls = keyof Calls> = {
  readonly [Name in Names]: (request: Calls[Name]["request"], context: CallContext<Calls[Name]["event"]>) => Promise<Calls[Name]["result"]>;
};

/** An error as it crosses from the worker to the page. */
export interface Failure {
  /** The error's class, such as `CapacityError`; `AbortError` for a call that was stopped. */
  readonly name: string;
  readonly message: string;
  /** What the visitor can do. */
  readonly remedy: string;
}

/** Bytes of a file that have arrived or were written. */
export interface FileProgress {
  readonly file: string;
  readonly done: number;
  readonly total: number;
}

/** How many of something are done. */
export interface CountProgress {
  readonly done: number;
  /** 0 if it is not known. */
  readonly total: number;
}

// The device.

export interface DeviceFacts {
  /** Null where the browser does not tell it, as Firefox. */
  readonly name: string | null;
  /** It runs on the processor: right, but slow. */
  readonly software: boolean;
  /** Whether it can compute with 16-bit numbers. */
  readonly f16: boolean;
  /** Bytes of the largest buffer. */
  readonly largestBuffer: number;
}

// 1. Model.

/** Where a model comes from. */
export type ModelSource =
  /** The one that comes with the page. */
  | { readonly kind: "page" }
  /** A name on the Hugging Face hub. It is kept in the browser's storage. */
  | { readonly kind: "hub"; readonly name: string }
  /** One that the browser's storage keeps. */
  | { readonly kind: "kept"; readonly name: string }
  /** The files of a folder, or one zip file. They are kept in the browser's storage. */
  | { readonly kind: "files"; readonly files: readonly NamedFile[] };

/** A file with its path in the folder that it was chosen from. */
export interface NamedFile {
  readonly path: string;
  readonly file: File;
}

export interface KeptModel {
  readonly name: string;
  readonly bytes: number;
}

export interface ModelFacts {
  readonly name: string;
  readonly source: Exclude<ModelSource["kind"], "files">;
  readonly layers: number;
  /** Layers with parameters of their own: one where all share them. */
  readonly ownLayers: number;
  readonly hiddenSize: number;
  readonly parameters: number;
  /** Sentences are cut to this many tokens. */
  readonly maxLength: number;
  /** The longest that the model allows. */
  readonly longest: number;
  /** The licence that its card names; null if there is none. */
  readonly license: string | null;
  /** Bytes of its files. */
  readonly bytes: number;
}

// 2. Data.

/** Text to learn from: files, which are read as parts of one table, or what was pasted. */
export interface DataSource {
  readonly files: readonly File[];
  /** Whether the first row names the columns; decided by its cells if absent. */
  readonly header?: boolean | undefined;
}

/** The beginning of a table. */
export interface TablePreview {
  /** The file's name. */
  readonly name: string;
  readonly columns: readonly string[];
  /** Whether the names of the columns come from the file. */
  readonly named: boolean;
  /** Whether the format leaves open that the first row names the columns. */
  readonly hasHeaderChoice: boolean;
  /** The first rows; a cell per column. */
  readonly rows: readonly (readonly string[])[];
  /** A role per column, by its name or place; null for a column that is left out. */
  readonly roles: readonly (ColumnRole | null)[];
}

/** What each column is. */
export interface DataChoice {
  /** A role per column; null leaves it out. */
  readonly roles: readonly (ColumnRole | null)[];
  /** The share of the examples that is held out for evaluation, 0 to below 1; null for what suits their number. */
  readonly heldOut: number | null;
}

/** Data that was read. */
export interface DataFacts {
  readonly name: string;
  readonly kind: ExampleKind;
  /** Examples to learn from. */
  readonly training: number;
  /** Examples held out. */
  readonly held: number;
  /** Held-out examples one of whose texts also occurs in the part to learn from. */
  readonly overlapping: number;
  /** Different texts in all of it. */
  readonly texts: number;
  /** Examples that occur more than once; each is kept. */
  readonly duplicates: number;
  /** Values that were missing. */
  readonly missing: number;
  /** Rows that could not be used, by their line, and what is wrong with them. The first hundred. */
  readonly problems: readonly DataProblem[];
  /** How many rows could not be used. */
  readonly problemCount: number;
  /** How long the texts are, in tokens. */
  readonly lengths: Lengths;
  /** The share that was to be held out. */
  readonly heldOut: number;
}

export interface DataProblem {
  /** The file's line or row, with what is wrong in it. */
  readonly message: string;
  readonly remedy: string;
}

/** A histogram of lengths in tokens. */
export interface Lengths {
  /** Texts per bin; the first bin begins at 0. */
  readonly counts: readonly number[];
  /** Tokens per bin. */
  readonly width: number;
  readonly longest: number;
  /** The length that 95 of 100 texts do not exceed. */
  readonly p95: number;
  /** Texts that were measured: all, or an even sample. */
  readonly measured: number;
}

export interface ScoredPairsFacts {
  readonly name: string;
  readonly pairs: number;
}

// 3. Plan.

export type { TrainingSettings };

/** The settings of a run that differ from the defaults. */
export type RunSettings = Partial<TrainingSettings>;

export interface PlanFacts {
  readonly fits: boolean;
  /** Bytes of the model: weights, gradients and the optimiser's state. */
  readonly modelBytes: number;
  /** Bytes of a step besides the model. */
  readonly stepBytes: number;
  /** Why it does not fit; null if it does. */
  readonly failure: Failure | null;
  readonly steps: number;
  /** All settings of the run. */
  readonly settings: TrainingSettings;
}

export interface Timing {
  /** Seconds that a step takes. */
  readonly secondsPerStep: number;
  /** Seconds until the first step: the programs have to be compiled. */
  readonly secondsToStart: number;
  /** Seconds for all steps of the settings, without evaluations. */
  readonly secondsForAll: number;
}

// 4. Training.

export interface RunRequest {
  readonly settings: RunSettings;
  /** Questions of the visitor's own, whose nearest sentences are shown as the run goes on. */
  readonly queries: readonly string[];
}

/** What is reported while a run goes on. */
export type RunEvent =
  | { readonly kind: "stage"; readonly text: string }
  | { readonly kind: "start"; readonly steps: number; readonly from: number }
  | { readonly kind: "steps"; readonly steps: readonly StepPoint[] }
  | { readonly kind: "evaluation"; readonly evaluation: Evaluation }
  | { readonly kind: "map"; readonly map: SentenceMap }
  | { readonly kind: "comparison"; readonly comparisons: readonly Comparison[] }
  | { readonly kind: "saved"; readonly step: number }
  /** The graphics device was lost; the run goes on from its last checkpoint. */
  | { readonly kind: "lost" };

/** A step of the loss curve. */
export interface StepPoint {
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
}

/** The scores after a step; 0 is before training. */
export interface Evaluation {
  readonly step: number;
  /** The metrics by name, as fractions; the first is the main one. Empty where nothing is held out. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Mean squared distance of texts that belong together; null without pairs. Lower is better. */
  readonly alignment: number | null;
  /** How evenly the vectors are spread; lower is better. */
  readonly uniformity: number;
}

/** Sentences as points of the plane: their two principal components. */
export interface SentenceMap {
  readonly step: number;
  /** x and y of each point, one after another. */
  readonly points: Float32Array;
  /** The sentences; with the first map of each stretch of a run only. */
  readonly texts?: readonly string[];
  /** Pairs of points that belong together, as indices one after another; with the first map only. */
  readonly links?: Uint32Array;
}

/** A run that an earlier visit, or a pause, left in the browser's storage. */
export interface SavedRun {
  readonly modelName: string;
  readonly dataName: string;
  readonly step: number;
  readonly steps: number;
  /** Whether it is done. */
  readonly finished: boolean;
  /** When it was saved, in milliseconds since 1970. */
  readonly savedAt: number;
}

/** A run that was loaded from the browser's storage. */
export interface RestoredRun {
  readonly model: ModelFacts;
  readonly data: DataFacts;
  readonly scoredPairs: ScoredPairsFacts | null;
  readonly settings: RunSettings;
  readonly queries: readonly string[];
  readonly step: number;
  readonly steps: number;
  /** The loss curve so far. */
  readonly points: readonly StepPoint[];
  /** The scores so far. */
  readonly evaluations: readonly Evaluation[];
  /** How it ended; null if it can go on. */
  readonly summary: RunSummary | null;
}

export interface RunSummary {
  readonly steps: number;
  /** Whether it was paused and can go on. */
  readonly paused: boolean;
  readonly seconds: number;
  /** The mean cosine of different training texts; null or absent if it was not measured. */
  readonly meanCosine?: number | null;
  /** What the visitor should know of the trained model; null or absent if there is nothing. */
  readonly notice?: string | null;
}

export interface CompareRequest {
  readonly queries: readonly string[];
}

/** A query's nearest sentences by both models. */
export interface Comparison {
  readonly query: string;
  readonly before: readonly Match[];
  /** Null as long as nothing has been trained. */
  readonly now: readonly Match[] | null;
}

export interface Match {
  readonly text: string;
  /** The cosine, −1 to 1. */
  readonly score: number;
}

// 5. Use.

/** Which model: the one that was loaded, or what was trained from it. */
export type Which = "before" | "now";

/** An index in the browser's storage. */
export interface SavedIndex {
  /** The kept model that it belongs to. */
  readonly modelName: string;
  readonly sentences: number;
  /** When it was saved, in milliseconds since 1970. */
  readonly savedAt: number;
}

export interface OpenedIndex {
  readonly model: ModelFacts;
  readonly index: IndexFacts;
}

export interface IndexRequest {
  readonly which: Which;
}

export interface IndexFacts {
  readonly which: Which;
  readonly sentences: number;
  /** Whether it came from the browser's storage. */
  readonly restored: boolean;
  /** Whether it is in the browser's storage now. */
  readonly kept: boolean;
}

export interface SearchRequest {
  readonly which: Which;
  readonly query: string;
  readonly topK: number;
}

export interface NearDuplicatesRequest {
  readonly which: Which;
  /** The least cosine. */
  readonly threshold: number;
}

/** A sentence, and an earlier one that says nearly the same. */
export interface DuplicatePair {
  readonly earlier: string;
  readonly later: string;
  /** Their cosine. */
  readonly score: number;
}

export interface VectorsRequest {
  readonly which: Which;
  readonly format: VectorFormat;
}

/** A NumPy matrix, or a line of JSON per sentence. */
export type VectorFormat = "npy" | "jsonl";

export interface FilesRequest {
  readonly which: Which;
  /** The name that the model gets. */
  readonly name: string;
}
