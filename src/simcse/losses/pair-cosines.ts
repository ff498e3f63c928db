/** Cosines of pairs, used by the losses for scored and labelled pairs. */
import type { Extent, Value } from "../../kernels/language/operation.ts";
import { normalize } from "../../kernels/normalize.ts";
import { mul } from "../../kernels/pointwise/pointwise.ts";
import { sum } from "../../kernels/sum.ts";
import { splitViews } from "../../kernels/views.ts";

/** f32 [examples]: the cosine of both sentences of each example, from `embeddings` f32 [2 · examples, hidden_size]. */
export function pairCosines(embeddings: Value, examples: Extent): Value {
  const [a, b] = splitViews(normalize(embeddings), 2, examples);
  return sum(mul(a!, b!), 1);
}
