/** Evaluates during training, remembers the best evaluation, and reports when there was no improvement for too long. */
import "../../disposal.ts";
import { DataError } from "../../errors.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import { longestSentence } from "../../nn/architectures/architectures.ts";
import { Encoder } from "../embedding/encoder.ts";
import type { PromptOptions } from "../embedding/prompts.ts";
import type { Encode, SideEncoders } from "../evaluation/embed-distinct.ts";
import { sideEncoders } from "../evaluation/side-encoders.ts";
import type { SimCseModel } from "../model/model.ts";
import { checkMetric } from "./best-metric.ts";
import { embeddingPooler, isDue, type TrainingSettings, type UpdatePlace } from "./training-options.ts";

/** The result of an evaluation: a step, and metrics whose names begin with `eval_`. */
export type EvaluationEntry = { readonly step: number; readonly epoch: number } & Readonly<Record<string, number>>;

/** The best evaluation so far. */
export interface Best {
  /** The metric's name, such as `eval_stsb_spearman`. */
  readonly metric: string;
  readonly value: number;
  readonly step: number;
}

/** The state that an evaluator keeps between evaluations. */
export interface EvaluatorState {
  readonly best: Best | null;
  /** Evaluations since the last improvement. */
  readonly withoutGain: number;
}

/**
 * An evaluation: metrics by name, such as `stsb_spearman`, with or without `eval_`; or one number, the score. `encode` returns unit vectors
 * from the model at that step, as it will give them once it is saved. `sides` has the same for the two sides of a search, where the model has
 * prompts for them.
 */
export type Evaluate = (encode: Encode, sides: SideEncoders) => Promise<number | Readonly<Record<string, number>>>;

/** How a model cuts and prepares texts. */
export type TextReading = Pick<Encoder, "maxLength" | "texts">;

/** What an evaluator begins with. */
interface EvaluatorStart {
  readonly evaluate: Evaluate;
  readonly state: EvaluatorState | null;
  readonly reading: TextReading | null;
}

/** The name of a metric in the log. */
export const loggedMetric = (name: string): string => name.replace(/^(eval_)?/, "eval_");

/** The name of an evaluation that returns one number. */
const onlyMetric = "score";

export class TrainingEvaluator {
  #state: EvaluatorState;
  readonly #sides: SideEncoders;

  private constructor(
    readonly encoder: Encoder,
    readonly settings: TrainingSettings,
    readonly run: Evaluate,
    /** Tokens that are read of each text. */
    readonly maxLength: number,
    state: EvaluatorState | null,
  ) {
    this.#state = state ?? { best: null, withoutGain: 0 };
    this.#sides = sideEncoders(encoder.texts, (prompt) => this.#encodeWith(prompt));
  }

  /** Compiles an encoder for the longest sentences that the model supports. */
  static async create(
    model: SimCseModel,
    tokenizer: Tokenizer,
    settings: TrainingSettings,
    { evaluate, state, reading }: EvaluatorStart,
  ): Promise<TrainingEvaluator> {
    const longest = longestSentence(model.config);
    const encoder = await Encoder.create(model, tokenizer, {
      pooler: embeddingPooler(settings),
      maxLength: longest,
      texts: reading?.texts,
    });
    return new TrainingEvaluator(encoder, settings, evaluate, reading?.maxLength ?? longest, state);
  }

  get state(): EvaluatorState {
    return this.#state;
  }

  /** Whether `earlyStoppingPatience` is used up. */
  get hasStalled(): boolean {
    const { earlyStoppingPatience: patience } = this.settings;
    return patience > 0 && this.#state.withoutGain >= patience;
  }

  isDue(place: UpdatePlace): boolean {
    const { evaluationStrategy, evalSteps } = this.settings;
    return place.update === place.totalSteps || isDue(evaluationStrategy, evalSteps, place);
  }

  /** Evaluates, and returns whether this is strictly the best so far. Throws `DataError` when the metric does not exist, and like `checkMetric`. */
  async evaluate(step: number, epoch: number): Promise<{ entry: EvaluationEntry; isBest: boolean }> {
    const { greaterIsBetter, earlyStoppingThreshold } = this.settings;
    const metrics = metricsOf(await this.run(this.#sides.encode, this.#sides));
    const entry: EvaluationEntry = { step, epoch, ...metrics };
    const { metric, value } = this.#chosen(metrics);
    const { withoutGain } = this.#state;
    // A resumed run may choose another metric; the best of the one before says nothing then.
    const best = this.#state.best?.metric === metric ? this.#state.best : null;
    const gain = best === null ? Number.POSITIVE_INFINITY : (value - best.value) * (greaterIsBetter ? 1 : -1);
    // All cosines of a collapsed model are equal, so the correlation is NaN: never the best.
    const isBest = Number.isFinite(value) && gain > 0;
    this.#state = {
      best: isBest ? { metric, value, step } : best,
      withoutGain: isBest && gain > earlyStoppingThreshold ? 0 : withoutGain + 1,
    };
    return { entry, isBest };
  }

  #encodeWith(prompt: PromptOptions): Encode {
    return async (sentences, { maxLength = this.maxLength } = {}) => {
      const { data } = await this.encoder.encode(sentences, { ...prompt, maxLength: Math.min(maxLength, this.encoder.maxLength) });
      return data;
    };
  }

  #chosen(metrics: Readonly<Record<string, number>>): { metric: string; value: number } {
    const names = Object.keys(metrics);
    const { metric: wanted, keepBest, earlyStoppingPatience } = this.settings;
    const metric = wanted === null ? names[0] : loggedMetric(wanted);
    if (metric !== undefined && (keepBest || earlyStoppingPatience > 0)) checkMetric(metric, this.settings);
    if (metric !== undefined && Object.hasOwn(metrics, metric)) return { metric, value: metrics[metric]! };
    throw new DataError(
      `The evaluation has no metric ${metric ?? "at all"}; it has ${names.join(", ") || "none"}.`,
      "Choose one of them with `metric`.",
    );
  }

  close(): void {
    this.encoder.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function metricsOf(found: unknown): Readonly<Record<string, number>> {
  const metrics = Object.entries(typeof found === "number" ? { [onlyMetric]: found } : (found ?? {}));
  const wrong = metrics.find(([, value]) => typeof value !== "number");
  if (wrong === undefined) return Object.fromEntries(metrics.map(([name, value]) => [loggedMetric(name), value as number]));
  throw new DataError(`The evaluation's ${wrong[0]} is no number but a ${typeof wrong[1]}.`, "Return a number, or numbers by their names.");
}
