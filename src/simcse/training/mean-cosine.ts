/**
 * The mean cosine of different training texts. In a model that has collapsed, as with a learning rate that is far too high, all vectors are
 * alike and it is 1.
 */
import { CapacityError } from "../../errors.ts";
import type { Encoder } from "../embedding/encoder.ts";
import type { TrainingSet } from "./training-set.ts";

/** Texts that are compared: enough to tell a collapse, few enough for a moment's work. */
const sampled = 64;

/** A sample of the examples' first sentences, as tokens, each different one once. */
function sampleOf(set: Pick<TrainingSet, "length" | "example">): (readonly number[])[] {
  const found = new Map<string, readonly number[]>();
  const stride = Math.max(1, Math.floor(set.length / sampled));
  for (let at = 0; at < set.length && found.size < sampled; at += stride) {
    const [ids] = set.example(at).sentences;
    found.set(ids!.join(" "), ids!);
  }
  return [...found.values()];
}

/** Null if there are no two different texts, or no room on the device for a batch of them. Throws what `encodeTokens` throws. */
export async function meanCosineOf(encoder: Encoder, set: Pick<TrainingSet, "length" | "example">): Promise<number | null> {
  const sample = sampleOf(set);
  if (sample.length < 2) return null;
  try {
    const { data, dimension } = await encoder.encodeTokens(sample, { normalize: true });
    return meanOfPairs(data, dimension);
  } catch (error) {
    if (error instanceof CapacityError) return null;
    throw error;
  }
}

/** Of n unit vectors, (‖Σv‖² − Σ‖v‖²) / (n² − n), in float64. */
function meanOfPairs(vectors: Float32Array, dimension: number): number {
  const total = new Float64Array(dimension);
  let squares = 0;
  for (let i = 0; i < vectors.length; i++) {
    total[i % dimension]! += vectors[i]!;
    squares += vectors[i]! ** 2;
  }
  const count = vectors.length / dimension;
  return (total.reduce((sum, value) => sum + value * value, 0) - squares) / (count * (count - 1));
}
