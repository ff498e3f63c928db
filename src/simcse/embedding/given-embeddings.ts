/** Vectors that a call may take in place of texts. */
import { ShapeError } from "../../errors.ts";
import type { Embeddings } from "./embeddings.ts";
import type { Encoder } from "./encoder.ts";
import type { EncodeOptions } from "./encoder-options.ts";

export function isEmbeddings(of: Iterable<string> | Embeddings): of is Embeddings {
  return typeof of === "object" && of !== null && "data" in of;
}

/** The vectors of texts, or those given. Throws `ShapeError` unless given ones have the length of the model's. */
export async function embeddingsOf(
  of: string | Iterable<string> | Embeddings,
  encoder: Encoder,
  options: EncodeOptions,
): Promise<Embeddings> {
  if (typeof of === "string") return encoder.encode([of], options);
  if (!isEmbeddings(of)) return encoder.encode(of, options);
  if (of.dimension === encoder.dimension && of.data.length === of.length * of.dimension) return of;
  throw new ShapeError(
    `The embeddings are ${of.data.length} numbers for ${of.length} rows of ${of.dimension}; this model's rows have ${encoder.dimension}.`,
    "Encode both with the same model, as f32.",
  );
}
