/** Scores any encoder on a user's own set, by the set's kind. */
import { DataError, OptionError } from "../../../errors.ts";
import { checkChoice } from "../../../options.ts";
import { show } from "../../../show.ts";
import type { Encode, SideEncoders } from "../embed-distinct.ts";
import type { EvaluationSet, SetEvaluator, SetKind, SetOptions, SetScores } from "./evaluation-set.ts";
import { labelledPairs } from "./labelled-pairs.ts";
import { labelledTexts } from "./labelled-texts.ts";
import { retrieval } from "./retrieval.ts";
import { scoredPairs } from "./scored-pairs.ts";
import { triplets } from "./triplets.ts";

const setEvaluators: { readonly [K in SetKind]: SetEvaluator<K> } = {
  "scored pairs": scoredPairs,
  "labelled pairs": labelledPairs,
  retrieval,
  triplets,
  "labelled texts": labelledTexts,
};

/** A set's scores with its name and kind: a plain object that `JSON.stringify` writes completely. */
export interface SetReport extends SetScores {
  readonly name: string;
  readonly kind: SetKind;
  /** Rows that were scored: pairs, queries, triplets or texts. */
  readonly n: number;
  /** The set's main metric. */
  readonly main: string;
}

/**
 * Scores `encode` on `set`. Every distinct text is encoded once.
 *
 * @throws OptionError for an unknown kind of set, DataError for a set without rows or a row that cannot be scored, ShapeError for embeddings
 *   of the wrong size, CapacityError for a device that is too small, the signal's reason once it is aborted.
 */
export async function evaluateSet(set: EvaluationSet, options: SetOptions): Promise<SetReport> {
  options.signal?.throwIfAborted();
  checkChoice("kind of evaluation set", (set as EvaluationSet | null)?.kind, Object.keys(setEvaluators));
  if (typeof set.data !== "object" || set.data === null)
    throw new OptionError(`The data of the set ${set.name} is ${show(set.data)}.`, `Give at least one row: ${set.kind}.`);
  const evaluator = setEvaluators[set.kind] as SetEvaluator<SetKind>;
  const n = evaluator.count(set.data);
  if (n === 0) throw new DataError(`The set ${set.name} holds nothing that can be scored.`, `Give at least one row: ${set.kind}.`);
  return { name: set.name, kind: set.kind, n, main: evaluator.main, ...(await evaluator.score(set.data, options)) };
}

/** The names of a set's metrics in the training log, the main one first: `eval_<set>_<metric>`. */
export function setMetricNames({ name, kind }: Pick<EvaluationSet, "name" | "kind">): string[] {
  const { main, metrics } = setEvaluators[kind];
  return [main, ...metrics.filter((metric) => metric !== main)].map((metric) => `eval_${name}_${metric}`);
}

/**
 * An evaluation on `sets` for training: `model.train(examples, { evaluate: evaluateOn(sets, device) })`. Retrieval uses
 * `sides`, the encoders for queries and for the searched texts, if they are given.
 *
 * @throws OptionError for two sets of one name, whose metrics would replace each other.
 */
export function evaluateOn(
  sets: readonly EvaluationSet[],
  device: SetOptions["device"],
): (encode: Encode, sides?: SideEncoders) => Promise<Record<string, number>> {
  const twice = sets.find(({ name }, i) => sets.findIndex((set) => set.name === name) !== i);
  if (twice !== undefined)
    throw new OptionError(`Two sets have the name ${twice.name}, and so would their metrics.`, "Rename one of them.");
  return async (encode, sides = { encode }) => {
    const reports: SetReport[] = [];
    for (const set of sets) reports.push(await evaluateSet(set, { ...sides, device }));
    return setMetrics(reports);
  };
}

/** The metrics of reports, by their names in the training log. */
export function setMetrics(reports: readonly SetReport[]): Record<string, number> {
  return Object.fromEntries(
    reports.flatMap(({ name, metrics }) => Object.entries(metrics).map(([metric, value]) => [`eval_${name}_${metric}`, value] as const)),
  );
}
