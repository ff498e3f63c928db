/** 1. Which model to start from. */
import { signal } from "@preact/signals";
import type { DeviceFacts, ModelSource } from "../worker/protocol.ts";
import { DropZone } from "./drop-zone.tsx";
import { formatBytes, formatCount, formatLarge } from "./format.ts";
import { pageModel } from "./page-model.ts";
import { Section } from "./section.tsx";
import { device, engine, forgetFrom, isBusy, keptModels, model, perform } from "./store.ts";

const hubName = signal("");

/** Loads a model. What was made with the one before is gone. */
export async function chooseModel(source: ModelSource): Promise<void> {
  const facts = await perform("model", "Loading the model", async ({ signal, say }) => {
    device.value ??= await engine.openDevice(null);
    return engine.loadModel(source, {
      signal,
      onEvent: ({ done, total }) => say(`Fetching the model: ${formatBytes(done)} of ${formatBytes(total)}`, done / total),
    });
  });
  if (facts === undefined) return;
  // The worker keeps no data of another model: lengths are counted in its tokens.
  forgetFrom("model");
  model.value = facts;
  keptModels.value = await engine.keptModels(null);
}

async function forget(name: string): Promise<void> {
  await engine.forgetModel({ name });
  keptModels.value = await engine.keptModels(null);
}

export function ModelSection() {
  const chosen = model.value;
  return (
    <Section
      name="model"
      title="Model"
      done={chosen !== null}
      lead="A model turns a sentence into a point, so that sentences that mean the same lie close together. You start from one that has learned this for everyday language."
    >
      {chosen && <ModelFactsList />}
      {chosen ? (
        <details>
          <summary>Use another model</summary>
          <Choices />
        </details>
      ) : (
        <Choices />
      )}
    </Section>
  );
}

function ModelFactsList() {
  const { name, layers, hiddenSize, parameters, maxLength, license, bytes } = model.value!;
  const lines: [string, string][] = [
    ["Model", name],
    ["Size", `${layers} layers of ${hiddenSize}, ${formatLarge(parameters)} numbers, ${formatBytes(bytes)}`],
    ["Reads", `up to ${formatCount(maxLength)} word pieces of a text`],
    ["Licence", license ?? "its card names none"],
    ["Your device", describe(device.value!)],
  ];
  return (
    <dl class="facts">
      {lines.map(([term, value]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function describe({ name, software, f16 }: DeviceFacts): string {
  if (software) return `${name === null ? "" : `${name}: `}no graphics processor, so this will be slow`;
  return `${name ?? "a graphics processor, whose name this browser does not tell"}${f16 ? ", can compute with half precision" : ""}`;
}

function Choices() {
  const busy = isBusy.value;
  const others = keptModels.value.filter(({ name }) => name !== model.value?.name && name !== pageModel?.name);
  return (
    <div class="choices">
      {pageModel && model.value?.source !== "page" && (
        <div class="choice">
          <h3>The one that comes with this page</h3>
          <button type="button" disabled={busy} onClick={() => chooseModel({ kind: "page" })}>
            Load it ({formatBytes(pageModel.bytes)})
          </button>
        </div>
      )}
      {others.length > 0 && (
        <div class="choice">
          <h3>Kept in this browser</h3>
          <ul class="kept">
            {others.map(({ name, bytes }) => (
              <li key={name}>
                <button type="button" disabled={busy} onClick={() => chooseModel({ kind: "kept", name })}>
                  {name}
                </button>
                <span class="note">{formatBytes(bytes)}</span>
                <button type="button" class="quiet" disabled={busy} aria-label={`Remove ${name}`} onClick={() => forget(name)}>
                  Remove
                </button>
              </li>
            ))}
          </ul>
        </div>
      )}
      <form
        class="choice"
        onSubmit={(event) => {
          event.preventDefault();
          void chooseModel({ kind: "hub", name: hubName.value });
        }}
      >
        <h3>
          <label for="hub-name">A name on the Hugging Face hub</label>
        </h3>
        <div class="row">
          <input
            id="hub-name"
            type="text"
            required
            spellcheck={false}
            autocomplete="off"
            placeholder="sentence-transformers/all-MiniLM-L6-v2"
            value={hubName}
            onInput={(event) => {
              hubName.value = event.currentTarget.value;
            }}
          />
          <button type="submit" disabled={busy}>
            Fetch
          </button>
        </div>
        <p class="note">
          Fetched once and kept in this browser. It has to be a BERT or one of its kin: RoBERTa, DistilBERT, ELECTRA, MPNet, ModernBERT, …
        </p>
      </form>
      <div class="choice">
        <h3>A folder or zip file on your disk</h3>
        <DropZone
          disabled={busy}
          accept=".zip"
          choose="Choose a zip file"
          chooseFolder="Choose a folder"
          onFiles={(files) => chooseModel({ kind: "files", files })}
        >
          Drop a model here, in Hugging Face's layout.
        </DropZone>
      </div>
    </div>
  );
}
