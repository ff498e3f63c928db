/**
 * Joins the items of many callers into batches on the fly: while one batch is processed, new items wait for the next. A single caller therefore never
 * waits, and many callers share batches. At most `limit` items wait; further callers are told when to retry.
 */
import { SimcseError } from "../../src/errors.ts";

export interface BatchingOptions {
  /** Items that may wait. */
  readonly limit: number;
  /** Maximum items per batch. */
  readonly batch: number;
  /** Called with every batch. */
  readonly onBatch?: (items: number) => void;
}

/** The queue is full. */
export class QueueFullError extends SimcseError {
  constructor(
    waiting: number,
    /** Whole seconds after which there should be room again. */
    readonly retryAfter: number,
  ) {
    super(`The server is busy: ${waiting} inputs are waiting.`, `Try again in ${retryAfter} s.`);
  }
}

interface Job<Item, Result> {
  readonly items: readonly Item[];
  readonly results: Result[];
  readonly signal: AbortSignal | undefined;
  /** Items that have been put into a batch. */
  taken: number;
  readonly resolve: (results: Result[]) => void;
  readonly reject: (error: unknown) => void;
}

/** The longest time after which callers are asked to retry. */
const longestRetry = 60;

export class BatchingQueue<Item, Result> {
  /** Waiting items, without those being processed. */
  waiting = 0;
  readonly #jobs: Job<Item, Result>[] = [];
  #running = false;
  /** Recent throughput in items per second. */
  #rate = 0;

  /** `work` returns one result per item, in order. */
  constructor(
    readonly work: (items: readonly Item[]) => Promise<readonly Result[]>,
    readonly options: BatchingOptions,
  ) {}

  /** The results of `items`. Throws `QueueFullError` if there is no room, and the errors of `work`. When `signal` aborts, items that are not yet being processed are dropped. */
  submit(items: readonly Item[], signal?: AbortSignal): Promise<Result[]> {
    if (this.waiting + items.length > this.options.limit) return Promise.reject(new QueueFullError(this.waiting, this.#retryAfter()));
    if (items.length === 0) return Promise.resolve([]);
    this.waiting += items.length;
    return new Promise((resolve, reject) => {
      this.#jobs.push({ items, results: [], signal, taken: 0, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      const items = batch.flatMap(({ job, start, end }) => job.items.slice(start, end));
      const began = performance.now();
      try {
        const results = await this.work(items);
        this.#measure(items.length, performance.now() - began);
        let next = 0;
        for (const { job, start, end } of batch) {
          for (let i = start; i < end; i++) job.results.push(results[next++]!);
          if (job.results.length === job.items.length) job.resolve(job.results);
        }
      } catch (error) {
        for (const { job } of batch) this.#drop(job, error);
      }
      this.options.onBatch?.(items.length);
    }
    this.#running = false;
  }

  /** The next batch, in the order of arrival; a job larger than a batch goes through several. */
  #take(): { job: Job<Item, Result>; start: number; end: number }[] {
    const batch: { job: Job<Item, Result>; start: number; end: number }[] = [];
    let room = this.options.batch;
    while (room > 0 && this.#jobs.length > 0) {
      const job = this.#jobs[0]!;
      if (job.signal?.aborted) {
        this.#drop(job, job.signal.reason);
        continue;
      }
      const start = job.taken;
      const end = Math.min(job.items.length, start + room);
      batch.push({ job, start, end });
      job.taken = end;
      this.waiting -= end - start;
      room -= end - start;
      if (end === job.items.length) this.#jobs.shift();
    }
    return batch;
  }

  #drop(job: Job<Item, Result>, error: unknown): void {
    const place = this.#jobs.indexOf(job);
    if (place !== -1) {
      this.#jobs.splice(place, 1);
      this.waiting -= job.items.length - job.taken;
    }
    job.reject(error);
  }

  #measure(items: number, milliseconds: number): void {
    const rate = (items / milliseconds) * 1000;
    this.#rate = this.#rate === 0 ? rate : 0.8 * this.#rate + 0.2 * rate;
  }

  #retryAfter(): number {
    return this.#rate === 0 ? 1 : Math.min(longestRetry, Math.max(1, Math.ceil(this.waiting / this.#rate)));
  }
}
