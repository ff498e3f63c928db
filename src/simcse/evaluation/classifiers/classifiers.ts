/**
 * SentEval's classifier (softmax regression on frozen features with early stopping), on the GPU, for all folds and strengths of
 * regularisation of a task at once.
 *
 * It follows SentEval's `PyTorchClassifier` with one exception: all classifiers go through the rows in one common random order and ignore
 * the rows that their fold does not train on, so that a step is two matrix products for all of them. The order is cut where the folds'
 * minibatches end on average. That includes the last minibatch of a pass, which may be small: RMSprop's accuracies right after it depend on
 * its size. So folds that are trained together should have about the same size.
 *
 * No model is kept. After each round, the classifier's correct dev and test rows are counted; the result is the test count at the best dev
 * count.
 */
import type { Device } from "../../../gpu/device.ts";
import { permutation } from "../../../nn/random.ts";
import type { Candidate, ClassifierData, ClassifierSettings, Contender, Fold } from "./classifier-data.ts";
import { ClassifierMachine } from "./classifier-machine.ts";
import { SENTEVAL_SEED } from "./folds.ts";

/** Strengths of L2 regularisation that are compared, in SentEval's order. */
export const regularisations = [1e-5, 1e-4, 1e-3, 1e-2] as const;

/** No new round begins after this many passes. */
const maxPasses = 200;

/** The result of one classifier, as fractions; of the test rows at the round with the best dev accuracy (NaN without test rows). */
export interface ClassifierOutcome {
  readonly devAccuracy: number;
  readonly testAccuracy: number;
  /** F1 of class 1 on the test rows. */
  readonly testF1: number;
}

/** What training the classifiers reports, and what stops it. */
export interface ClassifierHooks {
  /** Called after each round with the number of finished classifiers, and of all. */
  readonly onRound?: (done: number, classifiers: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** Features that take more bytes are not kept on the device but uploaded with each minibatch; the device's largest binding if absent. */
  readonly residentBytes?: number;
}

/**
 * Trains `candidates`; the outcomes are in the same order. Throws `CapacityError` if the device cannot hold the weights, and the signal's
 * reason when it is aborted.
 */
export async function trainClassifiers(
  device: Device,
  data: ClassifierData,
  candidates: readonly Candidate[],
  settings: ClassifierSettings,
  { onRound, signal, residentBytes = device.capabilities.limits.maxStorageBufferBindingSize }: ClassifierHooks = {},
): Promise<ClassifierOutcome[]> {
  const contenders = candidates.map((candidate): Contender => ({ ...candidate, bestRight: -1, test: new Uint32Array(4), misses: 0 }));
  const folds = [...new Set(candidates.map(({ fold }) => fold))];
  const trained = rowsIn(folds, ({ train }) => [train]);
  const evaluated = rowsIn(folds, ({ dev, test }) => [dev, test]);
  const cuts = minibatches(trained.length, folds, settings);
  const machine = await ClassifierMachine.create(device, data, { folds, contenders, optimizer: settings.optimizer, cuts, residentBytes });
  try {
    let live = contenders;
    for (let pass = 0; pass <= maxPasses && live.length > 0; ) {
      for (let i = 0; i < settings.epochSize; i++, pass++) {
        signal?.throwIfAborted();
        await machine.pass(
          permutation(SENTEVAL_SEED, `pass ${pass}`, trained.length).map((at) => trained[at]!),
          live,
        );
      }
      const counts = await machine.count(evaluated, live);
      const next = live.filter((contender, slot) => goesOn(contender, counts.subarray(slot * 4, slot * 4 + 4), settings));
      machine.keep(live, next);
      live = next;
      onRound?.(contenders.length - live.length, contenders.length);
    }
  } finally {
    machine.close();
  }
  return contenders.map((contender) => outcome(contender, data.labels));
}

/** Records a round's counts, and returns whether the classifier's training continues. */
function goesOn(contender: Contender, counts: Uint32Array, { tenacity }: ClassifierSettings): boolean {
  if (counts[0]! > contender.bestRight) {
    contender.bestRight = counts[0]!;
    contender.test = counts.slice();
    return true;
  }
  return contender.misses++ < tenacity;
}

function outcome({ fold, bestRight, test }: Contender, labels: Uint32Array): ClassifierOutcome {
  const [, right, chosen, truePositives] = test as unknown as [number, number, number, number];
  const positives = fold.test.reduce((sum, row) => sum + (labels[row] === 1 ? 1 : 0), 0);
  return {
    devAccuracy: bestRight / fold.dev.length,
    testAccuracy: right / fold.test.length,
    testF1: (2 * truePositives) / (chosen + positives),
  };
}

/** Every row that some fold has in one of these parts, ascending. */
function rowsIn(folds: readonly Fold[], parts: (fold: Fold) => readonly Uint32Array[]): Uint32Array {
  return Uint32Array.from(new Set(folds.flatMap((fold) => parts(fold).flatMap((rows) => [...rows])))).sort();
}

/** Where a pass over `rows` is cut: [start, end) of each minibatch, so that it contains `batchSize` rows of a fold on average. */
function minibatches(rows: number, folds: readonly Fold[], { batchSize }: ClassifierSettings): [number, number][] {
  const own = folds.reduce((sum, { train }) => sum + train.length, 0) / folds.length;
  const size = (batchSize * rows) / own;
  return Array.from({ length: Math.ceil(own / batchSize) }, (_, i): [number, number] => [
    Math.round(i * size),
    Math.min(rows, Math.round((i + 1) * size)),
  ]).filter(([start, end]) => end > start);
}
