/** 2. The visitor's text: given, looked at, its columns named. */
import { signal } from "@preact/signals";
import type { ColumnRole } from "simcse-webgpu/browser";
import type { NamedFile } from "../worker/protocol.ts";
import { DropZone } from "./drop-zone.tsx";
import { exampleFile } from "./example-text.ts";
import { formatCount, formatPercent, plural } from "./format.ts";
import { Histogram } from "./histogram.tsx";
import { refreshPlan } from "./plan-change.ts";
import { PreviewTable } from "./preview-table.tsx";
import { roleProblem } from "./roles.ts";
import { Section } from "./section.tsx";
import { data, engine, forgetFrom, isBusy, model, perform, preview, scoredPairs } from "./store.ts";

const accepted = ".txt,.md,.csv,.tsv,.jsonl,.ndjson,.json,.parquet,.xlsx,.gz";

const pasted = signal("");
/** The files that were given last, to read them again with another header. */
const given = signal<readonly File[]>([]);
const roles = signal<readonly (ColumnRole | null)[]>([]);
/** The part that the visitor wants to be held out; null for the one that is suggested. */
const heldOut = signal<number | null>(null);

async function open(files: readonly File[], header?: boolean): Promise<void> {
  given.value = files;
  if (header === undefined) heldOut.value = null;
  const opened = await perform("data", "Reading the beginning", () => engine.openData({ files, header }));
  preview.value = opened ?? null;
  roles.value = opened?.roles ?? [];
  await read();
}

/** Reads all of the text, if its columns make sense. What was made of other text is shown until then. */
async function read(): Promise<void> {
  const choice = { roles: roles.value, heldOut: heldOut.value };
  const facts =
    roleProblem(choice.roles) !== null
      ? undefined
      : await perform("data", "Reading your text", ({ signal, say }) =>
          engine.readData(choice, { signal, onEvent: ({ done }) => say(`Reading your text: ${plural(done, "row")}`) }),
        );
  forgetFrom("data");
  if (facts === undefined) return;
  data.value = facts;
  await refreshPlan();
}

async function openScoredPairs(files: readonly NamedFile[]): Promise<void> {
  const facts = await perform("data", "Reading the scored pairs", () => engine.readScoredPairs({ files: files.map(({ file }) => file) }));
  if (facts !== undefined) scoredPairs.value = facts;
}

export function DataSection() {
  return (
    <Section
      name="data"
      title="Your text"
      done={data.value !== null}
      waitsFor={model.value === null ? "This follows the model." : null}
      lead="Best are pairs that belong together: a question and its answer, a title and its text, two ways to say the same. Sentences by themselves work too. A few hundred rows are enough to see a difference."
    >
      {preview.value === null && data.value === null ? (
        <Givers />
      ) : (
        <details>
          <summary>Give another text</summary>
          <Givers />
        </details>
      )}
      {preview.value && <Columns />}
      {data.value && <Facts />}
    </Section>
  );
}

function Givers() {
  const busy = isBusy.value;
  return (
    <div class="choices">
      <div class="choice">
        <h3>Files</h3>
        <DropZone
          disabled={busy}
          accept={accepted}
          choose="Choose files"
          chooseFolder="Choose a folder"
          onFiles={(files) => open(readable(files))}
        >
          Drop a spreadsheet (.xlsx, .csv, .tsv), a text (.txt, .md), or data (.json, .jsonl, .parquet) here.
        </DropZone>
      </div>
      <form
        class="choice"
        onSubmit={(event) => {
          event.preventDefault();
          void open([new File([pasted.value], pasted.value.includes("\t") ? "pasted.tsv" : "pasted.txt")]);
        }}
      >
        <h3>
          <label for="pasted">Or paste</label>
        </h3>
        <textarea
          id="pasted"
          rows={4}
          required
          placeholder="A sentence a line, or rows copied from a spreadsheet"
          value={pasted}
          onInput={(event) => {
            pasted.value = event.currentTarget.value;
          }}
        />
        <div class="buttons">
          <button type="submit" disabled={busy}>
            Use this text
          </button>
          <button type="button" class="quiet" disabled={busy} onClick={() => open([exampleFile()])}>
            No text at hand? Take forty questions to a library
          </button>
        </div>
      </form>
    </div>
  );
}

/** Of a folder, the files that can be read; of chosen files all, so that the others are refused by name. */
function readable(files: readonly NamedFile[]): File[] {
  const isFolder = files.some(({ path }) => path.includes("/"));
  const endings = accepted.split(",");
  return files.filter(({ path }) => !isFolder || endings.some((ending) => path.toLowerCase().endsWith(ending))).map(({ file }) => file);
}

function Columns() {
  const { name, named, hasHeaderChoice } = preview.value!;
  const problem = roleProblem(roles.value);
  return (
    <div class="card">
      <h3>{name}</h3>
      <PreviewTable
        preview={preview.value!}
        roles={roles.value}
        disabled={isBusy.value}
        onRoles={(changed) => {
          roles.value = changed;
          void read();
        }}
      />
      {hasHeaderChoice && (
        <label class="check">
          <input type="checkbox" checked={named} disabled={isBusy.value} onChange={() => open(given.value, !named)} />
          The first row names the columns
        </label>
      )}
      {problem && <p class="message">{problem}</p>}
    </div>
  );
}

const kindNames = {
  sentences: ["sentence"],
  pairs: ["pair"],
  triplets: ["pair with a hard negative", "pairs with a hard negative"],
  "scored pairs": ["pair with a score", "pairs with a score"],
  "labelled pairs": ["pair marked as alike or not", "pairs marked as alike or not"],
  "labelled texts": ["sentence"],
} as const;

function Facts() {
  const { name, kind, training, held, overlapping, texts, duplicates, missing, problems, problemCount, lengths, ...facts } = data.value!;
  const [one, many] = kindNames[kind];
  const isPlain = kind === "sentences";
  const notes = [
    duplicates > 0 && `${plural(duplicates, "row occurs", "rows occur")} more than once.`,
    missing > 0 && `${plural(missing, "row with an empty cell is", "rows with an empty cell are")} left out.`,
    overlapping > 0 &&
      `${plural(overlapping, "held-out row shares", "held-out rows share")} a text with the rest, which makes the score a little too good.`,
  ].filter((note) => note !== false);
  return (
    <div class="split">
      <div class="card">
        <h3>
          {preview.value === null && `${name}: `}
          {plural(training + held, one, many)}, {plural(texts, "different text")}
        </h3>
        {notes.map((note) => (
          <p class="note" key={note}>
            {note}
          </p>
        ))}
        {problemCount > 0 && (
          <details class="problems">
            <summary>{plural(problemCount, "row that could not be used is", "rows that could not be used are")} left out</summary>
            <ul>
              {problems.map(({ message }) => (
                <li key={message}>{message}</li>
              ))}
            </ul>
          </details>
        )}
        {isPlain ? (
          <p class="note">Sentences without a partner leave nothing to score by. Scored pairs of your own do.</p>
        ) : (
          <>
            <label class="slider">
              <span>
                Held out for the score:{" "}
                <strong>{held === 0 ? "none" : `${formatCount(held)} (${formatPercent(held / (training + held))})`}</strong>
              </span>
              <input
                type="range"
                min={0}
                max={0.5}
                step={0.05}
                value={facts.heldOut}
                disabled={isBusy.value || preview.value === null}
                onChange={(event) => {
                  heldOut.value = event.currentTarget.valueAsNumber;
                  void read();
                }}
              />
            </label>
            <p class="note">
              The model does not learn from these, so they say whether it has understood. The same rows are chosen each time.
            </p>
          </>
        )}
        <details>
          <summary>Score on pairs of my own</summary>
          {scoredPairs.value ? (
            <p>
              {plural(scoredPairs.value.pairs, "scored pair")} from {scoredPairs.value.name}.{" "}
              <button
                type="button"
                class="quiet"
                onClick={async () => {
                  await engine.readScoredPairs(null);
                  scoredPairs.value = null;
                }}
              >
                Remove
              </button>
            </p>
          ) : (
            <DropZone disabled={isBusy.value} accept={accepted} choose="Choose a file" onFiles={openScoredPairs}>
              A table with two texts and a number in each row that says how alike they are.
            </DropZone>
          )}
        </details>
      </div>
      <Histogram lengths={lengths} />
    </div>
  );
}
