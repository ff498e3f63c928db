/** What a visitor can do when a run needs more memory than the device has, or more than they want to give. */
import type { Failure, PlanFacts, RunSettings } from "../worker/protocol.ts";
import { plural } from "./format.ts";
import { change } from "./plan-change.ts";
import { failureIn, isBusy, model } from "./store.ts";
import { chosenParts, trainedParts } from "./trained-parts.ts";

interface Saving {
  readonly text: string;
  /** Whether it is still there to be done. */
  readonly isOpen: boolean;
  readonly changes: RunSettings;
}

/** Ways to need less memory, those without a price in quality first. */
function savings({ gradientCacheChunk, gradientCheckpointing, batchSize, maxLength, ...settings }: PlanFacts["settings"]): Saving[] {
  const chunk = Math.max(1, Math.floor(batchSize / 4));
  const parts = trainedParts(model.value!.ownLayers);
  const fewer = parts.slice(parts.indexOf(chosenParts(parts, settings)) + 1);
  return [
    {
      text: `Work through a step in parts of ${plural(chunk, "row")}: the same result, more slowly`,
      isOpen: gradientCacheChunk === 0 && batchSize > 3,
      changes: { gradientCacheChunk: chunk, gradientAccumulationSteps: 1 },
    },
    {
      text: "Compute some things twice instead of keeping them: the same result, more slowly",
      isOpen: !gradientCheckpointing,
      changes: { gradientCheckpointing: true },
    },
    ...fewer.map(({ name, changes }) => ({ text: `Train ${name[0]!.toLowerCase()}${name.slice(1)}`, isOpen: true, changes })),
    { text: "Half as many rows in a step", isOpen: batchSize > 8, changes: { batchSize: Math.floor(batchSize / 2) } },
    { text: "Cut texts to half the length", isOpen: maxLength > 32, changes: { maxLength: Math.floor(maxLength / 2) } },
  ].filter(({ isOpen }) => isOpen);
}

const isTooLarge = (failure: Failure | null) => failure?.name === "CapacityError";

export function LessMemory({ facts: { settings, failure } }: { readonly facts: PlanFacts }) {
  const tooLarge = isTooLarge(failure) || isTooLarge(failureIn("plan")) || isTooLarge(failureIn("train"));
  return (
    <>
      {failure && (
        <div class="message" role="alert">
          <strong>{tooLarge ? `This is too large for your device. ${failure.message}` : failure.message}</strong>
          <p>{tooLarge ? "One of these may help, or a smaller model." : failure.remedy}</p>
        </div>
      )}
      <details open={tooLarge}>
        <summary>Need less memory?</summary>
        <ul class="savings">
          {savings(settings).map(({ text, changes }) => (
            <li key={text}>
              <button type="button" class="quiet" disabled={isBusy.value} onClick={() => change(changes)}>
                {text}
              </button>
            </li>
          ))}
        </ul>
      </details>
    </>
  );
}
