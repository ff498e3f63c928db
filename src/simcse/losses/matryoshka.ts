/**
 * Matryoshka representations (Kusupati et al. 2022): the sum of a loss over the first dimensions of each embedding, for several lengths, so
 * that an embedding truncated to one of them remains useful.
 */
import type { Value } from "../../kernels/language/operation.ts";
import { add } from "../../kernels/pointwise/pointwise.ts";
import { slice } from "../../kernels/slice.ts";
import type { Loss } from "./loss.ts";

/** `loss` of the first `dimensions[i]` dimensions, summed over i. A target vector is truncated like the embedding. */
export function matryoshka(loss: Loss, dimensions: readonly number[]): Loss {
  return {
    ...loss,
    name: `${loss.name} at ${dimensions.join(", ")}`,
    record(tape, embeddings, batch) {
      const cut = (rows: Value, dimension: number) => (dimension === rows.shape[1] ? rows : slice(rows, 1, 0, dimension));
      return dimensions
        .map((dimension) =>
          loss.record(tape, cut(embeddings, dimension), {
            ...batch,
            targets: loss.target?.kind === "vector" ? cut(batch.targets!, dimension) : batch.targets,
          }),
        )
        .reduce((total, one) => add(total, one));
    },
  };
}
