/** Texts with their teacher's vectors, as examples to train on. */
import { DataError } from "../../errors.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import type { Embeddings } from "../embedding/embeddings.ts";
import { promptOf, type TextPreparation } from "../embedding/prompts.ts";
import { exampleSet, type TrainingSet } from "../training/training-set.ts";

/** How a student reads texts: when it learns as when it embeds. */
interface StudentReading {
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
  readonly preparation: TextPreparation;
}

/** Throws `DataError` unless there is one vector for each text, and what `exampleSet` throws. */
export function distillationSet(
  texts: readonly string[],
  { length, dimension, data }: Embeddings,
  { tokenizer, maxLength, preparation }: StudentReading,
): TrainingSet {
  if (!(data instanceof Float32Array)) {
    throw new DataError(
      "The teacher is neither a model nor vectors.",
      "Give a loaded model, or { length, dimension, data } as encode gives them.",
    );
  }
  if (length !== texts.length || data.length !== length * dimension) {
    throw new DataError(`There are ${length} vectors for ${texts.length} texts.`, "Give one vector for each text, in their order.");
  }
  const prompt = promptOf(preparation, {});
  const examples = texts.map((text, i) => ({ text: prompt + text, vector: data.subarray(i * dimension, (i + 1) * dimension) }));
  return exampleSet(examples, tokenizer, maxLength);
}
