/**
 * Scores an encoder on the transfer tasks like SentEval: softmax regression on frozen embeddings, with the strength of regularisation
 * chosen by cross-validation.
 *
 * The classifiers of all folds and strengths are trained together (`classifiers.ts`), and then those that are trained again with the best
 * strength.
 */
import type { Device } from "../../../gpu/device.ts";
import type { Folder } from "../../../io/folder.ts";
import { checkChoice } from "../../../options.ts";
import type { Candidate, ClassifierData, ClassifierSettings, Fold } from "../classifiers/classifier-data.ts";
import { type ClassifierHooks, type ClassifierOutcome, regularisations, trainClassifiers } from "../classifiers/classifiers.ts";
import { allBut, randomSplit, SENTEVAL_SEED, stratifiedParts } from "../classifiers/folds.ts";
import { type Encode, embedDistinct } from "../embed-distinct.ts";
import { mean } from "../metrics/mean.ts";
import { scoresOf, scoreTasks, type TaskProgress, type TaskResults } from "./score-tasks.ts";
import { loadTransfer, TRANSFER_TASKS, type TransferData, type TransferTask, type TransferTaskName } from "./transfer.ts";
import type { LabelledExample } from "./transfer-files.ts";

/** `test` is for published results; `dev` and `fasttest` use fewer folds and coarser steps; `dev` reports the dev accuracy. */
export type TransferMode = "test" | "dev" | "fasttest";

interface TransferSettings extends ClassifierSettings {
  readonly kfold: number;
}

const fast: TransferSettings = { kfold: 5, optimizer: "rmsprop", batchSize: 128, tenacity: 3, epochSize: 2 };
export const transferSettings: Readonly<Record<TransferMode, TransferSettings>> = {
  test: { kfold: 10, optimizer: "adam", batchSize: 64, tenacity: 5, epochSize: 4 },
  dev: fast,
  fasttest: fast,
};

/** Share of the training data that decides when a final training stops. */
const REFIT_DEV_SHARE = 0.05;

/** Accuracies as fractions; NaN where all examples to train on have one class, or they are too few to leave a part out. */
export interface TransferScores {
  /** For the best strength of regularisation, in cross-validation or on the dev split. */
  readonly devAccuracy: number;
  readonly accuracy: number;
  /** F1 of the test split, for paraphrases. */
  readonly f1?: number;
  /** Number of scored examples, in all test parts. */
  readonly n: number;
}

/** A plain object that `JSON.stringify` writes whole. */
export interface TransferReport {
  readonly mode: TransferMode;
  readonly tasks: TaskResults<TransferTaskName, TransferScores>;
  /** Mean over `tasks` (NaN over none) of the mode's result: accuracy, or in dev mode dev accuracy. */
  readonly average: { readonly accuracy: number; readonly tasks: readonly TransferTaskName[] };
}

/** Called when a task's sentences go to the encoder, as its classifiers finish, and when it is done. */
export type TransferProgress = TaskProgress<TransferTaskName, "encoding" | "training" | "scored" | "missing">;

/** Options of `evaluateTransfer`. */
export interface EvaluateTransferOptions {
  readonly encode: Encode;
  /** Where the classifiers are trained. */
  readonly device: Device;
  /** A SentEval data folder; see `loadTransfer`. */
  readonly folder: Folder;
  readonly mode: TransferMode;
  /** All of `TRANSFER_TASKS` by default. */
  readonly tasks?: readonly TransferTask[] | undefined;
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Evaluates `encode` on transfer tasks, one after another. A task whose data is not there is named in the report and left out of the average.
 *
 * @throws DataError for malformed data, ShapeError for embeddings of the wrong size, CapacityError for a device that is too small, the signal's
 *   reason once it is aborted.
 */
export async function evaluateTransfer(options: EvaluateTransferOptions): Promise<TransferReport> {
  const { encode, device, folder, mode, tasks = TRANSFER_TASKS, onProgress, signal } = options;
  const results = await scoreTasks(tasks, {
    load: (task) => loadTransfer(folder, task),
    score: (task, data, tell: (state: "training", part: number) => void) => {
      const onRound = (done: number, classifiers: number) => tell("training", done / classifiers);
      return scoreTransfer(task, data, { encode, device, mode, onRound, signal });
    },
    onProgress,
    signal,
  });
  const accuracies = tasks.flatMap(({ name }) => {
    const accuracy = accuracyOf({ mode, tasks: results }, name);
    return accuracy === undefined ? [] : [{ name, accuracy }];
  });
  const average = { accuracy: mean(accuracies.map(({ accuracy }) => accuracy)), tasks: accuracies.map(({ name }) => name) };
  return { mode, tasks: results, average };
}

/** The accuracy of `name` in the mode's table; undefined where it was not run or its data is missing. */
export function accuracyOf({ mode, tasks }: Pick<TransferReport, "mode" | "tasks">, name: TransferTaskName): number | undefined {
  return scoresOf(tasks, name)?.[mode === "dev" ? "devAccuracy" : "accuracy"];
}

/** How one task is scored, with the hooks of its classifiers' training. */
export type ScoreTransferOptions = Pick<EvaluateTransferOptions, "encode" | "device" | "mode"> & ClassifierHooks;

/**
 * Scores `encode` on the examples of one task.
 *
 * @throws OptionError for an unknown mode, ShapeError for embeddings of the wrong size, CapacityError for a device that is too small, the
 *   signal's reason once it is aborted.
 */
export async function scoreTransfer(
  { classes }: Pick<TransferTask, "classes">,
  data: TransferData,
  { encode, device, mode, ...hooks }: ScoreTransferOptions,
): Promise<TransferScores> {
  checkChoice("mode", mode, Object.keys(transferSettings));
  const settings = transferSettings[mode];
  const { signal } = hooks;
  const splits = Object.entries(data) as [keyof TransferData, readonly LabelledExample[]][];
  const examples = splits.flatMap(([, part]) => part);
  const rows: Partial<Record<keyof TransferData, Uint32Array>> = {};
  let next = 0;
  for (const [split, part] of splits) rows[split] = Uint32Array.from(part, () => next++);

  const labels = Uint32Array.from(examples, ({ label }) => label);
  const protocol = experiments(rows, labels, settings.kfold);
  const paired = examples.some(({ b }) => b !== undefined);
  const n = protocol.reduce((sum, { inner, refit }) => sum + (refit ?? inner[0]!).test.length, 0);
  if (!canBeScored(protocol, labels)) return { devAccuracy: Number.NaN, accuracy: Number.NaN, ...(paired && { f1: Number.NaN }), n };
  const classifierData: ClassifierData = { ...(await features(examples, encode)), labels, classes };
  const train = (candidates: readonly Candidate[], told: ClassifierHooks) =>
    trainClassifiers(device, classifierData, candidates, settings, told);

  const folds = protocol.flatMap(({ inner }) => inner);
  const outcomes = await train(
    folds.flatMap((fold) => regularisations.map((strength) => ({ fold, strength }))),
    hooks,
  );
  const byFold = new Map(folds.map((fold, i) => [fold, outcomes.slice(i * regularisations.length, (i + 1) * regularisations.length)]));
  const choices = protocol.map(({ inner }) => choose(inner.map((fold) => byFold.get(fold)!)));
  const final = protocol.every(({ refit }) => refit === null)
    ? protocol.map(({ inner }, i) => byFold.get(inner[0]!)![choices[i]!.strength]!)
    : await train(
        protocol.map(({ refit }, i) => ({ fold: refit!, strength: regularisations[choices[i]!.strength]! })),
        { signal },
      );
  return {
    devAccuracy: mean(choices.map(({ devAccuracy }) => devAccuracy)),
    accuracy: mean(final.map(({ testAccuracy }) => testAccuracy)),
    ...(paired && { f1: mean(final.map(({ testF1 }) => testF1)) }),
    n,
  };
}

/** Folds that choose a strength of regularisation, and the fold that is then scored; null if the choosing fold also has the test rows. */
interface Experiment {
  readonly inner: readonly Fold[];
  readonly refit: Fold | null;
}

const none = new Uint32Array();

/** Whether an accuracy says something: a single class is always found, and no strength can be chosen on a part without rows. */
function canBeScored(protocol: readonly Experiment[], labels: Uint32Array): boolean {
  const folds = protocol.flatMap(({ inner }) => inner);
  const trained = new Set(folds.flatMap(({ train }) => [...train].map((row) => labels[row]!)));
  return trained.size > 1 && folds.every(({ train, dev }) => train.length > 0 && dev.length > 0);
}

/** What SentEval trains for a task with these splits. */
function experiments(rows: Partial<Record<keyof TransferData, Uint32Array>>, labels: Uint32Array, kfold: number): Experiment[] {
  const { all, train, dev, test } = rows;
  if (all === undefined)
    return [dev ? { inner: [{ train: train!, dev, test: test! }], refit: null } : crossValidated(train!, test!, labels, kfold, "")];
  const outer = stratifiedParts(all, labels, kfold, SENTEVAL_SEED, "outer folds");
  return outer.map((held, i) => crossValidated(allBut(outer, i), held, labels, kfold, ` of part ${i}`));
}

function crossValidated(train: Uint32Array, test: Uint32Array, labels: Uint32Array, kfold: number, name: string): Experiment {
  const parts = stratifiedParts(train, labels, kfold, SENTEVAL_SEED, `folds${name}`);
  const { kept, taken } = randomSplit(train, REFIT_DEV_SHARE, SENTEVAL_SEED, `refit${name}`);
  return { inner: parts.map((dev, i) => ({ train: allBut(parts, i), dev, test: none })), refit: { train: kept, dev: taken, test } };
}

/** The first strength with the best mean dev accuracy, in percent rounded to two digits, because SentEval compares these. */
function choose(outcomes: readonly (readonly ClassifierOutcome[])[]): { readonly strength: number; readonly devAccuracy: number } {
  const scores = regularisations.map((_, strength) => Math.round(1e4 * mean(outcomes.map((fold) => fold[strength]!.devAccuracy))) / 1e4);
  const devAccuracy = Math.max(...scores);
  return { strength: scores.indexOf(devAccuracy), devAccuracy };
}

/** Features of each example: its embedding, or for a pair u, v the concatenation of |u − v| and u ⊙ v. */
async function features(examples: readonly LabelledExample[], encode: Encode): Promise<Pick<ClassifierData, "features" | "dimension">> {
  const { vectors, dimension: size } = await embedDistinct(
    encode,
    examples.flatMap(({ a, b }) => (b === undefined ? [a] : [a, b])),
  );
  const dimension = examples.some(({ b }) => b !== undefined) ? 2 * size : size;
  const matrix = new Float32Array(examples.length * dimension);
  for (const [row, { a, b }] of examples.entries()) {
    const u = vectors.get(a)!;
    const v = b === undefined ? undefined : vectors.get(b)!;
    matrix.set(v === undefined ? u : u.map((value, k) => Math.abs(value - v[k]!)), row * dimension);
    if (v !== undefined)
      matrix.set(
        u.map((value, k) => value * v[k]!),
        row * dimension + size,
      );
  }
  return { features: matrix, dimension };
}

/** A report in the form of SimCSE's training log: `eval_MR` and the others in percent, and `eval_avg_transfer`. */
export function transferMetrics(report: TransferReport): Record<string, number> {
  const scored = report.average.tasks.map((name) => [`eval_${name}`, 100 * accuracyOf(report, name)!] as const);
  return { ...Object.fromEntries(scored), eval_avg_transfer: 100 * report.average.accuracy };
}
