/**
 * CoSENT (Su 2022): pairs with a higher score should have the higher cosine. Over all pairs of examples (i, j) with scoreᵢ > scoreⱼ,
 *
 *     loss = log(1 + Σ exp(λ · (cosⱼ − cosᵢ)))
 *
 * Only the order of scores matters, so they may have any scale.
 */
import { orderLoss } from "../../kernels/order-loss.ts";
import { scale } from "../../kernels/pointwise/operation.ts";
import { reshape } from "../../kernels/reshape.ts";
import type { Loss } from "./loss.ts";
import { pairCosines } from "./pair-cosines.ts";

/** λ, as in sentence-transformers. */
const cosineScale = 20;

/** The loss for pairs with a score. */
export const cosent: Loss = {
  name: "cosent",
  views: [2],
  target: { kind: "score", width: 1 },
  couples: true,
  needsDifferences: true,
  record: (_, embeddings, { examples, targets }) =>
    orderLoss(scale(pairCosines(embeddings, examples), cosineScale), reshape(targets!, [examples])),
};
