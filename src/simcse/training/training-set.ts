/** What a run trains on: texts that are tokenised when their turn comes, or sequences that were packed before. */
import { DataError } from "../../errors.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import type { TokenizedExample } from "./step-recording.ts";

/** A sentence; or a pair that belongs together; or a pair and a hard negative. */
export type TrainingExample = string | readonly string[];

export interface TrainingSet {
  readonly length: number;
  /** Sentences of an example. With one there is no loss of embeddings: only masked words are restored. */
  readonly views: number;
  /** Texts of an example as they are given. */
  readonly columns: number;
  /** What an example is called where it is counted. */
  readonly unit: string;
  /** An example as a step takes it. */
  example(index: number): TokenizedExample;
  /** What may not come twice in a batch. */
  keys(index: number): readonly string[];
}

const units = ["sentences", "pairs", "pairs with hard negatives"] as const;

/**
 * Examples for contrastive training; a sentence alone is its own pair. Throws `DataError` unless there are two, all of as many columns.
 */
export function exampleSet(examples: readonly TrainingExample[], tokenizer: Tokenizer, maxLength: number): TrainingSet {
  if (examples.length < 2) {
    throw new DataError(
      `Contrast needs at least 2 training examples, found ${examples.length}.`,
      "Give a file with one sentence a line, or a table of pairs.",
    );
  }
  const texts = examples.map((example) => (typeof example === "string" ? [example] : example));
  const columns = texts[0]!.length;
  const odd = texts.findIndex(({ length }) => length !== columns || length < 1 || length > 3);
  if (odd >= 0) {
    throw new DataError(
      `Example ${odd + 1} has ${texts[odd]!.length} columns and the first has ${columns}.`,
      "Give one column (sentences), two (pairs) or three (pairs and a hard negative) in every example.",
    );
  }
  return {
    length: texts.length,
    views: columns === 3 ? 3 : 2,
    columns,
    unit: units[columns - 1]!,
    example(index) {
      const ids = texts[index]!.map((text) => tokenizer.encode(text, maxLength));
      return { sentences: ids.length === 1 ? [ids[0]!, ids[0]!] : ids };
    },
    keys: (index) => texts[index]!,
  };
}

/**
 * Sequences for masked language modelling: texts one after another, each ended by [SEP], cut into pieces of `maxLength` tokens that begin with
 * [CLS]. Throws `DataError` when there are fewer than two.
 */
export async function packedSet(texts: AsyncIterable<string>, tokenizer: Tokenizer, maxLength: number): Promise<TrainingSet> {
  const { clsId, sepId } = tokenizer;
  const sequences: Uint32Array[] = [];
  let open: number[] = [];
  const close = () => {
    sequences.push(Uint32Array.of(clsId, ...open.splice(0, maxLength - 1)));
  };
  for await (const text of texts) {
    const ids = tokenizer.encode(text, Number.MAX_SAFE_INTEGER).slice(1, -1);
    if (ids.length === 0) continue;
    open = open.concat(ids, sepId);
    while (open.length >= maxLength - 1) close();
  }
  if (open.length > 0) close();
  if (sequences.length < 2) {
    throw new DataError(
      `The text fills ${sequences.length} sequences of ${maxLength} tokens.`,
      "Give more text, or a smaller --max_seq_length.",
    );
  }
  return {
    length: sequences.length,
    views: 1,
    columns: 1,
    unit: `sequences of ${maxLength} tokens`,
    example: (index) => ({ sentences: [Array.from(sequences[index]!)] }),
    keys: (index) => [String(index)],
  };
}
