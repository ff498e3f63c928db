/**
 * SentEval's classifier, softmax regression on frozen features with early stopping, for every fold and strength of regularisation of a task at
 * once, on the GPU.
 *
 * It follows SentEval's `PyTorchClassifier` but for one thing: all classifiers go through the rows in one common random order and leave out the
 * rows that their fold does not train on, so that a step is two matrix products for all of them together. The order is cut where the folds'
 * minibatches end on average. That includes the last one of a pass, which may be small: RMSprop's accuracies right after it depend on its size.
 * So folds that are trained together should be of about one size.
 *
 * No model is kept: after each round the classifier's dev and test rows are counted, and what counts is the test count at the best dev count.
 */
import type { Device } from "../../../gpu/device.ts";
import { permutation } from "../../../nn/random.ts";
import type { Candidate, ClassifierData, ClassifierSettings, Contender, Fold } from "./classifier-data.ts";
import { ClassifierMachine } from "./classifier-machine.ts";
import { SENTEVAL_SEED } from "./folds.ts";

/** Strengths of L2 regularisation that are compared, in SentEval's order. */
export const regularisations = [1e-5, 1e-4, 1e-3, 1e-2] as const;

/** Rounds begin until this many passes are done. */
const maxPasses = 200;

/** What one classifier reached: fractions; of the test rows at the best round on dev (NaN without such rows). */
export interface ClassifierOutcome {
  readonly devAccuracy: number;
  readonly testAccuracy: number;
  /** F1 of class 1 on the test rows. */
  readonly testF1: number;
}

/** What training the classifiers reports, and what stops it. */
export interface ClassifierHooks {
  /** Told after each round how many of all classifiers are done. */
  readonly onRound?: (done: number, classifiers: number) => void;
  readonly signal?: AbortSignal;
  /** Features that take more bytes are not kept on the device but sent with each minibatch; what it can bind at once if absent. */
  readonly residentBytes?: number;
}

/**
 * Trains `candidates`; the outcomes stand in their order. Throws `CapacityError` where the device cannot hold the weights, the signal's
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

/** Takes in a round's counts, and says whether the classifier is trained on. */
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

/** Where a pass over `rows` is cut: [start, end) of each minibatch, so that a fold has `batchSize` rows of its own in it on average. */
function minibatches(rows: number, folds: readonly Fold[], { batchSize }: ClassifierSettings): [number, number][] {
  const own = folds.reduce((sum, { train }) => sum + train.length, 0) / folds.length;
  const size = (batchSize * rows) / own;
  return Array.from({ length: Math.ceil(own / batchSize) }, (_, i): [number, number] => [
    Math.round(i * size),
    Math.min(rows, Math.round((i + 1) * size)),
  ]).filter(([start, end]) => end > start);
}
