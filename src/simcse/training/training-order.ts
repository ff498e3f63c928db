/**
 * Which examples each update uses. Epochs are shuffled by (seed, epoch) only, so that a resumed run continues in the same order at any
 * step.
 */
import { permutation } from "../../nn/random.ts";
import { batchesWithoutDuplicates } from "./no-duplicates.ts";
import type { TrainingSettings } from "./training-options.ts";
import type { TrainingSet } from "./training-set.ts";

type OrderSettings = Pick<
  TrainingSettings,
  "seed" | "batchSize" | "gradientAccumulationSteps" | "dropLast" | "noDuplicates" | "epochs" | "maxSteps"
>;

export class TrainingOrder {
  /** The most examples per batch. */
  readonly batchSize: number;
  readonly updatesPerEpoch: number;
  readonly totalSteps: number;
  /**
   * The batches of an update: as many as the settings ask for, or all of an epoch that has fewer. One where duplicates leave no batch full,
   * because an update is cut into batches by size.
   */
  readonly accumulation: number;
  /** How many batches the first epoch has, and how many of them have one example, from which a contrastive loss learns nothing. */
  readonly batches: { readonly all: number; readonly ofOne: number };

  constructor(
    readonly examples: Pick<TrainingSet, "length" | "keys">,
    readonly settings: OrderSettings,
  ) {
    this.batchSize = Math.min(settings.batchSize, examples.length);
    // An epoch without duplicates may need a batch or two more or fewer: all epochs have the length of the first.
    const first = this.#batches(0);
    this.batches = { all: first.length, ofOne: first.filter(({ length }) => length === 1).length };
    const isFull = first[0]?.length === this.batchSize;
    this.accumulation = isFull ? Math.min(settings.gradientAccumulationSteps, first.length) : 1;
    this.updatesPerEpoch = this.#updates(first).length;
    this.totalSteps = settings.maxSteps > 0 ? settings.maxSteps : Math.ceil(settings.epochs * this.updatesPerEpoch);
  }

  /**
   * The examples of each update after `done` of them, without end. Update n's examples depend only on n: an epoch that needs fewer updates
   * than the first one repeats its beginning.
   */
  *updates(done: number): Generator<readonly number[]> {
    for (let epoch = Math.floor(done / this.updatesPerEpoch), update = done; ; epoch++) {
      const updates = this.#updates(this.#batches(epoch));
      for (const next = (epoch + 1) * this.updatesPerEpoch; update < next; update++) {
        yield updates[(update % this.updatesPerEpoch) % updates.length]!;
      }
    }
  }

  /**
   * The updates of an epoch with these batches. Batches at its end that do not fill an update are left out; an epoch with too few for one
   * repeats its beginning, because the loss is the mean over `accumulation` batches.
   */
  #updates(batches: readonly number[][]): (readonly number[])[] {
    const { accumulation } = this;
    const count = Math.max(1, Math.floor(batches.length / accumulation));
    return Array.from({ length: count }, (_, update) =>
      Array.from({ length: accumulation }, (_, i) => batches[(update * accumulation + i) % batches.length]!).flat(),
    );
  }

  #batches(epoch: number): number[][] {
    const { seed, noDuplicates, dropLast, gradientAccumulationSteps } = this.settings;
    const order = permutation(seed, `epoch ${epoch}`, this.examples.length);
    const batches = noDuplicates
      ? Array.from(
          batchesWithoutDuplicates(order, this.batchSize, (example) => this.examples.keys(example)),
          (batch) => Array.from(batch),
        )
      : Array.from({ length: Math.ceil(order.length / this.batchSize) }, (_, i) =>
          Array.from(order.subarray(i * this.batchSize, (i + 1) * this.batchSize)),
        );
    // Updates are cut into batches by size, so only the last batch of an update may be smaller.
    const onlyFull = dropLast || (noDuplicates && gradientAccumulationSteps > 1);
    const full = batches.filter(({ length }) => length === this.batchSize);
    return onlyFull && full.length > 0 ? full : batches;
  }
}
