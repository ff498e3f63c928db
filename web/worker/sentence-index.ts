/**
 * The index of the visitor's sentences: built by a model, searched, and kept in the browser's storage together with the name of its model, so
 * that a later visit finds both.
 */
import { OptionError, type SimCSE, SimcseError } from "simcse-webgpu/browser";
import { keepFiles } from "./kept-models.ts";
import { loadModel } from "./model.ts";
import type { CallContext, CountProgress, Handlers, SavedIndex, Which } from "./protocol.ts";
import type { Session } from "./session.ts";
import { readStored, removeFromStorage, storageFolder } from "./storage.ts";

const room = "index";
const vectorsFile = "vectors.index";
/** Written last: without it, the index is not complete. */
const aboutFile = "about.json";

type IndexCalls = "savedIndex" | "openIndex" | "discardIndex" | "buildIndex" | "search";

export function indexHandlers(session: Session): Handlers<IndexCalls> {
  return {
    savedIndex: () => savedIndex(),

    async openIndex(_, { signal }) {
      const saved = await savedIndex();
      if (saved === null) throw new OptionError("There is no index in the browser's storage.", "Build one from your text.");
      const model = await loadModel(session, { kind: "kept", name: saved.modelName }, { signal, emit: () => {} });
      const { simcse } = session.model;
      await openSaved(simcse);
      return { model, index: { which: "before", sentences: simcse.index.length, restored: true, kept: true } };
    },

    async discardIndex() {
      await removeFromStorage(room);
      return null;
    },

    async buildIndex({ which }, context) {
      const simcse = await session.usable(which);
      const { texts } = session.text;
      const restored = await isRestored(simcse, texts);
      if (!restored) await build(simcse, texts, context);
      const kept = restored || (await keep(session, which, simcse));
      return { which, sentences: texts.length, restored, kept };
    },

    async search({ which, query, topK }, { signal }) {
      const simcse = await session.usable(which);
      if (!hasIndex(simcse)) await makeAgain(session, simcse, signal);
      const found = await simcse.search(query, { topK, threshold: -1, signal });
      return found.map(({ sentence, score }) => ({ text: sentence, score }));
    },
  };
}

/** The sentences to work with: the visitor's text, or those of an index that an earlier visit left. Throws `OptionError` without any. */
export async function sentencesOf(session: Session, which: Which): Promise<readonly string[]> {
  if (session.data !== null) return session.data.texts;
  const simcse = session.modelOf(which);
  if (!hasIndex(simcse)) await openSaved(simcse);
  return simcse.index.entries.map(({ sentence }) => sentence);
}

function hasIndex(simcse: SimCSE): boolean {
  try {
    return simcse.index.length >= 0;
  } catch {
    return false;
  }
}

/** Makes the index that was lost with the device. */
async function makeAgain({ data }: Session, simcse: SimCSE, signal: AbortSignal): Promise<void> {
  if (data === null) await openSaved(simcse);
  else if (!(await isRestored(simcse, data.texts))) await build(simcse, data.texts, { signal, emit: () => {} });
}

/** Makes the kept index that of a model. Throws `OptionError` for another model's. */
async function openSaved(simcse: SimCSE): Promise<void> {
  await simcse.loadIndexFrom(await storageFolder(room), vectorsFile);
}

function build(simcse: SimCSE, texts: readonly string[], { signal, emit }: CallContext<CountProgress>): Promise<void> {
  return simcse.buildIndex(texts, { signal, onProgress: (done) => emit({ done, total: texts.length }) });
}

async function savedIndex(): Promise<SavedIndex | null> {
  return readStored<SavedIndex>(await storageFolder(room), aboutFile);
}

/** Whether the kept index is of these sentences by this model; it is then the model's index. */
async function isRestored(simcse: SimCSE, texts: readonly string[]): Promise<boolean> {
  const saved = await savedIndex().catch(() => null);
  if (saved?.sentences !== texts.length) return false;
  try {
    await openSaved(simcse);
  } catch (error) {
    // Of another model, or damaged: it is built anew.
    if (error instanceof SimcseError) return false;
    throw error;
  }
  return simcse.index.entries.every(({ sentence }, at) => sentence === texts[at]);
}

/** Keeps the index, and a model that was trained here with it. False where the browser has no room or gives a page no storage. */
async function keep(session: Session, which: Which, simcse: SimCSE): Promise<boolean> {
  try {
    await removeFromStorage(room);
    const { name } = session.model.facts;
    const modelName = which === "before" ? name : `${name}, trained here`;
    if (which === "now") await keepFiles(modelName, simcse.files());
    const folder = await storageFolder(room);
    await folder.write(vectorsFile, new Uint8Array(await (await simcse.saveIndex()).arrayBuffer()));
    const about: SavedIndex = { modelName, sentences: simcse.index.length, savedAt: Date.now() };
    await folder.write(aboutFile, JSON.stringify(about));
    return true;
  } catch (error) {
    console.info("The index is not kept.", error);
    await removeFromStorage(room).catch(() => {});
    return false;
  }
}
