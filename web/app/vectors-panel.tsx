/** The vectors of the visitor's texts, to save. */
import type { VectorFormat } from "../worker/protocol.ts";
import { engine, isBusy, perform } from "./store.ts";
import { download, sayCount, which } from "./use-actions.ts";

async function save(format: VectorFormat): Promise<void> {
  const content = await perform("use", "Reading your texts", ({ signal, say }) =>
    engine.vectors({ which: which.value, format }, { signal, onEvent: sayCount(say, "Reading your texts") }),
  );
  if (content !== undefined) download(content, `vectors.${format}`);
}

export function VectorsPanel() {
  return (
    <section class="card" aria-labelledby="vectors-title">
      <h3 id="vectors-title">Save the vectors</h3>
      <p class="note">The points that the model turns your texts into, one a text: with the texts, or as a matrix for NumPy.</p>
      <div class="buttons">
        <button type="button" disabled={isBusy.value} onClick={() => save("jsonl")}>
          Texts and vectors, .jsonl
        </button>
        <button type="button" disabled={isBusy.value} onClick={() => save("npy")}>
          Vectors only, .npy
        </button>
      </div>
    </section>
  );
}
