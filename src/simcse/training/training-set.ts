/** What a run trains on: texts that are tokenised when their turn comes, or sequences that were packed before. */
import { DataError } from "../../errors.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import type { LossTarget } from "../losses/loss.ts";
import type { TokenizedExample } from "./step-recording.ts";

/** A sentence; a pair that belongs together; a pair and a hard negative; or a pair and its score. */
export type TrainingExample = string | readonly (string | number)[];

/** Examples as a library call takes them: all at once, or as they are read. */
export type TrainingExamples = Iterable<TrainingExample> | AsyncIterable<TrainingExample>;

export interface TrainingSet {
  /** The number of examples. */
  readonly length: number;
  /** Sentences of an example. With one there is no loss of embeddings: only masked words are restored. */
  readonly views: number;
  /** What an example says beside its sentences; null for nothing. */
  readonly target: LossTarget | null;
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

/** An example taken apart. */
interface Row {
  readonly texts: readonly string[];
  readonly score: number | null;
}

/** Examples from anywhere as a list. Throws `DataError` for what is no iterable. */
export async function listExamples(examples: TrainingExamples): Promise<TrainingExample[]> {
  if (Array.isArray(examples)) return examples as TrainingExample[];
  if (typeof examples !== "object" || examples === null || !(Symbol.asyncIterator in examples || Symbol.iterator in examples)) {
    throw new DataError(
      `The examples are ${examples === null ? "null" : `a ${typeof examples}`}, expected a list or another iterable.`,
      "Give a list of sentences, of pairs, or of pairs with a hard negative.",
    );
  }
  const list: TrainingExample[] = [];
  for await (const example of examples) list.push(example);
  return list;
}

/**
 * Examples for a loss of embeddings; a sentence on its own is its own pair. Throws `DataError`, naming the example by its number from 1, for one that is not of
 * texts or differs from the first in its columns, and where there are fewer than two.
 */
export function exampleSet(examples: readonly TrainingExample[], tokenizer: Tokenizer, maxLength: number): TrainingSet {
  if (examples.length < 2) {
    throw new DataError(
      `Contrast needs at least 2 training examples, found ${examples.length}.`,
      "Give a file with one sentence a line, or a table of pairs.",
    );
  }
  const rows = examples.map(parseExample);
  const columns = rows[0]!.texts.length;
  const scored = rows[0]!.score !== null;
  const odd = rows.findIndex(({ texts, score }) => texts.length !== columns || (score !== null) !== scored);
  if (odd >= 0) {
    const shape = ({ texts, score }: Row) =>
      `${texts.length} column${texts.length === 1 ? "" : "s"}${score === null ? "" : " and a score"}`;
    throw new DataError(
      `Example ${odd + 1} has ${shape(rows[odd]!)} and the first has ${shape(rows[0]!)}.`,
      "Give one column (sentences), two (pairs) or three (pairs and a hard negative) in every example.",
    );
  }
  if (rows.every(({ texts }) => texts.every((text) => text.trim() === ""))) {
    throw new DataError("All training examples are empty texts.", "Give examples that hold sentences.");
  }
  return {
    length: rows.length,
    views: Math.max(2, columns),
    target: scored ? { kind: "score", width: 1 } : null,
    columns,
    unit: scored ? "scored pairs" : units[columns - 1]!,
    example(index) {
      const { texts, score } = rows[index]!;
      const ids = texts.map((text) => tokenizer.encode(text, maxLength));
      return { sentences: ids.length === 1 ? [ids[0]!, ids[0]!] : ids, ...(score !== null && { target: [score] }) };
    },
    keys: (index) => rows[index]!.texts,
  };
}

function parseExample(example: TrainingExample, index: number): Row {
  const parts: readonly unknown[] = Array.isArray(example) ? example : [example];
  const score = parts.length === 3 && typeof parts[2] === "number" ? parts[2] : null;
  const texts = score === null ? parts : parts.slice(0, -1);
  const wrong = texts.findIndex((text) => typeof text !== "string");
  if (wrong >= 0 || texts.length < 1 || texts.length > 3) {
    const found = wrong >= 0 ? `${kindOf(texts[wrong])} in the place of text ${wrong + 1}` : `${texts.length} texts`;
    throw new DataError(
      `Example ${index + 1} has ${found}.`,
      "Give a sentence, or a list of two (a pair) or three (a pair and a hard negative, or a pair and its score as a number).",
    );
  }
  if (score !== null && !Number.isFinite(score)) {
    throw new DataError(`Example ${index + 1} has the score ${score}.`, "Give a finite number.");
  }
  return { texts: texts as readonly string[], score };
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "a list" : value === undefined ? "nothing" : `a value of type ${typeof value}`;
}

/** A set whose examples are tokenised once and kept, and the tokens that the longest sentence has. */
export function tokenizedSet(set: TrainingSet): TrainingSet & { readonly longest: number } {
  const kept = Array.from({ length: set.length }, (_, index) => {
    const { sentences, ...target } = set.example(index);
    const ends: number[] = [];
    for (const ids of sentences) ends.push((ends.at(-1) ?? 0) + ids.length);
    return { ids: Uint32Array.from(sentences.flat()), ends, target };
  });
  const longest = kept.reduce((most, { ends }) => ends.reduce((own, end, i) => Math.max(own, end - (ends[i - 1] ?? 0)), most), 0);
  return {
    ...set,
    longest,
    example(index) {
      const { ids, ends, target } = kept[index]!;
      return { sentences: ends.map((end, i) => Array.from(ids.subarray(ends[i - 1] ?? 0, end))), ...target };
    },
  };
}

/** Whether a sentence stands in more than one example. */
export function repeatsSentences(set: Pick<TrainingSet, "length" | "keys">): boolean {
  const seen = new Set<string>();
  for (let index = 0; index < set.length; index++) {
    const own = new Set(set.keys(index));
    for (const key of own) {
      if (seen.has(key)) return true;
      seen.add(key);
    }
  }
  return false;
}

/**
 * Sequences for masked language modelling: texts one after another, each ended by [SEP], cut into pieces of `maxLength` tokens that begin with
 * [CLS]. Throws `DataError` when there are fewer than two.
 */
export async function packedSet(
  texts: Iterable<string> | AsyncIterable<string>,
  tokenizer: Tokenizer,
  maxLength: number,
): Promise<TrainingSet> {
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
      "Give more text, or a smaller `maxLength`.",
    );
  }
  return {
    length: sequences.length,
    views: 1,
    target: null,
    columns: 1,
    unit: `sequences of ${maxLength} tokens`,
    example: (index) => ({ sentences: [Array.from(sequences[index]!)] }),
    keys: (index) => [String(index)],
  };
}
