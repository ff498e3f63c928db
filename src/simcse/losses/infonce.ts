/**
 * SimCSE's losses (Gao et al. 2021). Each sentence should find its own second view (the same sentence again, or the one it was paired with)
 * among the second views of the batch, equation 1; with hard negatives, also among all hard negatives of the batch, equation 5:
 *
 *     loss = mean_i cross-entropy([cos(z_i, z⁺_·) / τ | cos(z_i, z⁻_·) / τ + w · [i = ·]], i)
 */
import { crossEntropy } from "../../kernels/cross-entropy.ts";
import type { Extent, Value } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import { normalize } from "../../kernels/normalize.ts";
import { weightedSum } from "../../kernels/pointwise/pointwise.ts";
import { mean } from "../../kernels/sum.ts";
import { splitViews } from "../../kernels/views.ts";
import type { Loss } from "./loss.ts";

/** The constants of InfoNCE, SimCSE's loss. */
export interface InfoNceOptions {
  /** τ, 0.05 in the paper. */
  readonly temperature: number;
  /** w, the log of the weight of a sentence's own hard negative; 0 if absent. */
  readonly hardNegativeWeight?: number;
  /** Share of the target that is spread evenly over all keys; 0 if absent. */
  readonly labelSmoothing?: number;
  /** Also let each second view find its first one among all first views, and average both directions; false if absent. */
  readonly symmetric?: boolean;
}

/** The loss for pairs, and for pairs with a hard negative. */
export function infoNce(options: InfoNceOptions): Loss {
  return {
    name: "infonce",
    views: [2, 3],
    target: null,
    couples: true,
    record: (_, embeddings, { examples, views }) => contrastiveLoss(embeddings, { ...options, examples, views }),
  };
}

/** Options of `contrastiveLoss`. */
export interface ContrastiveLossOptions extends InfoNceOptions {
  /** The number of examples. */
  readonly examples: Extent;
  /** Sentences per example: 2, or 3 with a hard negative; 2 if absent. */
  readonly views?: number;
}

/** f32 [1] from `embeddings` f32 [views · examples, hidden_size], where the views of an example are neighbours. */
export function contrastiveLoss(
  embeddings: Value,
  { temperature, examples, views = 2, hardNegativeWeight = 0, labelSmoothing = 0, symmetric = false }: ContrastiveLossOptions,
): Value {
  const [queries, keys, hardNegatives] = splitViews(normalize(embeddings), views, examples);
  const similarities = (from: Value, to: Value) => matmul(from, to, "nt", { scale: 1 / temperature });
  const hard = hardNegatives ? { hard: similarities(queries!, hardNegatives), hardWeight: hardNegativeWeight } : {};
  const forward = mean(crossEntropy(similarities(queries!, keys!), { ...hard, smoothing: labelSmoothing }));
  if (!symmetric) return forward;
  return weightedSum(forward, mean(crossEntropy(similarities(keys!, queries!), { smoothing: labelSmoothing })), 0.5, 0.5);
}
