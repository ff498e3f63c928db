/** 3. What the run will take, and the settings behind it. */
import type { PlanFacts } from "../worker/protocol.ts";
import { AdvancedSettings } from "./advanced-settings.tsx";
import { formatBytes, formatCount, formatDuration, plural } from "./format.ts";
import { LessMemory } from "./less-memory.tsx";
import { NumberFields, type NumberRow } from "./number-fields.tsx";
import { takeBack } from "./plan-change.ts";
import { Section } from "./section.tsx";
import { changedSettings, data, device, engine, isBusy, model, perform, plan, timing } from "./store.ts";

async function measure(): Promise<void> {
  timing.value =
    (await perform("plan", "Trying three steps on a copy of the model", ({ signal }) =>
      engine.measure(changedSettings.value, { signal }),
    )) ?? null;
}

export function PlanSection() {
  const facts = plan.value;
  return (
    <Section
      name="plan"
      title="Plan"
      done={facts?.fits === true}
      waitsFor={data.value === null ? "This follows your text." : null}
      lead="The settings are those that the SimCSE paper uses for this kind of data, fitted to how much you have. They are a good start: you can leave them."
    >
      {facts && <PlanFactsView facts={facts} />}
    </Section>
  );
}

function PlanFactsView({ facts }: { readonly facts: PlanFacts }) {
  const { settings, steps, fits } = facts;
  const disabled = isBusy.value;
  const rows: readonly NumberRow[] = [
    { setting: "epochs", name: "num_train_epochs", label: "Times through your text", min: 0.1, step: "any", isIdle: settings.maxSteps > 0 },
    { setting: "batchSize", name: "per_device_train_batch_size", label: "Rows in a step", min: 2 },
    { setting: "learningRate", name: "learning_rate", label: "How fast it learns", min: 0, step: "any" },
    { setting: "maxLength", name: "max_seq_length", label: "Longest text, in word pieces", min: 4, max: model.value!.longest },
  ];
  return (
    <>
      <div class="card fields">
        <NumberFields rows={rows} settings={settings} disabled={disabled} />
      </div>
      <dl class="tiles">
        <div>
          <dt>Steps</dt>
          <dd>{formatCount(steps)}</dd>
        </div>
        <div>
          <dt>Memory</dt>
          <dd>{fits ? formatBytes(facts.modelBytes + facts.stepBytes) : "–"}</dd>
        </div>
        <div>
          <dt>Time</dt>
          <dd>{timing.value ? formatDuration(timing.value.secondsForAll) : "not measured"}</dd>
        </div>
      </dl>
      {fits && <Memory facts={facts} />}
      <LessMemory facts={facts} />
      <div class="buttons">
        <button type="button" disabled={disabled || !fits} onClick={measure}>
          Measure the time
        </button>
        {timing.value && (
          <span class="note">
            {formatDuration(timing.value.secondsPerStep)} a step, {formatDuration(timing.value.secondsToStart)} to get ready
          </span>
        )}
      </div>
      <AdvancedSettings facts={facts} />
    </>
  );
}

function Memory({ facts: { modelBytes, stepBytes, settings } }: { readonly facts: PlanFacts }) {
  const total = modelBytes + stepBytes;
  const largest = device.value!.largestBuffer;
  return (
    <p class="note">
      {formatBytes(modelBytes)} for the model and what it remembers while it learns, {formatBytes(stepBytes)} for a step of{" "}
      {plural(settings.batchSize, "row")}. {total > largest && "That is a lot for most graphics cards: measure before you start. "}
      Browsers do not say how much a device has in all; one piece may be {formatBytes(largest)} here.
      {Object.keys(changedSettings.value).length > 0 && (
        <>
          {" "}
          <button type="button" class="quiet" disabled={isBusy.value} onClick={takeBack}>
            Back to the suggested settings
          </button>
        </>
      )}
    </p>
  );
}
