/** Training of a model that is loaded and encodes: default settings from the model, missing memory, checkpoints, and the best weights. */
import type { Plan } from "../../autograd/plan.ts";
import type { Profiler } from "../../autograd/profiler.ts";
import { OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import type { FolderPlace } from "../../io/folders/writable-folder.ts";
import type { ParameterCounts } from "../../nn/parameters/parameter-layout.ts";
import { ParameterSnapshot } from "../../nn/parameters/parameter-snapshot.ts";
import { checkOptions, type OptionNames, splitOptions } from "../../options.ts";
import type { CheckpointStore } from "../checkpoint/checkpoint-store.ts";
import { loadBest, withKnownBest, writeCheckpoint } from "../checkpoint/training-checkpoint.ts";
import { Encoder } from "../embedding/encoder.ts";
import { type ModelOptions, SimCseModel } from "../model/model.ts";
import type { PoolerType } from "../model/poolers.ts";
import { trainedParts } from "../model/trained-parts.ts";
import { otherDevices } from "../other-devices.ts";
import { meanCosineOf } from "./mean-cosine.ts";
import { fitLength, hasEqualViews, modelNeeds, resolveSettings } from "./prepare-model.ts";
import { beginAt, type RunStart, startAt, tuningOf } from "./run-start.ts";
import { planTrainingStep } from "./step/training-step.ts";
import { stepOptions, type TrainingSummary, train } from "./trainer.ts";
import { type Evaluate, type EvaluationEntry, loggedMetric } from "./training-evaluator.ts";
import { embeddingPooler, settingNames, type TrainingSettings } from "./training-options.ts";
import type { RunHooks } from "./training-run.ts";
import { isOnlyMasked, type TrainingSet } from "./training-set.ts";

/** The options of `train` and `pretrain`. Missing settings have the original's defaults; pooler and length come from the model. */
export interface TrainingOptions extends Partial<TrainingSettings> {
  /**
   * Evaluates during training: returns a number, or metrics by name. Called at the end of each epoch, unless `evalSteps` or
   * `evaluationStrategy` is given.
   */
  readonly evaluate?: Evaluate;
  /**
   * Stops the run after the current step, with a checkpoint if there is a place for them. The awaited promise is then fulfilled, with
   * `interrupted`.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Where checkpoints are written, every `saveSteps` and when the run is stopped: a MemoryFolder, a browser's FileSystemDirectoryHandle, or
   * in Node a path.
   */
  readonly checkpoints?: FolderPlace | string;
  /** How many of the latest checkpoints are kept; all if absent. */
  readonly keepCheckpoints?: number;
  /**
   * Resume from the last of the `checkpoints`, with the same bits as a run that was never interrupted; from the beginning if there is none.
   */
  readonly resume?: boolean;
  /** Times some of the steps kernel by kernel. */
  readonly profiler?: Profiler | null;
  /**
   * Devices that share each batch with the model's own, which may be among them: each embeds a part, the loss is the whole batch's, and the
   * gradients are added. If one of them is lost, the run goes on with the rest. Only the model's own if absent.
   */
  readonly devices?: readonly Device[];
}

const trainingOptions: OptionNames<TrainingOptions> = {
  ...settingNames,
  evaluate: true,
  signal: true,
  checkpoints: true,
  keepCheckpoints: true,
  resume: true,
  profiler: true,
  devices: true,
};

/** The parts of a loaded model. */
export interface LoadedParts {
  readonly model: SimCseModel;
  readonly encoder: Encoder;
  /** Names of the tensors that still have initial values, because nothing has trained them. */
  readonly fresh: readonly string[];
}

/** The memory of a training step, in bytes; with several devices, on each. */
export interface TrainingPlan {
  /** The step: activations, and what its programs share. */
  readonly stepBytes: number;
  /** Parameters, gradients and optimiser state. */
  readonly modelBytes: number;
  /** How many numbers the model has, and how many of them are trained. */
  readonly parameters: ParameterCounts;
  /** Dispatches of a step; with GradCache or accumulation, of each of its programs once. */
  readonly dispatches: number;
  /** The plan of the step's largest program; `formatPlan` prints it. */
  readonly plan: Plan;
}

/** Training of a loaded model. */
export interface LoadedTraining {
  readonly options: TrainingOptions;
  /** Settings that are not SimCSE's unless they are given. */
  readonly defaults: Partial<TrainingSettings>;
  /** Makes the set, once the settings define how long a sentence may be. */
  readonly read: (settings: TrainingSettings) => Promise<TrainingSet>;
  readonly hooks: RunHooks;
  /** Null if no place for checkpoints is given. */
  readonly checkpoints: CheckpointStore | null;
  /** Called before the first step with the parts that replace the model's own, and again when it is about to run. */
  readonly replace: (parts: LoadedParts) => void;
}

/** Throws `OptionError` for unknown or impossible options. */
export function checkTrainingOptions(options: TrainingOptions): void {
  checkOptions("train", options, trainingOptions);
  const { checkpoints, resume = false, keepCheckpoints = 1, evaluate, keepBest = false, earlyStoppingPatience = 0 } = options;
  if (resume && checkpoints === undefined) {
    throw new OptionError("`resume` needs `checkpoints`.", "Give the place that the interrupted run wrote its checkpoints to.");
  }
  if (!Number.isSafeInteger(keepCheckpoints) || keepCheckpoints < 1) {
    throw new OptionError(
      `\`keepCheckpoints\` must be a whole number of at least 1, but is ${keepCheckpoints}.`,
      "Leave it out to keep all.",
    );
  }
  if (evaluate === undefined && (keepBest || earlyStoppingPatience > 0)) {
    throw new OptionError(
      keepBest
        ? "`keepBest` needs `evaluate`, which says what is best."
        : "`earlyStoppingPatience` needs `evaluate`, which says what is better.",
      "Give a function that scores the model, or leave them out.",
    );
  }
}

/** The settings of a run of this model. Throws `OptionError` for impossible ones. */
function settingsFor(
  { encoder }: Pick<LoadedParts, "encoder">,
  options: TrainingOptions,
  defaults: LoadedTraining["defaults"] = {},
): TrainingSettings {
  const [given, { evaluate }] = splitOptions<Partial<TrainingSettings>, Omit<TrainingOptions, keyof TrainingSettings>>(
    options,
    settingNames,
  );
  if (encoder.pooler === "sentence_transformers" && given.pooler === undefined) {
    throw new OptionError(
      "The model makes its vectors with modules that cannot be trained here.",
      "Give a `pooler`, such as avg, to train its transformer without them.",
    );
  }
  const own = { pooler: encoder.pooler as PoolerType, maxLength: encoder.maxLength };
  const says = given.evaluationStrategy !== undefined || given.evalSteps !== undefined;
  return resolveSettings({ ...(evaluate && !says && { evaluationStrategy: "epoch" as const }), ...defaults, ...given }, own);
}

/** The score of an evaluation under these settings. */
export function scoreOf({ metric = null }: TrainingOptions, entry: EvaluationEntry): number | undefined {
  return metric === null ? Object.entries(entry).find(([name]) => name.startsWith("eval_"))?.[1] : entry[loggedMetric(metric)];
}

/** The memory that a step would take; nothing is allocated. `views` is the number of sentences per example. */
export function planLoaded({ model, encoder }: LoadedParts, options: TrainingOptions, views: number): TrainingPlan {
  checkTrainingOptions(options);
  const settings = settingsFor({ encoder }, options);
  const set = { length: Number.POSITIVE_INFINITY, views, target: null };
  const step = stepOptions(set, settings, { tokenizer: encoder.tokenizer, dimension: model.config.hidden_size });
  const others = otherDevices(model.device, options.devices ?? []);
  const shared = others.length > 0 ? { ...step, devices: others.length + 1 } : step;
  const planned = planTrainingStep(model.config, modelNeeds(settings, set), shared, model.device.capabilities);
  const { plan, bytes: stepBytes, persistentBytes: modelBytes, parameters, dispatches } = planned;
  return { plan, stepBytes, modelBytes, parameters, dispatches };
}

/** Trains. If another model replaces the current one, that one is closed. */
export async function trainLoaded(
  parts: LoadedParts,
  { options, defaults, read, hooks, checkpoints, replace }: LoadedTraining,
): Promise<TrainingSummary> {
  const given = settingsFor(parts, options, defaults);
  const { set, settings } = fitLength(await read(given), given, options.maxLength ?? defaults.maxLength);
  const start = options.resume && checkpoints ? await startAt(await checkpoints.last(), settings, set) : null;
  // A run that was begun without dropout goes on without it.
  if (start === null && settings.dropout === null && hasEqualViews(set, settings, parts.model.config)) {
    throw new OptionError(
      "The model has no dropout of its own: both vectors of a sentence would be the same, so there is little to learn from them.",
      "Give `dropout`, such as 0.1, or pairs in place of the sentences. `dropout: 0` trains it as it is.",
    );
  }
  const { model, encoder, fresh } = await trainableParts(parts, { settings, set, start });
  replace({ model, encoder, fresh });
  using snapshot = settings.keepBest ? await ParameterSnapshot.allocate(model.store) : null;
  if (start && snapshot) await loadBest(start.checkpoint, model, snapshot);
  const run = { model, tokenizer: encoder.tokenizer, set, settings, devices: options.devices ?? [], reading: encoder };
  const summary = await train({
    ...run,
    from: start && withKnownBest(start.state, settings, { hasWeights: snapshot?.isTaken === true }),
    hooks: {
      ...hooks,
      onStart: (plan) => {
        // A start that failed has trained nothing: the next one gives these tensors the initial values of its own seed.
        replace({ model, encoder, fresh: [] });
        hooks.onStart(plan);
      },
      signal: options.signal ? AbortSignal.any([options.signal, hooks.signal]) : hooks.signal,
      evaluate: options.evaluate,
      saveBest: snapshot ? () => snapshot.take() : undefined,
      saveCheckpoint: checkpoints ? (state) => writeCheckpoint(checkpoints, run, state, snapshot) : undefined,
      profiler: options.profiler ?? null,
    },
  });
  if (snapshot?.isTaken) snapshot.restore();
  return { ...summary, meanCosine: isOnlyMasked(set) ? null : await meanCosineOf(encoder, set) };
}

/** How a model embeds, as it is saved with it. */
export function simcseOf({ pooler, maxLength }: Pick<Encoder, "pooler" | "maxLength">): { pooler_type: string; max_seq_length: number } {
  return { pooler_type: pooler, max_seq_length: maxLength };
}

interface TrainingStart {
  readonly settings: TrainingSettings;
  readonly set: TrainingSet;
  readonly start: RunStart | null;
}

/** The model with memory for this training, at its start, and an encoder with its pooler; the replaced parts are closed. */
async function trainableParts(parts: LoadedParts, { settings, set, start }: TrainingStart): Promise<LoadedParts> {
  const { device, config, tuning } = parts.model;
  const needs = modelNeeds(settings, set);
  const fits = start === null && hasAll(parts.model, needs);
  const model = fits ? parts.model : await SimCseModel.allocate(device, config, { ...needs, tuning: tuningOf(start) ?? tuning });
  try {
    const fresh = fits ? parts.fresh : [...(await model.copyFrom(parts.model)), ...parts.fresh];
    await beginAt(start, model, { fresh, seed: settings.seed });
    const pooler = embeddingPooler(settings);
    const { maxLength, batchSize, normalize, texts, threads } = parts.encoder;
    const encoder =
      fits && pooler === parts.encoder.pooler
        ? parts.encoder
        : await Encoder.create(model, parts.encoder.tokenizer, { pooler, maxLength, batchSize, normalize, texts, threads });
    if (encoder !== parts.encoder) parts.encoder.close();
    if (!fits) parts.model.close();
    return { model, encoder, fresh: start === null ? fresh : [] };
  } catch (error) {
    if (!fits) model.close();
    throw error;
  }
}

/** Whether a model has the memory and exactly the heads that training needs. */
function hasAll({ modules, store, trained }: SimCseModel, { mlp, mlm = false, halves = false, ...parts }: ModelOptions): boolean {
  return (
    JSON.stringify(trained) === JSON.stringify(trainedParts(parts)) &&
    store.layout.keepsHalves === halves &&
    (modules.mlp !== undefined) === mlp &&
    (modules.maskedHead !== null) === mlm &&
    modules.sentenceHead === undefined
  );
}
