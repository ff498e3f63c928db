/** The model to take away: as a zip or into a folder, and the code that opens it elsewhere. */
import { computed, signal, useSignal } from "@preact/signals";
import type { Snippet } from "simcse-webgpu/browser";
import type { FileProgress } from "../worker/protocol.ts";
import { formatBytes } from "./format.ts";
import { engine, isBusy, model, perform, type Work } from "./store.ts";
import { download, which } from "./use-actions.ts";

/** The part of the File System Access API that TypeScript's types lack. */
interface FolderPicker {
  showDirectoryPicker?(options: { readonly mode: "readwrite" }): Promise<FileSystemDirectoryHandle>;
}

const pickers = globalThis as FolderPicker;

/** The name that the visitor typed; null for the proposed one. */
const typedName = signal<string | null>(null);
const proposedName = computed(() => {
  const own = (model.value?.name ?? "model")
    .split("/")
    .at(-1)!
    .replace(/, trained here$/, "-tuned");
  return which.value === "now" && !own.endsWith("-tuned") ? `${own}-tuned` : own;
});
const name = computed(() => typedName.value?.replace(/^[. ]+|[. ]+$/g, "") || proposedName.value);
const snippets = signal<readonly Snippet[]>([]);
/** What was done last, for the visitor to know. */
const note = signal("");

const request = () => ({ which: which.value, name: name.value });

const sayBytes =
  (say: Work["say"]) =>
  ({ done, total }: FileProgress) =>
    say(`Writing the model: ${formatBytes(done)}`, Math.min(1, done / total));

async function saveZip(): Promise<void> {
  note.value = "";
  const zip = await perform("use", "Writing the model", ({ signal, say }) =>
    engine.modelZip(request(), { signal, onEvent: sayBytes(say) }),
  );
  if (zip === undefined) return;
  download(zip, `${name.value}.zip`);
  note.value = `${name.value}.zip, ${formatBytes(zip.size)}, is among your downloads.`;
}

async function saveFolder(): Promise<void> {
  note.value = "";
  const saved = await perform("use", "Choosing a folder", async ({ signal, say }) => {
    const folder = await chosenFolder();
    if (folder === null) return undefined;
    say("Writing the model");
    await engine.saveModel({ ...request(), folder }, { signal, onEvent: sayBytes(say) });
    return folder.name;
  });
  if (saved !== undefined) note.value = `The model is in ${saved}/${name.value}.`;
}

/** The folder that the visitor chooses; null if they do not. */
async function chosenFolder(): Promise<FileSystemDirectoryHandle | null> {
  try {
    return await pickers.showDirectoryPicker!({ mode: "readwrite" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    throw error;
  }
}

async function showSnippets(): Promise<void> {
  snippets.value = (await perform("use", "Writing code", () => engine.snippets(request()))) ?? [];
}

export function FilesPanel() {
  return (
    <section class="card" aria-labelledby="files-title">
      <h3 id="files-title">Take the model with you</h3>
      <p class="note">
        Its files are in Hugging Face's layout, with a card{which.value === "now" && " and a report of the training"}. It opens here, in
        Node, and in Python.
      </p>
      <div class="row">
        <label for="model-name">Name</label>
        <input
          id="model-name"
          type="text"
          spellcheck={false}
          autocomplete="off"
          maxLength={80}
          placeholder={proposedName}
          value={typedName.value ?? ""}
          onInput={(event) => {
            typedName.value = event.currentTarget.value.replaceAll(/[^\w. -]/g, "-");
            snippets.value = [];
          }}
        />
      </div>
      <div class="buttons">
        <button type="button" class="primary" disabled={isBusy.value} onClick={saveZip}>
          Save as a zip
        </button>
        {pickers.showDirectoryPicker && (
          <button type="button" disabled={isBusy.value} onClick={saveFolder}>
            Save into a folder
          </button>
        )}
        <button type="button" class="quiet" disabled={isBusy.value} onClick={showSnippets}>
          Show the code that opens it
        </button>
      </div>
      <p class="note" role="status">
        {note}
      </p>
      {snippets.value.map((snippet) => (
        <SnippetFigure key={snippet.title} {...snippet} />
      ))}
    </section>
  );
}

function SnippetFigure({ title, code }: Snippet) {
  const copied = useSignal(false);
  return (
    <figure class="snippet">
      <figcaption>
        {title}
        <button
          type="button"
          class="quiet"
          aria-label={`Copy the code for ${title}`}
          onClick={async () => {
            await navigator.clipboard.writeText(code);
            copied.value = true;
          }}
        >
          {copied.value ? "Copied" : "Copy"}
        </button>
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: code that is wider than a telephone scrolls, also with the keyboard. */}
      <pre tabIndex={0}>
        <code>{code}</code>
      </pre>
    </figure>
  );
}
