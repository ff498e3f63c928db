/** Evaluates while training, remembers the best, and says when nothing has been gained for too long. */
import { DataError } from "../../errors.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import { longestSentence } from "../../nn/architectures/bert-config.ts";
import { Encoder } from "../embedding/encoder.ts";
import type { Encode } from "../evaluation/embed-distinct.ts";
import type { SimCseModel } from "../model/model.ts";
import { embeddingPooler, type TrainingArguments } from "./training-arguments.ts";

export type EvaluationEntry = { readonly step: number; readonly epoch: number } & Readonly<Record<string, number>>;

/** The best evaluation so far. */
export interface Best {
  readonly metric: string;
  readonly value: number;
  readonly step: number;
}

/** What an evaluator remembers from evaluation to evaluation. */
export interface EvaluatorState {
  readonly best: Best | null;
  /** Evaluations since the last gain. */
  readonly withoutGain: number;
}

/** Metrics by name, such as `eval_stsb_spearman`. */
export type Evaluate = (encode: Encode) => Promise<Readonly<Record<string, number>>>;

export class TrainingEvaluator {
  #state: EvaluatorState;

  private constructor(
    readonly encoder: Encoder,
    readonly args: TrainingArguments,
    readonly run: Evaluate,
    state: EvaluatorState | null,
  ) {
    this.#state = state ?? { best: null, withoutGain: 0 };
  }

  static async create(model: SimCseModel, tokenizer: Tokenizer, args: TrainingArguments, run: Evaluate, state: EvaluatorState | null) {
    const maxLength = longestSentence(model.config);
    return new TrainingEvaluator(await Encoder.create(model, tokenizer, { pooler: embeddingPooler(args), maxLength }), args, run, state);
  }

  get state(): EvaluatorState {
    return this.#state;
  }

  /** Whether `early_stopping_patience` is used up. */
  get hasStalled(): boolean {
    const { early_stopping_patience: patience } = this.args;
    return patience > 0 && this.#state.withoutGain >= patience;
  }

  isDue(update: number, totalSteps: number, updatesPerEpoch: number): boolean {
    const { evaluation_strategy, eval_steps } = this.args;
    const every = { no: 0, steps: eval_steps, epoch: updatesPerEpoch }[evaluation_strategy];
    return update === totalSteps || (every > 0 && update % every === 0);
  }

  /** Evaluates, and says whether this is strictly the best so far. Throws `DataError` when there is no such metric. */
  async evaluate(step: number, epoch: number): Promise<{ entry: EvaluationEntry; isBest: boolean }> {
    const { metric_for_best_model, greater_is_better, early_stopping_threshold } = this.args;
    const metric = metric_for_best_model.replace(/^(eval_)?/, "eval_");
    const entry: EvaluationEntry = { step, epoch, ...(await this.run(async (sentences) => (await this.encoder.encode(sentences)).data)) };
    const value = entry[metric];
    if (value === undefined) {
      throw new DataError(
        `The evaluation has no metric ${metric}; it has ${Object.keys(entry).join(", ")}.`,
        "Choose one of them with --metric_for_best_model.",
      );
    }
    const { best, withoutGain } = this.#state;
    const gain = best === null ? Number.POSITIVE_INFINITY : (value - best.value) * (greater_is_better ? 1 : -1);
    // Of a collapsed model every cosine is the same and the correlation is no number: never the best.
    const isBest = Number.isFinite(value) && gain > 0;
    this.#state = {
      best: isBest ? { metric, value, step } : best,
      withoutGain: isBest && gain > early_stopping_threshold ? 0 : withoutGain + 1,
    };
    return { entry, isBest };
  }

  close(): void {
    this.encoder.close();
  }
}
