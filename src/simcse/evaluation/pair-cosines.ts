/** The cosine of each pair of texts, which scores the STS tasks and both kinds of pairs of one's own. */
import { type Encode, embedDistinct } from "./embed-distinct.ts";
import { cosine } from "./metrics/cosine.ts";

/**
 * Cosines of the texts of `pairs` [pairs], in float64; NaN for a vector that is zero or not finite. Every distinct text is encoded once.
 * `dimension`, where given, is checked. Throws like `embedDistinct`.
 */
export async function pairCosines(
  pairs: readonly { readonly a: string; readonly b: string }[],
  encode: Encode,
  dimension?: number,
): Promise<number[]> {
  const { vectors } = await embedDistinct(
    encode,
    pairs.flatMap(({ a, b }) => [a, b]),
    dimension,
  );
  return pairs.map(({ a, b }) => cosine(vectors.get(a)!, vectors.get(b)!));
}
