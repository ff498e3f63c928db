/** The cosine of each pair of texts, which scores both kinds of pairs. */
import { type Encode, embedDistinct } from "../embed-distinct.ts";
import { cosine } from "../metrics/cosine.ts";

/** Cosines of the texts of `pairs` [pairs], in float64. Every distinct text is encoded once. */
export async function pairCosines(pairs: readonly { readonly a: string; readonly b: string }[], encode: Encode): Promise<number[]> {
  const { vectors } = await embedDistinct(
    encode,
    pairs.flatMap(({ a, b }) => [a, b]),
  );
  return pairs.map(({ a, b }) => cosine(vectors.get(a)!, vectors.get(b)!));
}
