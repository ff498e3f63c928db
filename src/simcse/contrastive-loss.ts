/**
 * SimCSE's loss (Gao et al. 2021, equation 1): each sentence should find its own second view among the second views of the batch,
 *
 *     loss = mean_i cross-entropy(cos(z_i, z'_·) / τ, i)
 */
import { crossEntropy } from "../kernels/cross-entropy.ts";
import { matmul } from "../kernels/matmul.ts";
import { mean } from "../kernels/mean.ts";
import { normalize } from "../kernels/normalize.ts";
import type { Extent, Value } from "../kernels/operation.ts";
import { splitViews } from "../kernels/views.ts";

export interface ContrastiveLossOptions {
  readonly temperature: number;
  /** How many examples there are: half of the sentences. */
  readonly examples: Extent;
}

/** f32 [1] from `embeddings` f32 [2 · examples, hidden_size], the two views of an example being neighbours. */
export function contrastiveLoss(embeddings: Value, { temperature, examples }: ContrastiveLossOptions): Value {
  const [queries, keys] = splitViews(normalize(embeddings), 2, examples);
  const similarities = matmul(queries!, keys!, "nt", { scale: 1 / temperature });
  return mean(crossEntropy(similarities));
}
