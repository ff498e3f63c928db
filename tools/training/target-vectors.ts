/** The option --target_vectors: training texts with the vectors of a teacher model. */
import { DataError } from "../../src/errors.ts";
import { formatCount } from "../../src/show.ts";
import type { TextWithVector } from "../../src/simcse/training/training-set.ts";
import { readVectors } from "../cli/vector-input.ts";
import type { TrainingExamples } from "./training-files.ts";

/** Pairs each text with its row. Throws `DataError` for examples of several texts, or a different number of rows. */
export async function withVectors({ kind, examples, held }: TrainingExamples, path: string): Promise<TextWithVector[]> {
  if (kind !== "sentences") {
    throw new DataError(
      `--target_vectors belongs to single texts; the training file holds ${kind}.`,
      "Say which column to take: --columns sent0=text.",
    );
  }
  const { length, dimension, data } = await readVectors(path);
  if (length !== examples.length) {
    throw new DataError(
      `${path} has ${formatCount(length)} rows for ${formatCount(examples.length)} texts${held ? " (some are held out)" : ""}.`,
      "Give one row for each text, in their order; no weights and no --eval_split.",
    );
  }
  return examples.map(({ texts }, i) => ({ text: texts[0]!, vector: data.subarray(i * dimension, (i + 1) * dimension) }));
}
