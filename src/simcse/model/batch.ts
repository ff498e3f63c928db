/**
 * Packed batches: the tables of `kernels/batch.ts` and the gather indices of `kernels/embedding.ts`, declared on a tape and filled on the
 * host. Sentences are consecutive, without padding.
 */
import type { StepInput } from "../../autograd/step-input.ts";
import type { Tape } from "../../autograd/tape.ts";
import { CapacityError, OptionError } from "../../errors.ts";
import type { TokenIds } from "../../io/tokenizer/threads.ts";
import { dropoutKey, positionsPerSentence, sentenceTable, tokenTable } from "../../kernels/batch.ts";
import { gatherOrder, gatherRuns } from "../../kernels/embedding.ts";
import type { Value } from "../../kernels/language/operation.ts";
import type { BatchValues, TransformerConfig } from "../../nn/architectures/architecture.ts";
import { firstPosition, uncountedToken } from "../../nn/architectures/architectures.ts";

/** The most a batch may hold. */
export interface BatchCapacity {
  readonly sentences: number;
  readonly tokens: number;
  /** Tokens per sentence; as many as the positions allow if absent. */
  readonly longest?: number;
  /** Rows of the word embedding and of the position embedding. */
  readonly vocabulary: number;
  readonly positions: number;
  /** The row of the position embedding for a sentence's first token: 0 if absent, or one more than the id of padding. */
  readonly firstPosition?: number;
  /** The token that has the row with its own id and is not counted (padding, in RoBERTa and MPNet); none if absent or null. */
  readonly uncounted?: number | null;
}

/** The part of a capacity that a model's config sets. */
export function tableSizes(config: TransformerConfig): Pick<BatchCapacity, "vocabulary" | "positions" | "firstPosition" | "uncounted"> {
  const { vocab_size: vocabulary, max_position_embeddings: positions } = config;
  return { vocabulary, positions, firstPosition: firstPosition(config), uncounted: uncountedToken(config) };
}

/** Declares a sentence table without the tokens of the prompt before every text; `withoutPrompt` fills it. */
export function declarePooledSentences(tape: Tape, capacity: BatchCapacity): Value {
  return tape.input("pooled sentences", sentenceTable(tape.extent("sentences", capacity.sentences)));
}

/** The input of `declarePooledSentences`: each sentence without its first `promptTokens` tokens, but at least its last token. */
export function withoutPrompt(sentences: Uint32Array, promptTokens: readonly number[]): Uint32Array {
  return sentences.map((word, i) => {
    const left = Math.min(promptTokens[i >> 1]!, sentences[i | 1]! - 1);
    return i % 2 === 0 ? word + left : word - left;
  });
}

/** The inputs that a batch has. */
export interface BatchInputs {
  /** The gather indices, for the gradients of the embeddings. */
  readonly indices: boolean;
  /** Before the inputs' names, for a second batch of the same sentences with other tokens; nothing if absent. */
  readonly prefix?: string;
}

/** Declares a batch's inputs: `tokens` and `sentences`, and the gather indices if wanted. */
export function declareBatch(tape: Tape, capacity: BatchCapacity, { indices, prefix = "" }: BatchInputs): BatchValues {
  const tokenRows = tape.extent("tokens", capacity.tokens);
  const tokens = tape.input(`${prefix}tokens`, tokenTable(tokenRows));
  const sentences = tape.input(`${prefix}sentences`, sentenceTable(tape.extent("sentences", capacity.sentences)));
  const { firstPosition = 0, longest = capacity.positions - firstPosition } = capacity;
  if (!indices) return { tokens, sentences, longest };
  const index = (name: string, distinct: number) => ({
    order: tape.input(`${prefix}${name} order`, gatherOrder(tokenRows)),
    runs: tape.input(`${prefix}${name} runs`, gatherRuns(tape.extent(`${prefix}distinct ${name}s`, Math.min(distinct, capacity.tokens)))),
  });
  return {
    tokens,
    sentences,
    longest,
    indices: { word: index("word", capacity.vocabulary), position: index("position", capacity.positions) },
  };
}

/** A tokenised sentence. */
export interface PackedSentence {
  /** With special tokens; at most as many as the model has positions. */
  readonly ids: TokenIds;
  /**
   * Its number in the whole batch, which its dropout masks depend on. It does not depend on how the batch is packed or split into chunks.
   */
  readonly key: number;
}

/** Fills batches into arrays that are reused, so that packing a batch allocates almost nothing. */
export class BatchPacker {
  readonly #capacity: BatchCapacity;
  readonly #tokens: Uint32Array;
  readonly #sentences: Uint32Array;
  /** For each gather index, its name and the column of its ids; none without indices. */
  readonly #runs: readonly (readonly [name: string, column: 0 | 1, builder: RunBuilder])[];
  readonly #prefix: string;

  /** For a batch that was declared with the same options. */
  constructor(capacity: BatchCapacity, { indices, prefix = "" }: BatchInputs) {
    this.#capacity = capacity;
    this.#prefix = prefix;
    this.#tokens = new Uint32Array(capacity.tokens * 4);
    this.#sentences = new Uint32Array(capacity.sentences * 2);
    const { tokens, vocabulary, positions } = capacity;
    this.#runs = indices
      ? [
          ["word", 0, new RunBuilder(tokens, vocabulary)],
          ["position", 1, new RunBuilder(tokens, positions)],
        ]
      : [];
  }

  /**
   * The step input of a batch. The next call reuses its arrays. Throws `CapacityError` when the batch is too large, or a sentence is longer
   * than the model's positions, and `OptionError` for a token that is not in the vocabulary.
   */
  pack(sentences: readonly PackedSentence[]): Required<Pick<StepInput, "inputs" | "live">> {
    const capacity = this.#capacity;
    const prefix = this.#prefix;
    const { firstPosition = 0, longest = capacity.positions - firstPosition, uncounted = null, vocabulary } = capacity;
    const table = this.#tokens;
    let row = 0;
    for (let sentence = 0; sentence < sentences.length; sentence++) {
      const { ids, key } = sentences[sentence]!;
      const { length } = ids;
      if (length > longest) {
        throw new CapacityError(
          `A sentence has ${length} tokens; the batch takes at most ${longest}.`,
          "Truncate sentences to max_seq_length.",
        );
      }
      if (sentence >= capacity.sentences || row + length > capacity.tokens) {
        throw new CapacityError(
          `The batch exceeds ${capacity.sentences} sentences or ${capacity.tokens} tokens.`,
          "Compile the program for larger batches, or pack fewer sentences.",
        );
      }
      this.#sentences[sentence * 2] = row;
      this.#sentences[sentence * 2 + 1] = length;
      let next = firstPosition;
      for (let position = 0, word = row * 4; position < length; position++, word += 4) {
        const id = ids[position]!;
        if (!(Number.isInteger(id) && id >= 0 && id < vocabulary)) throw unknownToken(id, position, capacity);
        table[word] = id;
        table[word + 1] = id === uncounted ? id : next++;
        table[word + 2] = sentence;
        // The keys of a block of positions are consecutive.
        table[word + 3] = position % positionsPerSentence === 0 ? dropoutKey(key, position) : table[word - 1]! + 1;
      }
      row += length;
    }
    const inputs: Record<string, Uint32Array> = {
      [`${prefix}tokens`]: table.subarray(0, row * 4),
      [`${prefix}sentences`]: this.#sentences.subarray(0, sentences.length * 2),
    };
    const live: Record<string, number> = { tokens: row, sentences: sentences.length };
    for (const [name, column, builder] of this.#runs) {
      const distinct = builder.build(table, column, row);
      live[`${prefix}distinct ${name}s`] = distinct;
      inputs[`${prefix}${name} order`] = builder.order.subarray(0, row);
      inputs[`${prefix}${name} runs`] = builder.runs.subarray(0, distinct * 4);
    }
    return { inputs, live };
  }
}

function unknownToken(id: unknown, position: number, { vocabulary }: BatchCapacity): OptionError {
  return new OptionError(
    `Token ${position} of a sentence is ${String(id)}; the model's tokens are 0 to ${vocabulary - 1}.`,
    "Tokenise with the tokenizer that belongs to the model.",
  );
}

/**
 * Sorts a batch's rows by one column of its token table. It is a counting sort, because ids are small; a bit for each id says which occur,
 * so that a step does not walk over a whole vocabulary.
 */
class RunBuilder {
  readonly order: Uint32Array;
  readonly runs: Uint32Array;
  /** Rows of each id, then where its next row goes; zeros between two batches. */
  readonly #next: Uint32Array;
  readonly #occurs: Uint32Array;

  /** For ids below `ids`. */
  constructor(tokens: number, ids: number) {
    this.order = new Uint32Array(tokens);
    this.runs = new Uint32Array(Math.min(tokens, ids) * 4);
    this.#next = new Uint32Array(ids);
    this.#occurs = new Uint32Array(Math.ceil(ids / 32));
  }

  /** Fills `order` and `runs` for the first `rows` rows; returns the number of runs. */
  build(table: Uint32Array, column: 0 | 1, rows: number): number {
    const next = this.#next;
    const occurs = this.#occurs;
    const { order, runs } = this;
    for (let row = 0; row < rows; row++) {
      const id = table[row * 4 + column]!;
      next[id]!++;
      occurs[id >> 5]! |= 1 << (id & 31);
    }
    let count = 0;
    let start = 0;
    for (let word = 0; word < occurs.length; word++) {
      for (let bits = occurs[word]!; bits !== 0; bits &= bits - 1) {
        const id = word * 32 + 31 - Math.clz32(bits & -bits);
        const length = next[id]!;
        runs[count * 4] = id;
        runs[count * 4 + 1] = start;
        runs[count * 4 + 2] = length;
        count++;
        next[id] = start;
        start += length;
      }
    }
    occurs.fill(0);
    for (let row = 0; row < rows; row++) order[next[table[row * 4 + column]!]!++] = row;
    for (let run = 0; run < count; run++) next[runs[run * 4]!] = 0;
    return count;
  }
}
