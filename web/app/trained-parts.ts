/** Which parts of the model are trained: fewer need less memory, and forget less. */
import type { RunSettings, TrainingSettings } from "../worker/protocol.ts";

export interface TrainedParts {
  readonly name: string;
  readonly changes: Pick<Required<RunSettings>, "freeze">;
}

/** The choices for a model with so many layers, from all of it to the least. */
export function trainedParts(layers: number): TrainedParts[] {
  const half = Math.floor(layers / 2);
  const words = "embeddings";
  return [
    { name: "All of it", changes: { freeze: [] } },
    { name: "All but its table of words", changes: { freeze: [words] } },
    ...(half > 0
      ? [
          {
            name: `Only its last ${layers - half === 1 ? "layer" : `${layers - half} layers`}`,
            changes: { freeze: [words, half === 1 ? "0" : `0-${half - 1}`] },
          },
        ]
      : []),
  ];
}

/** The choice that settings are; the first one if they are none of them. */
export function chosenParts(choices: readonly TrainedParts[], { freeze }: Pick<TrainingSettings, "freeze">): TrainedParts {
  return choices.find(({ changes }) => changes.freeze.join() === freeze.join()) ?? choices[0]!;
}
