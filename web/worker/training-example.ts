/** Examples as the engine trains on them. */
import type { Example, TrainingExample } from "simcse-webgpu/browser";

/** An example as `train` takes it. A label of a single text is nothing to learn from here. */
export function trainingExample({ texts, score }: Example): TrainingExample {
  if (score !== undefined) return [...texts, score];
  return texts.length === 1 ? texts[0]! : texts;
}
