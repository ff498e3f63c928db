/** The data of a run: texts that are tokenised when they are needed, or sequences that were packed before. */
import { DataError } from "../../errors.ts";
import { numberIn } from "../../io/text/number.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import { stream } from "../../nn/random.ts";
import { plural, quoted, show } from "../../show.ts";
import { collected } from "../embedding/chunks.ts";
import { checkIterable, checkText } from "../embedding/texts.ts";
import type { LossTarget } from "../losses/loss.ts";
import type { TokenizedExample } from "./step/step-recording.ts";

/** A text and the target vector of its embedding, with the model's dimension. */
export interface TextWithVector {
  readonly text: string;
  readonly vector: ArrayLike<number>;
}

/**
 * A sentence; a pair that belongs together; a pair and a hard negative; a pair and its score, or a label of 1 or 0 that says whether it
 * belongs together; or a text and its vector.
 */
export type TrainingExample = string | readonly (string | number)[] | TextWithVector;

/** Examples for a library call: all at once, or as a stream. */
export type TrainingExamples = Iterable<TrainingExample> | AsyncIterable<TrainingExample>;

/** Examples to train on, tokenised on demand. */
export interface TrainingSet {
  /** The number of examples. */
  readonly length: number;
  /** Sentences per example. With one, there is no loss of embeddings: only masked words are predicted. */
  readonly views: number;
  /** The examples' target besides their sentences; null for none. */
  readonly target: LossTarget | null;
  /** An example's original texts. */
  readonly columns: number;
  /** What an example is called when examples are counted. */
  readonly unit: string;
  /** An example in the form for a step. */
  example(index: number): TokenizedExample;
  /** The keys that may not occur twice in a batch. */
  keys(index: number): readonly string[];
  /** Digests, so that a run does not go on with other data or another tokenizer. */
  digest(): SetDigest;
}

/** Whether examples have nothing for a loss of embeddings, so that only masked words are predicted. */
export function isOnlyMasked({ views, target }: Pick<TrainingSet, "views" | "target">): boolean {
  return views === 1 && target === null;
}

/** Short texts that differ where a set does. */
export interface SetDigest {
  /** For other examples or another order. */
  readonly examples: string;
  /** For other tokens of the same examples. */
  readonly tokens: string;
}

/** Examples whose tokens are in a digest: tokenizers differ in far fewer, and tokenising all would delay the first step. */
const digestedExamples = 1000;

const units = ["sentences", "pairs", "pairs with hard negatives"] as const;
const unitsWith = { score: "scored pairs", label: "labelled pairs", vector: "texts with vectors" } as const;

/** An example split into its parts. */
interface Row {
  readonly texts: readonly string[];
  /** The score or the vector's numbers; empty for neither. */
  readonly target: ArrayLike<number>;
}

/** Examples from any iterable as a list. Throws `DataError` for a value that is not iterable. */
export async function listExamples(examples: TrainingExamples): Promise<TrainingExample[]> {
  if (Array.isArray(examples)) return examples as TrainingExample[];
  if (typeof examples !== "object" || examples === null || !(Symbol.asyncIterator in examples || Symbol.iterator in examples)) {
    throw new DataError(
      `The examples are ${show(examples)}, expected a list or another iterable.`,
      "Give a list of sentences, of pairs, or of pairs with a hard negative.",
    );
  }
  return collected(examples);
}

/**
 * Examples for a loss of embeddings; a single sentence is its own pair. Throws `DataError`, naming the example by its number from 1, for
 * one that does not consist of texts or whose columns differ from the first one's, and if there are fewer than two or all have the same text.
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
  const width = rows[0]!.target.length;
  const odd = rows.findIndex(({ texts, target }) => texts.length !== columns || target.length !== width);
  if (odd >= 0) {
    throw new DataError(
      `Example ${odd + 1} has ${rowText(rows[odd]!)} and the first has ${rowText(rows[0]!)}.`,
      "Give one column (sentences), two (pairs) or three (pairs and a hard negative) in every example, and a score or a vector in all or none.",
    );
  }
  if (rows.every(({ texts }) => texts.every((text) => text.trim() === ""))) {
    throw new DataError("All training examples are empty texts.", "Give examples that hold sentences.");
  }
  checkDiffering(rows);
  if (columns === 3 && rows.every(({ texts }) => numberIn(texts[2]) !== null)) {
    throw new DataError(
      `The third texts of all examples are numbers, such as ${show(rows[0]!.texts[2])}.`,
      "Give scores as numbers and not as texts: [a, b, 0.8]. A third text is a hard negative.",
    );
  }
  const target = targetOf(rows);
  const idsOf = (text: string) => tokenizer.encode(text, maxLength);
  let digest: SetDigest | undefined;
  return {
    length: rows.length,
    views: target?.kind === "vector" ? 1 : Math.max(2, columns),
    target,
    columns,
    unit: target ? unitsWith[target.kind] : units[columns - 1]!,
    example(index) {
      const { texts, target } = rows[index]!;
      const ids = texts.map(idsOf);
      if (width > 0) return { sentences: ids, target };
      return { sentences: ids.length === 1 ? [ids[0]!, ids[0]!] : ids };
    },
    keys: (index) => rows[index]!.texts,
    digest: () =>
      (digest ??= {
        // Of a target vector the first number is enough: the vector belongs to the text.
        examples: digestOf(rows.map(({ texts, target }) => (target.length === 0 ? texts : [...texts, String(target[0])]))),
        tokens: digestOf(rows.slice(0, digestedExamples).map(({ texts }) => texts.map((text) => idsOf(text).join(" ")))),
      }),
  };
}

/** A digest of parts that depends on their order. */
function digestOf(parts: Iterable<readonly string[]>): string {
  let mixed = 0;
  for (const part of parts) for (const text of part) mixed = stream(mixed, text)(part.length);
  return mixed.toString(16).padStart(8, "0");
}

/**
 * Throws `DataError` if nothing can be told apart: the same texts in all examples, or without a target the same first or second text, which
 * would then be its own negative everywhere.
 */
function checkDiffering(rows: readonly Row[]): void {
  const [first] = rows as [Row, ...Row[]];
  const same = first.texts.map((text, column) => rows.every(({ texts }) => texts[column] === text));
  const column = same.indexOf(true);
  if (column < 0 || column > 1 || (first.target.length > 0 && same.includes(false))) return;
  const which = first.texts.length === 1 ? "texts" : `${["first", "second"][column]} texts`;
  throw new DataError(
    `The ${which} of all ${rows.length} examples are the same: ${quoted(first.texts[column]!)}. There is nothing to tell it from.`,
    "Give examples with different texts; check which columns are read.",
  );
}

/** The target of the examples besides their texts. Scores that are all 0 or 1 are labels. */
function targetOf(rows: readonly Row[]): LossTarget | null {
  const { texts, target } = rows[0]!;
  if (target.length === 0) return null;
  if (texts.length === 1) return { kind: "vector", width: target.length };
  const scores = rows.map(({ target }) => target[0]!);
  const isLabel = scores.every((score) => score === 0 || score === 1);
  const range = scores.reduce<readonly [number, number]>(
    ([least, most], score) => [Math.min(least, score), Math.max(most, score)],
    [scores[0]!, scores[0]!],
  );
  return { kind: isLabel ? "label" : "score", width: 1, range };
}

function rowText({ texts, target }: Row): string {
  const count = plural(texts.length, "column");
  if (target.length === 0) return count;
  return `${count} and ${texts.length === 1 ? `a vector of ${target.length} numbers` : "a score"}`;
}

function parseExample(example: TrainingExample, index: number): Row {
  if (typeof example === "object" && example !== null && "vector" in example) return parseVector(example, index);
  const parts: readonly unknown[] = Array.isArray(example) ? example : [example];
  const scored = parts.length === 3 && typeof parts[2] === "number";
  const texts = scored ? parts.slice(0, -1) : parts;
  const wrong = texts.findIndex((text) => typeof text !== "string");
  if (wrong >= 0 || texts.length < 1 || texts.length > 3) {
    const found = wrong >= 0 ? `${kindOf(texts[wrong])} in the place of text ${wrong + 1}` : `${texts.length} texts`;
    throw new DataError(
      `Example ${index + 1} has ${found}.`,
      "Give a sentence, or a list of two (a pair) or three (a pair and a hard negative, or a pair and its score as a number), or { text, vector }.",
    );
  }
  const score = scored ? (parts[2] as number) : null;
  if (score !== null && !Number.isFinite(score)) {
    throw new DataError(`Example ${index + 1} has the score ${score}.`, "Give a finite number.");
  }
  return { texts: texts as readonly string[], target: score === null ? [] : [score] };
}

function parseVector({ text, vector }: TextWithVector, index: number): Row {
  const place = `Example ${index + 1}`;
  if (typeof text !== "string") throw new DataError(`${place} has ${kindOf(text)} as its text.`, "Give { text, vector } with a text.");
  if (typeof vector !== "object" || vector === null || !(vector.length > 0)) {
    throw new DataError(`${place} has no vector.`, "Give { text, vector } with a list of numbers.");
  }
  for (let i = 0; i < vector.length; i++) {
    if (!Number.isFinite(vector[i])) throw new DataError(`${place} has ${vector[i]} in its vector.`, "Give finite numbers.");
  }
  return { texts: [text], target: vector };
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "a list" : value === undefined ? "nothing" : `a value of type ${typeof value}`;
}

/** A set whose examples are tokenised once and kept, and the number of tokens of the longest sentence. */
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

/** Whether a sentence occurs in more than one example. */
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
 * Sequences for masked language modelling: consecutive texts, each ended by [SEP], cut into pieces of `maxLength` tokens that begin with
 * [CLS]. Throws `DataError` when there are fewer than two.
 */
export async function packedSet(
  texts: Iterable<string> | AsyncIterable<string>,
  tokenizer: Tokenizer,
  maxLength: number,
): Promise<TrainingSet> {
  checkIterable("texts", texts);
  const { clsId, sepId } = tokenizer;
  let position = 0;
  const sequences: Uint32Array[] = [];
  /** The sequence that is being filled, and how many of its places are. */
  const open = new Uint32Array(maxLength).fill(clsId);
  let length = 1;
  const close = () => {
    sequences.push(open.slice(0, length));
    length = 1;
  };
  for await (const text of texts) {
    checkText("texts", text, position++);
    const ids = tokenizer.encode(text, Number.MAX_SAFE_INTEGER).slice(1, -1);
    if (ids.length === 0) continue;
    ids.push(sepId);
    for (const id of ids) {
      open[length++] = id;
      if (length === maxLength) close();
    }
  }
  if (length > 1) close();
  if (sequences.length < 2) {
    throw new DataError(
      `The text fills ${sequences.length} sequences of ${maxLength} tokens.`,
      "Give more text, or a smaller `maxLength`.",
    );
  }
  let digest: SetDigest | undefined;
  return {
    length: sequences.length,
    views: 1,
    target: null,
    columns: 1,
    unit: `sequences of ${maxLength} tokens`,
    example: (index) => ({ sentences: [Array.from(sequences[index]!)] }),
    keys: (index) => [String(index)],
    digest() {
      if (digest === undefined) {
        const tokens = digestOf(sequences.map((sequence) => [sequence.join(" ")]));
        digest = { examples: tokens, tokens };
      }
      return digest;
    },
  };
}
