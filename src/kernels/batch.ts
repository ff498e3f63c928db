/**
 * The tables that describe a packed batch to kernels. The tokens of all sentences are consecutive rows; only these tables say where a
 * sentence begins.
 */
import { type Dimension, type Type, u32 } from "./language/operation.ts";

/** Four words per token row: token id, position id, index of its sentence in the batch, dropout key. */
export const tokenTable = (tokens: Dimension): Type => u32(tokens, 4);

/** Two words per sentence: first row, number of rows. */
export const sentenceTable = (sentences: Dimension): Type => u32(sentences, 2);

/** The field of a row of a token table, in WGSL. */
export const tokenField = { id: "x", position: "y", sentence: "z", key: "w" } as const;

/**
 * How many dropout keys of a sentence are consecutive: those of its first positions. Later positions are in blocks of the same size, far
 * apart.
 */
export const positionsPerSentence = 1024;

/** Where the keys of the next block of positions begin: after those of 65,536 sentences. */
const blockKeys = 2 ** 26;

/**
 * The dropout key of a token, a u32 that its masks depend on: of sentence number `sentence` in the whole batch, at `position` in it. Keys
 * are unique for up to 65,536 sentences and 65,536 positions.
 */
export function dropoutKey(sentence: number, position: number): number {
  const block = Math.floor(position / positionsPerSentence);
  return (block * blockKeys + sentence * positionsPerSentence + (position % positionsPerSentence)) >>> 0;
}

/**
 * The same in WGSL, for an expression of a first key (a multiple of `positionsPerSentence`) and one of a position, in sentences of up to
 * `longest` tokens.
 */
export function dropoutKeyOf(first: string, position: string, longest: number): string {
  return longest <= positionsPerSentence
    ? `${first} + ${position}`
    : `${first} + (${position}) % ${positionsPerSentence}u + (${position}) / ${positionsPerSentence}u * ${blockKeys}u`;
}
