/** The cosine of each pair of texts, which scores the STS tasks and both kinds of pairs of one's own. */
import { firstNonFinite } from "../../finite.ts";
import { type Encode, embedDistinct } from "./embed-distinct.ts";
import { cosine } from "./metrics/cosine.ts";

interface PairCosinesOptions {
  /** The length of a vector, which is then checked. */
  readonly dimension?: number | undefined;
  /** The cosine of a vector of zeros with any other; 0 if absent, as in sentence-transformers. */
  readonly ofZeros?: number;
}

/**
 * Cosines of the texts of `pairs` [pairs], in float64; NaN for a vector that is not finite. Every distinct text is encoded once. Throws like
 * `embedDistinct`.
 */
export async function pairCosines(
  pairs: readonly { readonly a: string; readonly b: string }[],
  encode: Encode,
  { dimension, ofZeros = 0 }: PairCosinesOptions = {},
): Promise<number[]> {
  const { vectors } = await embedDistinct(
    encode,
    pairs.flatMap(({ a, b }) => [a, b]),
    dimension,
  );
  return pairs.map((pair) => {
    const [a, b] = [vectors.get(pair.a)!, vectors.get(pair.b)!];
    const value = cosine(a, b);
    return Number.isNaN(value) && firstNonFinite(a) === -1 && firstNonFinite(b) === -1 ? ofZeros : value;
  });
}
