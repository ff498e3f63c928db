/**
 * What a loss is: a function that records, on a tape, one number from a batch's embeddings. Each loss is a file beside this one. The training step takes any
 * of them in each of its ways: the whole batch at once, accumulated batches, or one large batch in chunks (GradCache).
 */
import type { Tape } from "../../autograd/tape.ts";
import type { Extent, Value } from "../../kernels/language/operation.ts";

/** What a loss knows of a batch beside its embeddings. */
export interface LossBatch {
  /** The number of examples. */
  readonly examples: Extent;
  /** Sentences of an example. Their embeddings are neighbours: example i has the rows views · i to views · (i + 1) − 1. */
  readonly views: number;
  /** What the examples say beside their sentences, f32 [examples, target.width]; null where the loss has no `target`. */
  readonly targets: Value | null;
}

/** Records the loss of `embeddings`, f32 [views · examples, hidden_size], as f32 [1]. Gradients come from the operations it uses. */
export type LossFunction = (tape: Tape, embeddings: Value, batch: LossBatch) => Value;

/** What an example needs beside its sentences. */
export interface LossTarget {
  /** A number that orders examples, a class of 0 or 1, or a vector to come close to. */
  readonly kind: "score" | "label" | "vector";
  /** Numbers an example has of it: 1 for a score or a label, the vector's length for a vector. */
  readonly width: number;
  /** The least and the greatest number that a loss takes, or that examples have; any, if absent. */
  readonly range?: readonly [least: number, most: number];
}

/** A loss and what it needs. */
export interface Loss {
  /** Its name in options and messages, such as `infonce`. */
  readonly name: string;
  /** The numbers of sentences an example may have. */
  readonly views: readonly number[];
  /** What an example must say beside its sentences; null for nothing. */
  readonly target: LossTarget | null;
  /**
   * Whether an example's loss depends on the other examples of its batch. Then accumulating small batches is not the same as one large batch, which needs
   * GradCache; without it both have the same gradients.
   */
  readonly couples: boolean;
  readonly record: LossFunction;
}
