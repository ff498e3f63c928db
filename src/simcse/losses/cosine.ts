/** The mean squared error of the cosine: loss = mean (cosᵢ − scoreᵢ)² for pairs whose scores are cosines, −1 to 1 (sentence-transformers' CosineSimilarityLoss). */
import { squaredError } from "../../kernels/pointwise/pointwise.ts";
import { reshape } from "../../kernels/reshape.ts";
import { mean } from "../../kernels/sum.ts";
import type { Loss } from "./loss.ts";
import { pairCosines } from "./pair-cosines.ts";

/** The loss for pairs whose score is the cosine to reach. */
export const cosine: Loss = {
  name: "cosine",
  views: [2],
  target: { kind: "score", width: 1, range: [-1, 1] },
  couples: false,
  record: (_, embeddings, { examples, targets }) => mean(squaredError(pairCosines(embeddings, examples), reshape(targets!, [examples]))),
};
