/** Vectors that a call may take in place of texts. */
import { OptionError, ShapeError } from "../../errors.ts";
import type { Embeddings } from "./embeddings.ts";
import type { Encoder } from "./encoder.ts";
import type { EncodeOptions } from "./encoder-options.ts";
import { floatEmbeddings } from "./given-vectors.ts";

export function isEmbeddings(of: Iterable<string> | Embeddings): of is Embeddings {
  return typeof of === "object" && of !== null && "data" in of;
}

/**
 * The vectors of texts, or those given, as f32. Throws `ShapeError` unless given ones have the length of the model's, and `OptionError` for
 * one vector alone.
 */
export async function embeddingsOf(
  of: string | Iterable<string> | Embeddings,
  encoder: Encoder,
  options: EncodeOptions,
): Promise<Embeddings> {
  if (typeof of === "string") return encoder.encode([of], options);
  if (ArrayBuffer.isView(of))
    throw new OptionError(
      "One vector alone was given in the place of texts or embeddings.",
      "Give it as embeddings: { length: 1, dimension: vector.length, data: vector }.",
    );
  if (!isEmbeddings(of)) return encoder.encode(of, options);
  const given = floatEmbeddings(of);
  if (given.dimension === encoder.dimension) return given;
  throw new ShapeError(
    `The embeddings have ${given.dimension} numbers each; this model's have ${encoder.dimension}.`,
    "Encode both with the same model and the same truncation.",
  );
}
