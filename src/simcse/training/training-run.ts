/** A training run in progress, as returned by a library call: `await run` for its end, or `for await (const step of run)` for its steps. */

import type { TrainerHooks, TrainingSummary } from "./trainer.ts";
import type { EvaluationEntry } from "./training-evaluator.ts";
import type { StepRecord } from "./training-log.ts";

/** A step that was done. Steps arrive in order, a few at a time: their numbers are read from the GPU about five times a second. */
export interface TrainedStep extends StepRecord {
  readonly totalSteps: number;
  /** The evaluation after this step, if there was one: the metric that decides which model is best. */
  readonly score?: number | undefined;
  /** All metrics of that evaluation; their names begin with `eval_`. */
  readonly metrics?: Readonly<Record<string, number>>;
}

/** Milliseconds between readings of the steps' numbers. */
const readEvery = 200;

/** The training callbacks that a run needs. */
export type RunHooks = Required<Pick<TrainerHooks, "onStart" | "onSteps" | "stepsEvery" | "onEvaluate">> & { readonly signal: AbortSignal };

/**
 * Training begins at once. Leaving the loop early stops the run after the current step and waits for it, so that the model can be used and
 * trained again behind the loop; the model keeps what it has learned. Errors reject `await run` and are thrown from the loop.
 */
export class TrainingRun implements PromiseLike<TrainingSummary>, AsyncIterable<TrainedStep> {
  readonly #stop = new AbortController();
  readonly #ended: Promise<TrainingSummary>;
  /** Steps that were not consumed yet. */
  readonly #steps: TrainedStep[] = [];
  /** The last step, held back for the evaluation that may follow it. */
  #last: TrainedStep | null = null;
  #totalSteps = 0;
  /** Resumes the loop that waits for a step. */
  #wake = () => {};

  /** Begins `train`. `scoreOf` extracts an evaluation's score. */
  constructor(train: (hooks: RunHooks) => Promise<TrainingSummary>, scoreOf: (entry: EvaluationEntry) => number | undefined) {
    const hooks: RunHooks = {
      signal: this.#stop.signal,
      stepsEvery: readEvery,
      onStart: ({ totalSteps }) => {
        this.#totalSteps = totalSteps;
      },
      onSteps: (steps) => {
        for (const step of steps) this.#push({ ...step, totalSteps: this.#totalSteps });
      },
      onEvaluate: (entry) => this.#evaluated(entry, scoreOf(entry)),
    };
    this.#ended = train(hooks).finally(() => this.#push(null));
  }

  // biome-ignore lint/suspicious/noThenProperty: a run is awaited like a promise.
  then<A = TrainingSummary, B = never>(
    onEnd?: ((summary: TrainingSummary) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#ended.then(onEnd, onError);
  }

  /** The steps that no other loop has consumed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TrainedStep, void> {
    let over = false;
    // An error is thrown after the last step.
    const end = this.#ended
      .catch(() => {})
      .then(() => {
        over = true;
      });
    try {
      for (;;) {
        while (this.#steps.length > 0) yield this.#steps.shift()!;
        if (over) break;
        await Promise.race([end, new Promise<void>((resolve) => (this.#wake = resolve))]);
      }
    } finally {
      this.#stop.abort();
      await end;
    }
    await this.#ended;
  }

  /** Stops the run after the current step; it can be awaited as usual. */
  stop(): void {
    this.#stop.abort();
  }

  #push(step: TrainedStep | null): void {
    if (this.#last) this.#steps.push(this.#last);
    this.#last = step;
    this.#wake();
  }

  #evaluated({ step, epoch: _, ...metrics }: EvaluationEntry, score: number | undefined): void {
    if (this.#last?.step === step) this.#last = { ...this.#last, score, metrics };
    this.#push(null);
  }
}
