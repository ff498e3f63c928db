/**
 * A readable folder of files, wherever it is: on disk, behind HTTP, or in memory.
 *
 * All code in this package that reads a model, a tokenizer or a data set reads it through `Folder`, so it runs both in Node and in a
 * browser. Writing is separate: folder-node.ts writes to disk, and folders/writable-folder.ts into memory and a browser's storage.
 */
import { FileError, FormatError, OptionError } from "../errors.ts";
import { show } from "../show.ts";
import { concatenate } from "./formats/bytes.ts";
import { deepestNesting, isJsonObject, isNestedTooDeep, parsePythonsJson } from "./formats/json.ts";
import { mistakenFor, telltaleBytes } from "./mistaken-file.ts";

/** A folder whose files can be read whole or by range. File names may contain `/` for nested folders. */
export interface Folder {
  /** The folder's name in messages: its path or its address. */
  readonly name: string;
  /** Whether the file exists. */
  has(file: string): Promise<boolean>;
  /** The file's size in bytes. Throws FileError when it is missing. */
  size(file: string): Promise<number>;
  /**
   * The bytes from `start` (default 0) up to `end` exclusive (default the file's size), in a new array. Throws FileError when the file is
   * missing, cannot be read, or is shorter than `end`.
   */
  read(file: string, start?: number, end?: number): Promise<Uint8Array>;
}

/** The content of a file to write: a text (as UTF-8), bytes, or chunks of bytes as they are made. */
export type FileContent = string | Uint8Array | AsyncIterable<Uint8Array>;

/** One file of a folder to write: its name, in which `/` makes folders, and its content. */
export interface NamedContent {
  readonly name: string;
  readonly content: FileContent;
}

/** Throws `OptionError` for what JavaScript may give in a folder's place, most often a path or a promise. */
export function checkFolder(given: unknown): asserts given is Folder {
  if (typeof (given as Partial<Folder> | null | undefined)?.has === "function") return;
  throw new OptionError(
    `A Folder was expected, not ${given instanceof Promise ? "a promise" : show(given)}.`,
    "Give a MemoryFolder, or what `await openFolder(path)` or `openHttpFolder(address)` returns.",
  );
}

/** The name of a folder's file in messages. */
export function pathIn(folder: Folder, file: string): string {
  return `${folder.name.replace(/\/+$/, "")}/${file}`;
}

/** The name of a file in the folder `path` inside a folder; in the folder itself if `path` is empty. */
export const fileIn = (path: string, file: string): string => (path === "" ? file : `${path}/${file}`);

/** A folder inside a folder; the folder itself if `path` is empty. */
export function subfolder(folder: Folder, path: string): Folder {
  if (path === "") return folder;
  const inside = (file: string) => `${path}/${file}`;
  return {
    name: pathIn(folder, path),
    has: (file) => folder.has(inside(file)),
    size: (file) => folder.size(inside(file)),
    read: (file, start, end) => folder.read(inside(file), start, end),
  };
}

/** A folder in which these files have these texts instead of their own. */
export function withTexts(folder: Folder, texts: ReadonlyMap<string, string>): Folder {
  const own = new MemoryFolder(folder.name, texts);
  const holder = (file: string) => (texts.has(file) ? own : folder);
  return {
    name: folder.name,
    has: (file) => holder(file).has(file),
    size: (file) => holder(file).size(file),
    read: (file, start, end) => holder(file).read(file, start, end),
  };
}

/**
 * A whole file as text. A byte-order mark is dropped. Throws FileError when it is missing, and FormatError when it is not UTF-8, or is a
 * Git LFS pointer or a web page instead of the file.
 */
export async function readText(folder: Folder, file: string): Promise<string> {
  const bytes = await folder.read(file);
  const mistaken = mistakenFor(bytes.subarray(0, telltaleBytes));
  if (mistaken !== undefined) throw new FormatError(`${pathIn(folder, file)} is ${mistaken.what}`, mistaken.remedy);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(`${pathIn(folder, file)} is not UTF-8 text`, "Save the file as UTF-8, or get it again: it may be damaged.", {
      cause,
    });
  }
}

/**
 * A whole file as JSON. The caller promises the type: the only check is that it is JSON. Throws FileError when the file is missing, and
 * FormatError, naming the file and the place, when it is not JSON.
 */
export async function readJson<T>(folder: Folder, file: string): Promise<T> {
  return parseJson<T>(pathIn(folder, file), await readText(folder, file));
}

/** The object in a JSON file. Throws what `readJson` throws, and FormatError when the JSON is not an object. */
export async function readObject(folder: Folder, file: string): Promise<Readonly<Record<string, unknown>>> {
  return parseObject(pathIn(folder, file), await readText(folder, file));
}

/** The object in a JSON file, or null without the file. Throws like `readObject`. */
export async function findObject(folder: Folder, file: string): Promise<Readonly<Record<string, unknown>> | null> {
  return (await folder.has(file)) ? readObject(folder, file) : null;
}

/** `readObject` for a text that is already in memory; `path` is its name in messages. */
export function parseObject(path: string, text: string): Readonly<Record<string, unknown>> {
  const value = parseJson<unknown>(path, text);
  if (isJsonObject(value)) return value;
  throw new FormatError(`${path} must hold a JSON object, found ${show(value)}`, "Correct the file, or get it again.");
}

/** `readJson` for a text that is already in memory; `path` is its name in messages. */
export function parseJson<T>(path: string, text: string): T {
  if (isNestedTooDeep(text)) {
    throw new FormatError(`${path} nests lists and objects deeper than ${deepestNesting}`, "Correct the file, or get it again.");
  }
  try {
    return parsePythonsJson(text) as T;
  } catch (cause) {
    const what = text.trim() === "" ? "it is empty" : (cause as Error).message;
    throw new FormatError(`${path} is not valid JSON: ${what}`, "Correct the file, or get it again.", { cause });
  }
}

/** Throws FileError unless 0 <= start <= end <= size: a reader that asks for another range has wrong information about the file. */
export function checkRange(path: string, size: number, start: number, end: number): void {
  if (start >= 0 && start <= end && end <= size) return;
  throw new FileError(
    `${path} holds ${size} bytes, bytes ${start} to ${end} were asked for`,
    "The file may be cut short or may have changed while it was read: get it again.",
  );
}

/** The error for a missing file. */
export function missingFile(path: string): FileError {
  return new FileError(
    `${path} does not exist`,
    path.includes("*")
      ? "Name each file: the shell left * as it is, as those of Windows do."
      : "Check the name of the file and of its folder.",
  );
}

/** A folder in memory, for tests, and for models that a browser creates or a user drops on a page. */
export class MemoryFolder implements Folder {
  readonly name: string;
  readonly #files = new Map<string, Uint8Array>();

  constructor(name = "memory", files: Iterable<readonly [file: string, content: string | Uint8Array]> = []) {
    this.name = name;
    for (const [file, content] of files) this.#files.set(file, encoded(content));
  }

  /** The names of the files, in the order in which they were first written. */
  get files(): string[] {
    return [...this.#files.keys()];
  }

  /** Writes a file, replacing one with the same name. The file appears when its content is complete. */
  async write(file: string, content: FileContent): Promise<void> {
    if (typeof content === "string" || content instanceof Uint8Array) {
      this.#files.set(file, encoded(content));
      return;
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk.slice());
    this.#files.set(file, concatenate(chunks));
  }

  /** Removes a file, if it is there. */
  delete(file: string): void {
    this.#files.delete(file);
  }

  async has(file: string): Promise<boolean> {
    return this.#files.has(file);
  }

  async size(file: string): Promise<number> {
    return this.#held(file).length;
  }

  async read(file: string, start = 0, end?: number): Promise<Uint8Array> {
    const bytes = this.#held(file);
    checkRange(pathIn(this, file), bytes.length, start, end ?? bytes.length);
    return bytes.slice(start, end);
  }

  #held(file: string): Uint8Array {
    const bytes = this.#files.get(file);
    if (bytes === undefined) throw missingFile(pathIn(this, file));
    return bytes;
  }
}

function encoded(content: string | Uint8Array): Uint8Array {
  // Not slice(): for a Node Buffer it does not copy.
  return typeof content === "string" ? new TextEncoder().encode(content) : new Uint8Array(content);
}
