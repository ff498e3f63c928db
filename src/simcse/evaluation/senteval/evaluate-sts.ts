/**
 * Scores an encoder on the STS tasks like SentEval: cosine of the two embeddings against the gold score of each pair.
 *
 * It trains nothing and does not depend on models or devices: the encoder is a callback.
 */
import type { Folder } from "../../../io/folder.ts";
import { checkChoice } from "../../../options.ts";
import type { Encode } from "../embed-distinct.ts";
import { pearson, spearman } from "../metrics/correlation.ts";
import { mean } from "../metrics/mean.ts";
import { pairCosines } from "../pair-cosines.ts";
import { scoresOf, scoreTasks, type TaskProgress, type TaskResults } from "./score-tasks.ts";
import { loadSts, STS_TASKS, type StsMode, type StsSubset, type StsTask, type StsTaskName, stsModes } from "./sts.ts";

/** Correlations of one subset as fractions (−1 to 1; NaN where undefined, which JSON writes as null), and its number of pairs. */
export interface StsCorrelation {
  readonly pearson: number;
  readonly spearman: number;
  readonly n: number;
}

/** One correlation of a whole task, computed in SentEval's three ways. The published tables report `all`. */
export interface StsAggregate {
  /** Over the pairs of all subsets as one sample. */
  readonly all: number;
  /** The plain average over subsets. */
  readonly mean: number;
  /** The average over subsets weighted by their number of pairs. */
  readonly wmean: number;
}

/** The scores of a task. */
export interface StsScores {
  readonly subsets: Readonly<Record<string, StsCorrelation>>;
  readonly pearson: StsAggregate;
  readonly spearman: StsAggregate;
  readonly n: number;
  /** Pairs whose cosine is not a number (a zero or non-finite embedding) and counts as 0. */
  readonly undefinedCosines: number;
}

/** A plain object that `JSON.stringify` writes completely: the scores, or the missing file, of each requested task. */
export interface StsReport {
  readonly mode: StsMode;
  readonly tasks: TaskResults<StsTaskName, StsScores>;
  /** Mean of `all` over `tasks` (NaN over none). In dev mode only tasks with a dev set take part. */
  readonly average: { readonly pearson: number; readonly spearman: number; readonly tasks: readonly StsTaskName[] };
}

/** Called when a task's sentences go to the encoder and again when it is scored, or once when its data is missing. */
export type StsProgress = TaskProgress<StsTaskName, "encoding" | "scored" | "missing">;

/** Options of `evaluateSts`. */
export interface EvaluateStsOptions {
  readonly encode: Encode;
  /** Values per embedding, if the caller wants it checked. */
  readonly dimension?: number;
  /** A SentEval data folder; see `loadSts`. */
  readonly folder: Folder;
  readonly mode: StsMode;
  /** All of `STS_TASKS` by default. */
  readonly tasks?: readonly StsTask[] | undefined;
  readonly onProgress?: ((progress: StsProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Evaluates `encode` on STS tasks, one after another. A task whose data is not there is named in the report and left out of the average.
 *
 * @throws OptionError for an unknown mode, DataError for malformed data, ShapeError for embeddings of the wrong size, the signal's reason
 *   once it is aborted (looked at between tasks; inside one, stopping is up to the encoder).
 */
export async function evaluateSts(options: EvaluateStsOptions): Promise<StsReport> {
  const { encode, dimension, folder, mode, tasks = STS_TASKS, onProgress, signal } = options;
  checkChoice("mode", mode, stsModes);
  const results = await scoreTasks(tasks, {
    load: (task) => loadSts(folder, task, mode),
    score: (_, subsets) => scoreSts(subsets, encode, dimension),
    onProgress,
    signal,
  });
  return { mode, tasks: results, average: averageOver(averagedTasks(mode), results) };
}

/** The names of the dev sets' scores in a training log. */
export const devMetrics: Readonly<Partial<Record<StsTaskName, string>>> = {
  STSBenchmark: "eval_stsb_spearman",
  SICKRelatedness: "eval_sickr_spearman",
};

/** The tasks that a mode's table shows and averages: all in test mode, those with a dev set of their own in dev mode. */
export function averagedTasks(mode: StsMode): readonly StsTask[] {
  return STS_TASKS.filter((task) => mode === "test" || task.hasDevSet);
}

/**
 * Scores `encode` on the graded pairs of one task, or of the caller's own set. Every distinct sentence is encoded once.
 *
 * The cosine is computed in float64 and counts as 0 if it is not a number.
 * @throws ShapeError for embeddings of the wrong size.
 */
export async function scoreSts(subsets: readonly StsSubset[], encode: Encode, dimension?: number): Promise<StsScores> {
  const pairs = subsets.flatMap((subset) => subset.pairs);
  const gold = pairs.map(({ score }) => score);
  // Those of zeros are counted with the others that are no numbers.
  const cosines = await pairCosines(pairs, encode, { dimension, ofZeros: Number.NaN });
  const similarities = cosines.map((value) => (Number.isNaN(value) ? 0 : value));

  let start = 0;
  const correlations = subsets.map(({ pairs: { length: n } }): StsCorrelation => {
    const x = similarities.slice(start, start + n);
    const y = gold.slice(start, start + n);
    start += n;
    return { pearson: pearson(x, y), spearman: spearman(x, y), n };
  });
  return {
    subsets: Object.fromEntries(subsets.map(({ name }, i) => [name, correlations[i]!])),
    pearson: aggregate("pearson", pearson(similarities, gold), correlations),
    spearman: aggregate("spearman", spearman(similarities, gold), correlations),
    n: pairs.length,
    undefinedCosines: cosines.filter(Number.isNaN).length,
  };
}

function aggregate(kind: "pearson" | "spearman", all: number, subsets: readonly StsCorrelation[]): StsAggregate {
  const weights = subsets.map(({ n }) => n);
  const values = subsets.map((subset) => subset[kind]);
  return { all, mean: mean(values), wmean: sum(values.map((value, i) => value * weights[i]!)) / sum(weights) };
}

function averageOver(tasks: readonly StsTask[], results: StsReport["tasks"]): StsReport["average"] {
  const scored = tasks.map(({ name }) => name).filter((name) => scoresOf(results, name) !== null);
  const average = (kind: "pearson" | "spearman") => mean(scored.map((name) => scoresOf(results, name)![kind].all));
  return { pearson: average("pearson"), spearman: average("spearman"), tasks: scored };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
