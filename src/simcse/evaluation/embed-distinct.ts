/** Sentences to embeddings, each distinct sentence once. The encoder sorts by length and makes batches. */
import { ShapeError } from "../../errors.ts";

/**
 * Embeds sentences: returns f32 [sentences, dimension], row-major, one row per sentence in the given order. Rows need not be of unit
 * length. `maxLength` is the number of tokens to read of each; the model's own length if absent.
 */
export type Encode = (sentences: string[], options?: { readonly maxLength?: number }) => Promise<Float32Array>;

/** The f32 embedding [dimension] of each distinct sentence, in the order of first appearance. */
export interface DistinctEmbeddings {
  readonly dimension: number;
  readonly vectors: ReadonlyMap<string, Float32Array>;
}

/**
 * Encodes the distinct ones of `sentences` in one call.
 *
 * `dimension`, where given, is checked; otherwise it follows from the length of what `encode` returns.
 * @throws ShapeError when what `encode` returns is not a whole number of values for each sentence, or not of that dimension.
 */
export async function embedDistinct(encode: Encode, sentences: Iterable<string>, dimension?: number): Promise<DistinctEmbeddings> {
  const distinct = [...new Set(sentences)];
  const embeddings = await encode(distinct);
  const width = embeddings.length / distinct.length;
  if (!Number.isInteger(width) || width === 0 || width !== (dimension ?? width)) {
    throw new ShapeError(
      `The encoder returned ${embeddings.length} values for ${distinct.length} sentences, expected [${distinct.length}, ${dimension ?? "dimension"}].`,
      "Return one row of the same length for each sentence, in the order given.",
    );
  }
  const vectors = new Map(distinct.map((sentence, row) => [sentence, embeddings.subarray(row * width, (row + 1) * width)]));
  return { dimension: width, vectors };
}

/** How the two sides of a search are encoded, which differs for models with prompts. */
export interface SideEncoders {
  readonly encode: Encode;
  /** Encodes the queries; `encode` if absent. */
  readonly encodeQueries?: Encode;
  /** Encodes the texts that are searched; `encode` if absent. */
  readonly encodeDocuments?: Encode;
}

/** The vectors of queries, and of the texts that are searched. */
export interface SideEmbeddings {
  readonly dimension: number;
  readonly queries: ReadonlyMap<string, Float32Array>;
  readonly documents: ReadonlyMap<string, Float32Array>;
}

/** The vectors of both sides; one call where they are encoded alike, so that a text on both sides is encoded once. Throws like `embedDistinct`. */
export async function embedSides(
  queries: readonly string[],
  documents: readonly string[],
  { encode, encodeQueries = encode, encodeDocuments = encode }: SideEncoders,
): Promise<SideEmbeddings> {
  if (encodeQueries === encodeDocuments) {
    const { vectors, dimension } = await embedDistinct(encodeQueries, [...queries, ...documents]);
    return { dimension, queries: vectors, documents: vectors };
  }
  const { vectors, dimension } = await embedDistinct(encodeQueries, queries);
  return { dimension, queries: vectors, documents: (await embedDistinct(encodeDocuments, documents, dimension)).vectors };
}
