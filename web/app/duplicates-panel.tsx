/** Texts that say nearly the same as an earlier one. */
import { signal } from "@preact/signals";
import type { DuplicatePair } from "../worker/protocol.ts";
import { plural } from "./format.ts";
import { engine, isBusy, perform } from "./store.ts";
import { download, sayCount, which } from "./use-actions.ts";

/** The pairs that are shown; all of them are in the file. */
const mostShown = 20;

const threshold = signal(0.9);
const pairs = signal<readonly DuplicatePair[] | null>(null);

async function find(): Promise<void> {
  pairs.value = null;
  const request = { which: which.value, threshold: threshold.value };
  const found = await perform("use", "Comparing your texts", ({ signal, say }) =>
    engine.nearDuplicates(request, { signal, onEvent: sayCount(say, "Comparing your texts") }),
  );
  if (found !== undefined) pairs.value = found;
}

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

function save(found: readonly DuplicatePair[]): void {
  const lines = found.map(({ earlier, later, score }) => `${quoted(earlier)},${quoted(later)},${score.toFixed(4)}\n`);
  download(new Blob(["earlier,later,similarity\n", ...lines], { type: "text/csv" }), "near-duplicates.csv");
}

export function DuplicatesPanel() {
  return (
    <section class="card" aria-labelledby="duplicates-title">
      <h3 id="duplicates-title">Find near-duplicates</h3>
      <div class="row">
        <label for="threshold">Alike by at least</label>
        <input
          id="threshold"
          type="range"
          min={0.7}
          max={0.99}
          step={0.01}
          value={threshold}
          onInput={(event) => {
            threshold.value = event.currentTarget.valueAsNumber;
          }}
        />
        <output for="threshold">{threshold.value.toFixed(2)}</output>
        <button type="button" disabled={isBusy.value} onClick={find}>
          Find
        </button>
      </div>
      <div role="status">{pairs.value && <Pairs found={pairs.value} />}</div>
    </section>
  );
}

function Pairs({ found }: { readonly found: readonly DuplicatePair[] }) {
  if (found.length === 0) return <p class="note">No two texts are that alike.</p>;
  return (
    <>
      <p class="note">
        {plural(found.length, "text says", "texts say")} nearly the same as an earlier one.
        {found.length > mostShown && ` The ${mostShown} most alike:`}
      </p>
      <ul class="pairs">
        {found.slice(0, mostShown).map(({ earlier, later, score }) => (
          <li key={later}>
            <span class="score">{score.toFixed(2)}</span>
            <span>{earlier}</span>
            <span>{later}</span>
          </li>
        ))}
      </ul>
      <button type="button" class="quiet" onClick={() => save(found)}>
        Save {plural(found.length, "pair")} as .csv
      </button>
    </>
  );
}
