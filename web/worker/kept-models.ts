/**
 * Models in the browser's private storage. A model is copied there file by file when it is first used, and read from there from then on, so
 * that it works offline. `kept.json` is written last: without it, the copy is not complete.
 */
import { FileError, type Folder, type NamedContent, type WritableFolder } from "simcse-webgpu/browser";
import type { FileProgress, KeptModel } from "./protocol.ts";
import { hasNoRoom, readStored, removeFromStorage, storageFolder, storageHandle } from "./storage.ts";

const room = "models";
const markFile = "kept.json";

/** Bytes that are fetched and written at a time. */
const PIECE_BYTES = 8 * 2 ** 20;

/** The files of a model that are used, where a folder does not list what it has: those of the folder itself. */
const modelFileNames = ["modules.json", "config_sentence_transformers.json", "README.md"];

/** Those of the transformer, besides its weights. */
const transformerFileNames = [
  ...["config.json", "sentence_bert_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"],
  ...["added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model"],
];

/** Weights, in the order in which they are looked for. */
const weightFiles = [
  "model.safetensors",
  "model.int8.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

/** What is written last: without it, a copy is not complete. */
interface Mark {
  readonly bytes: number;
  /** Names the content, where the model's place does. */
  readonly version?: string | undefined;
}

/** The models that are kept; none where there is no storage. */
export async function keptModels(): Promise<KeptModel[]> {
  const models: KeptModel[] = [];
  try {
    const handle = await storageHandle(room);
    for await (const key of handle.keys()) {
      const name = decodeURIComponent(key);
      const folder = await keptModel(name);
      if (folder !== null) models.push({ name, bytes: await bytesOf(folder) });
    }
  } catch (error) {
    if (!hasNoRoom(error)) throw error;
  }
  return models.sort((a, b) => a.name.localeCompare(b.name));
}

export async function forgetModel(name: string): Promise<void> {
  await removeFromStorage(room, name);
}

/** The kept model of this name and version; null if there is none, if its copy is not complete, or if there is no storage. */
export async function keptModel(name: string, version?: string): Promise<WritableFolder | null> {
  try {
    const folder = await storageFolder(room, name);
    const mark = await markOf(folder);
    return mark !== null && (version === undefined || version === mark.version) ? folder : null;
  } catch (error) {
    if (hasNoRoom(error)) return null;
    throw error;
  }
}

const markOf = (folder: Folder): Promise<Mark | null> => readStored<Mark>(folder, markFile);

/** The bytes of a model's files. */
export async function bytesOf(folder: Folder): Promise<number> {
  const mark = await markOf(folder);
  if (mark !== null) return mark.bytes;
  const sizes = await Promise.all((await filesOf(folder)).map((file) => folder.size(file)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

export interface KeepOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: FileProgress) => void;
  /** The names of its files; found by their usual names if absent. */
  readonly files?: readonly string[];
  /** Names the content, so that another one is not taken for it. */
  readonly version?: string;
}

/**
 * Copies a model into the storage, in pieces, and gives the copy; without room for one, the model where it is. Throws `FileError` where the
 * folder is no model.
 */
export async function keepModel(name: string, from: Folder, options: KeepOptions): Promise<Folder> {
  try {
    return await copy(name, from, options);
  } catch (error) {
    if (!hasNoRoom(error)) throw error;
    await forgetModel(name).catch(() => {});
    return from;
  }
}

async function copy(name: string, from: Folder, { signal, onProgress, version, ...listed }: KeepOptions): Promise<Folder> {
  await removeFromStorage(room, name);
  const folder = await storageFolder(room, name);
  const files = listed.files ?? (await filesOf(from));
  const sizes = await Promise.all(files.map((file) => from.size(file)));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let done = 0;
  for (const [at, file] of files.entries()) {
    const content: NamedContent["content"] = pieces(from, file, sizes[at]!, (bytes) => {
      signal.throwIfAborted();
      done += bytes;
      onProgress({ file, done, total });
    });
    await folder.write(file, content);
  }
  const mark: Mark = { bytes: total, version };
  await folder.write(markFile, JSON.stringify(mark));
  return folder;
}

/** Keeps a model's files as they are made. */
export async function keepFiles(name: string, files: Iterable<NamedContent>): Promise<void> {
  await removeFromStorage(room, name);
  const folder = await storageFolder(room, name);
  let bytes = 0;
  for (const { name: file, content } of files) {
    await folder.write(file, content);
    bytes += await folder.size(file);
  }
  await folder.write(markFile, JSON.stringify({ bytes } satisfies Mark));
}

/** A file of a folder, in pieces. */
export async function* piecesIn(folder: Folder, file: string): AsyncGenerator<Uint8Array> {
  yield* pieces(folder, file, await folder.size(file), () => {});
}

async function* pieces(folder: Folder, file: string, size: number, onPiece: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < size; start += PIECE_BYTES) {
    const piece = await folder.read(file, start, Math.min(start + PIECE_BYTES, size));
    onPiece(piece.length);
    yield piece;
  }
}

/** The model's files: its weights, those of the modules after the transformer, and what describes them. */
export async function filesOf(folder: Folder): Promise<string[]> {
  const [transformer = "", ...modules] = await modulePaths(folder);
  const described = await present(folder, [
    ...modelFileNames,
    ...transformerFileNames.map((name) => `${transformer}${name}`),
    ...modules.map((module) => `${module}config.json`),
  ]);
  if (!described.includes(`${transformer}config.json`)) {
    throw new FileError(`${folder.name} holds no config.json.`, "Choose the folder or the name of a model in Hugging Face's layout.");
  }
  const [own, ...others] = await Promise.all([transformer, ...modules].map((module) => weightsOf(folder, module)));
  if (own!.length === 0) {
    throw new FileError(`${folder.name} holds no weights.`, "A model has a file model.safetensors or pytorch_model.bin.");
  }
  return [...described, ...own!, ...others.flat()];
}

/** The folders of a sentence-transformers model's modules, each empty or ending in a slash; none for another model. */
async function modulePaths(folder: Folder): Promise<string[]> {
  // What is wrong with the list is said when the model is loaded.
  const modules = await readStored<unknown>(folder, "modules.json").catch(() => null);
  if (!Array.isArray(modules)) return [];
  return modules.map((module: { readonly path?: unknown } | null) => (module?.path ? `${module.path}/` : ""));
}

async function present(folder: Folder, names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(names.map((name) => folder.has(name)));
  return names.filter((_, at) => found[at]);
}

/** The weights of a module: a file, or several with their index; none for a module without. */
async function weightsOf(folder: Folder, module: string): Promise<string[]> {
  const [weights] = await present(
    folder,
    weightFiles.map((name) => `${module}${name}`),
  );
  if (weights === undefined) return [];
  if (!weights.endsWith(".index.json")) return [weights];
  const index = await readStored<{ readonly weight_map: Readonly<Record<string, string>> }>(folder, weights);
  return [weights, ...new Set(Object.values(index!.weight_map).map((name) => `${module}${name}`))];
}
