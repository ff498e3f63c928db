/** Which parts of the model are trained: fewer need less memory, and forget less. */
import type { RunSettings, TrainingSettings } from "../worker/protocol.ts";

export interface TrainedParts {
  readonly name: string;
  readonly changes: Pick<Required<RunSettings>, "freeze" | "loraRank">;
}

/** The rank of the additions. */
const rank = 8;

/** The choices for a model with so many layers of their own, from all of it to the least. */
export function trainedParts(layers: number): TrainedParts[] {
  const half = Math.floor(layers / 2);
  const words = "embeddings";
  const last = layers - half === 1 ? "layer" : `${layers - half} layers`;
  return [
    { name: "All of it", changes: { freeze: [], loraRank: 0 } },
    { name: "All but its table of words", changes: { freeze: [words], loraRank: 0 } },
    ...(half > 0 ? [{ name: `Only its last ${last}`, changes: { freeze: [words, half === 1 ? "0" : `0-${half - 1}`], loraRank: 0 } }] : []),
    { name: "Small additions to it (LoRA)", changes: { freeze: [], loraRank: rank } },
  ];
}

/** The choice that settings are; the first one if they are none of them. */
export function chosenParts(
  choices: readonly TrainedParts[],
  { freeze, loraRank }: Pick<TrainingSettings, "freeze" | "loraRank">,
): TrainedParts {
  return choices.find(({ changes }) => changes.freeze.join() === freeze.join() && changes.loraRank === loraRank) ?? choices[0]!;
}
