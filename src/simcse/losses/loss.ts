/**
 * What a loss is: a function that records one number on a tape, from a batch's embeddings. Each loss is a file in this folder. The training
 * step supports any of them in all of its forms: the whole batch at once, accumulated batches, or one large batch in chunks (GradCache).
 */
import type { Tape } from "../../autograd/tape.ts";
import type { Extent, Value } from "../../kernels/language/operation.ts";

/** What a loss knows about a batch besides its embeddings. */
export interface LossBatch {
  /** The number of examples. */
  readonly examples: Extent;
  /** Sentences per example. Their embeddings are neighbours: example i has the rows views · i to views · (i + 1) − 1. */
  readonly views: number;
  /** The examples' targets, f32 [examples, target.width]; null if the loss has no `target`. */
  readonly targets: Value | null;
}

/** Records the loss of `embeddings`, f32 [views · examples, hidden_size], as f32 [1]. Its operations provide the gradients. */
export type LossFunction = (tape: Tape, embeddings: Value, batch: LossBatch) => Value;

/** What an example needs besides its sentences. */
export interface LossTarget {
  /** A number that orders examples, a class of 0 or 1, or a vector to approach. */
  readonly kind: "score" | "label" | "vector";
  /** Numbers per example: 1 for a score or a label, the vector's length for a vector. */
  readonly width: number;
  /** The least and the greatest number that a loss supports, or that examples have; any if absent. */
  readonly range?: readonly [least: number, most: number];
}

/** A loss and its requirements. */
export interface Loss {
  /** Its name in options and messages, such as `infonce`. */
  readonly name: string;
  /** The possible numbers of sentences per example. */
  readonly views: readonly number[];
  /** The target that an example must have; null for none. */
  readonly target: LossTarget | null;
  /**
   * Whether an example's loss depends on the other examples of its batch. If so, accumulating small batches differs from one large batch,
   * which needs GradCache. If not, both have the same gradients.
   */
  readonly couples: boolean;
  /** Whether it learns only from examples whose targets differ. */
  readonly needsDifferences?: boolean;
  readonly record: LossFunction;
}
