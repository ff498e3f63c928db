/** Packed batches: the tables that describe sentences to kernels, made directly from lengths, keys and ids. */
import type { Tape } from "../../src/autograd/tape.ts";
import { positionsPerSentence, sentenceTable, tokenTable } from "../../src/kernels/batch.ts";
import type { BatchValues } from "../../src/nn/architectures/architecture.ts";

export interface PackedSentence {
  readonly length: number;
  /** Logical number of the sentence, which its dropout keys follow; its place in the batch if absent. */
  readonly logical?: number;
}

export interface PackedBatch {
  readonly lengths: readonly number[];
  readonly rows: number;
  /** u32 [rows, 4]: token id (0), position, sentence, dropout key. */
  readonly tokens: Uint32Array;
  /** u32 [sentences, 2]: first row, rows. */
  readonly sentences: Uint32Array;
  /** Dropout key of each row. */
  readonly keys: Uint32Array;
}

export function packedBatch(sentences: readonly PackedSentence[]): PackedBatch {
  const lengths = sentences.map(({ length }) => length);
  const rows = sentences.flatMap(({ length, logical }, sentence) =>
    Array.from({ length }, (_, position) => ({ position, sentence, key: (logical ?? sentence) * positionsPerSentence + position })),
  );
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + length, 0));
  return {
    lengths,
    rows: rows.length,
    tokens: Uint32Array.from(rows.flatMap(({ position, sentence, key }) => [0, position, sentence, key])),
    sentences: Uint32Array.from(lengths.flatMap((length, i) => [starts[i]!, length])),
    keys: Uint32Array.from(rows, ({ key }) => key),
  };
}

/** Rows `count` that form one sentence after another of the given length at most. */
export function batchOfRows(count: number, length: number): PackedBatch {
  const full = Math.floor(count / length);
  const rest = count % length;
  return packedBatch([...Array.from({ length: full }, () => ({ length })), ...(rest > 0 ? [{ length: rest }] : [])]);
}

/** The rows of one sentence of a batch. */
export function rowsOf<T extends Float32Array | Uint32Array>(values: T, batch: PackedBatch, sentence: number, width: number): T {
  const start = batch.sentences[2 * sentence]!;
  return values.subarray(start * width, (start + batch.lengths[sentence]!) * width) as T;
}

/** Inputs for a batch of at most this many tokens and sentences; their extents are `tokens` and `sentences`. */
export function batchInputs(tape: Tape, capacity: { tokens: number; sentences: number; longest?: number }): BatchValues {
  return {
    longest: capacity.longest ?? capacity.tokens,
    tokens: tape.input("tokens", tokenTable(tape.extent("tokens", capacity.tokens))),
    sentences: tape.input("sentences", sentenceTable(tape.extent("sentences", capacity.sentences))),
  };
}

/** The step's inputs for a batch. */
export function batchStep({ tokens, sentences, rows, lengths }: PackedBatch) {
  return { inputs: { tokens, sentences }, live: { tokens: rows, sentences: lengths.length } };
}
