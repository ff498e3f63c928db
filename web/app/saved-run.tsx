/** What an earlier visit has left, offered first. */
import { formatTime } from "./format.ts";
import { discard, restore } from "./run-control.ts";
import { isBusy, savedRun } from "./store.ts";

export function SavedRunOffer() {
  const saved = savedRun.value;
  if (saved === null) return null;
  const { modelName, dataName, step, steps, finished, savedAt } = saved;
  return (
    <aside class="card saved-run" aria-label="An earlier run">
      <p>
        {finished ? (
          <>
            You taught <strong>{modelName}</strong> the text of <strong>{dataName}</strong>.
          </>
        ) : (
          <>
            A run of <strong>{modelName}</strong> on <strong>{dataName}</strong> stopped at step {step} of {steps}.
          </>
        )}{" "}
        <span class="note">{formatTime(savedAt)}</span>
      </p>
      <div class="buttons">
        <button type="button" class="primary" disabled={isBusy.value} onClick={restore}>
          {finished ? "Open it" : "Bring it back"}
        </button>
        <button type="button" disabled={isBusy.value} onClick={discard}>
          Remove it
        </button>
      </div>
    </aside>
  );
}
