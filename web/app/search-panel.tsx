/** Search over the visitor's sentences, by an index that the browser keeps. */
import { signal } from "@preact/signals";
import type { Match } from "../worker/protocol.ts";
import { formatTime, plural } from "./format.ts";
import { data, engine, forgetFrom, index, isBusy, keptModels, model, perform, savedIndex } from "./store.ts";
import { sayCount, which } from "./use-actions.ts";

/** How many sentences a search shows. */
const topK = 8;

const query = signal("");
/** What was searched last, and what was found. */
const found = signal<{ readonly query: string; readonly matches: readonly Match[] } | null>(null);

async function build(): Promise<void> {
  found.value = null;
  const facts = await perform("use", "Reading your texts", ({ signal, say }) =>
    engine.buildIndex({ which: which.value }, { signal, onEvent: sayCount(say, "Reading your texts") }),
  );
  if (facts === undefined) return;
  index.value = facts;
  savedIndex.value = await engine.savedIndex(null).catch(() => null);
  keptModels.value = await engine.keptModels(null).catch(() => []);
}

async function search(): Promise<void> {
  const asked = query.value.trim();
  if (asked === "") return;
  const matches = await perform("use", "Searching", ({ signal }) => engine.search({ which: which.value, query: asked, topK }, { signal }));
  if (matches !== undefined) found.value = { query: asked, matches };
}

/** Opens the index of an earlier visit, and its model with it. */
async function open(): Promise<void> {
  const opened = await perform("use", "Opening your index", ({ signal }) => engine.openIndex(null, { signal }));
  if (opened === undefined) return;
  forgetFrom("model");
  model.value = opened.model;
  index.value = opened.index;
}

async function discard(): Promise<void> {
  await engine.discardIndex(null);
  savedIndex.value = null;
}

/** Says that an earlier visit left an index. */
export function SavedIndexNote() {
  const saved = savedIndex.value;
  if (saved === null || index.value !== null || data.value !== null) return null;
  return (
    <div class="card">
      <p>
        You made {plural(saved.sentences, "text")} searchable with <strong>{saved.modelName}</strong>. They are still in this browser.{" "}
        <span class="note">{formatTime(saved.savedAt)}</span>
      </p>
      <div class="buttons">
        <button type="button" class="primary" disabled={isBusy.value} onClick={open}>
          Search them again
        </button>
        <button type="button" class="quiet" disabled={isBusy.value} onClick={discard}>
          Remove them
        </button>
      </div>
    </div>
  );
}

export function SearchPanel() {
  const facts = index.value?.which === which.value ? index.value : null;
  return (
    <section class="card" aria-labelledby="search-title">
      <h3 id="search-title">Search by meaning</h3>
      {facts === null ? <BuildForm /> : <SearchForm sentences={facts.sentences} kept={facts.kept} restored={facts.restored} />}
    </section>
  );
}

function BuildForm() {
  return (
    <>
      <p class="note">The model reads your {plural(data.value?.texts ?? 0, "text")} once. This browser keeps what it read.</p>
      <button type="button" disabled={isBusy.value} onClick={build}>
        Make my text searchable
      </button>
    </>
  );
}

interface SearchFormProps {
  readonly sentences: number;
  readonly kept: boolean;
  readonly restored: boolean;
}

function SearchForm({ sentences, kept, restored }: SearchFormProps) {
  return (
    <>
      <search>
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            void search();
          }}
        >
          <input
            type="search"
            aria-label={`Search ${plural(sentences, "text")}`}
            placeholder="Ask in your own words"
            autocomplete="off"
            maxLength={2000}
            value={query}
            onInput={(event) => {
              query.value = event.currentTarget.value;
            }}
          />
          <button type="submit" class="primary" disabled={isBusy.value}>
            Search
          </button>
        </form>
      </search>
      <p class="note">
        {plural(sentences, "text")}
        {restored ? ", found again in this browser." : kept ? ", kept in this browser." : ". This browser does not let the page keep them."}
      </p>
      <Matches />
    </>
  );
}

function Matches() {
  if (found.value === null) return null;
  const { query, matches } = found.value;
  return (
    <>
      <p class="visually-hidden" role="status">
        {plural(matches.length, "text")} for {query}
      </p>
      <ol class="matches" aria-label={`Nearest to: ${query}`}>
        {matches.map(({ text, score }) => (
          <li key={text}>
            <span class="score" title="How near it is: 1 means the same">
              {score.toFixed(2)}
            </span>
            <span>{text}</span>
          </li>
        ))}
      </ol>
    </>
  );
}
