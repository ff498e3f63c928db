/** The visitor's text once it was read. */
import type { Example, ExampleKind } from "simcse-webgpu/browser";
import type { DataFacts } from "./protocol.ts";

/** The visitor's data. */
export interface LoadedData {
  readonly facts: DataFacts;
  readonly kind: ExampleKind;
  readonly training: readonly Example[];
  readonly held: readonly Example[];
  /** Every different text, in the order of its first occurrence. */
  readonly texts: readonly string[];
}

/** Scored pairs that are only for evaluation. */
export interface ScoredPairs {
  readonly name: string;
  readonly examples: readonly Example[];
}
