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

/** Positions one sentence may have in a dropout key: key = logical sentence · this + position in the sentence. */
export const positionsPerSentence = 1024;
