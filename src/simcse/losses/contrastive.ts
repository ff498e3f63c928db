/**
 * The contrastive loss for pairs that belong together or not (Hadsell et al. 2006), on d = 1 − cos:
 *
 *     loss = mean ½ · (label · d² + (1 − label) · max(0, margin − d)²)
 */
import { fill } from "../../kernels/fill.ts";
import { mul, relu, square, sub, weightedSum } from "../../kernels/pointwise/pointwise.ts";
import { reshape } from "../../kernels/reshape.ts";
import { mean } from "../../kernels/sum.ts";
import type { Loss } from "./loss.ts";
import { pairCosines } from "./pair-cosines.ts";

/** Pairs that do not belong together are pushed apart up to this distance, as in sentence-transformers. */
const margin = 0.5;

/** The loss for pairs with a label, 1 or 0. */
export const contrastive: Loss = {
  name: "contrastive",
  views: [2],
  target: { kind: "label", width: 1 },
  couples: false,
  needsDifferences: true,
  record(tape, embeddings, { examples, targets }) {
    const constant = (value: number) => fill(tape, [1], value);
    const labels = reshape(targets!, [examples]);
    const distance = sub(constant(1), pairCosines(embeddings, examples));
    const together = mul(square(distance), labels);
    const apart = mul(square(relu(sub(constant(margin), distance))), sub(constant(1), labels));
    return mean(weightedSum(together, apart, 0.5, 0.5));
  },
};
