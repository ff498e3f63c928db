/**
 * The tables that describe a packed batch to kernels. Tokens of all sentences stand one after another as rows; only these tables know where
 * a sentence begins.
 */
import { type Dimension, type Type, u32 } from "./language/operation.ts";

/** Per token row, four words: token id, position id, index of its sentence in the batch, dropout key. */
export const tokenTable = (tokens: Dimension): Type => u32(tokens, 4);

/** Per sentence, two words: first row, number of rows. */
export const sentenceTable = (sentences: Dimension): Type => u32(sentences, 2);

/** The field of a row of a token table, in WGSL. */
export const tokenField = { id: "x", position: "y", sentence: "z", key: "w" } as const;

/** Dropout keys of a sentence that follow one another: those of its first positions. Later positions lie in blocks of as many, far apart. */
export const positionsPerSentence = 1024;

/** Where the keys of the next block of positions begin: after those of 65,536 sentences. */
const blockKeys = 2 ** 26;

/**
 * The dropout key of a token, which its masks depend on, as a u32: of sentence number `sentence` of the whole batch, at `position` in it. Keys differ for up to
 * 65,536 sentences and 65,536 positions.
 */
export function dropoutKey(sentence: number, position: number): number {
  const block = Math.floor(position / positionsPerSentence);
  return (block * blockKeys + sentence * positionsPerSentence + (position % positionsPerSentence)) >>> 0;
}

/** WGSL: the same for an expression of a first key, a multiple of `positionsPerSentence`, and one of a position, in sentences of up to `longest` tokens. */
export function dropoutKeyOf(first: string, position: string, longest: number): string {
  return longest <= positionsPerSentence
    ? `${first} + ${position}`
    : `${first} + (${position}) % ${positionsPerSentence}u + (${position}) / ${positionsPerSentence}u * ${blockKeys}u`;
}
