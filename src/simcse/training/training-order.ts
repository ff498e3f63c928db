/**
 * Which examples each update takes. Epochs are shuffled by (seed, epoch) alone, so that a resumed run takes up the order where it was left, whatever
 * the step.
 */
import { permutation } from "../../nn/random.ts";
import { batchesWithoutDuplicates } from "./no-duplicates.ts";
import type { TrainingArguments } from "./training-arguments.ts";
import type { TrainingSet } from "./training-set.ts";

type OrderArguments = Pick<
  TrainingArguments,
  | "seed"
  | "per_device_train_batch_size"
  | "gradient_accumulation_steps"
  | "dataloader_drop_last"
  | "no_duplicates"
  | "num_train_epochs"
  | "max_steps"
>;

export class TrainingOrder {
  /** Examples a batch has at most. */
  readonly batchSize: number;
  readonly updatesPerEpoch: number;
  readonly totalSteps: number;

  constructor(
    readonly examples: Pick<TrainingSet, "length" | "keys">,
    readonly args: OrderArguments,
  ) {
    this.batchSize = Math.min(args.per_device_train_batch_size, examples.length);
    // An epoch without duplicates may need a batch or two more or less: all are as long as the first.
    this.updatesPerEpoch = this.#epoch(0).length;
    this.totalSteps = args.max_steps > 0 ? args.max_steps : Math.ceil(args.num_train_epochs * this.updatesPerEpoch);
  }

  /**
   * The examples of each update after `done` of them, without end. An update's follow from its number: an epoch that needs fewer than the first one takes
   * its beginning again.
   */
  *updates(done: number): Generator<readonly number[]> {
    for (let epoch = Math.floor(done / this.updatesPerEpoch), update = done; ; epoch++) {
      const updates = this.#epoch(epoch);
      for (const next = (epoch + 1) * this.updatesPerEpoch; update < next; update++) {
        yield updates[(update % this.updatesPerEpoch) % updates.length]!;
      }
    }
  }

  /** The updates of an epoch. Batches that do not fill an update at its end are left out, unless they are all there is. */
  #epoch(epoch: number): (readonly number[])[] {
    const { gradient_accumulation_steps: accumulation } = this.args;
    const batches = this.#batches(epoch);
    const count = Math.max(1, Math.floor(batches.length / accumulation));
    return Array.from({ length: count }, (_, i) => batches.slice(i * accumulation, (i + 1) * accumulation).flat());
  }

  #batches(epoch: number): number[][] {
    const { seed, no_duplicates, dataloader_drop_last, gradient_accumulation_steps } = this.args;
    const order = permutation(seed, `epoch ${epoch}`, this.examples.length);
    const batches = no_duplicates
      ? Array.from(
          batchesWithoutDuplicates(order, this.batchSize, (example) => this.examples.keys(example)),
          (batch) => Array.from(batch),
        )
      : Array.from({ length: Math.ceil(order.length / this.batchSize) }, (_, i) =>
          Array.from(order.subarray(i * this.batchSize, (i + 1) * this.batchSize)),
        );
    // Updates are cut into batches by their size, so only the last batch of an update may be smaller.
    const onlyFull = dataloader_drop_last || (no_duplicates && gradient_accumulation_steps > 1);
    const full = batches.filter(({ length }) => length === this.batchSize);
    return onlyFull && full.length > 0 ? full : batches;
  }
}
