/**
 * Folders that can be written as well as read, other than those on disk: in memory, and behind a browser's file handles (including its
 * private storage).
 */
import { FileError } from "../../errors.ts";
import { checkRange, type FileContent, type Folder, MemoryFolder, missingFile, type NamedContent, pathIn } from "../folder.ts";

/** A folder that files can be written to. */
export interface WritableFolder extends Folder {
  /** Writes a file, replacing one with the same name. `/` in its name makes folders. */
  write(file: string, content: FileContent): Promise<void>;
  /** The names of its folders and files. */
  list(): Promise<string[]>;
  /** Removes a file, or a folder with all its content. */
  remove(name: string): Promise<void>;
}

/** A place to write to: a folder in memory, or a browser's handle of a folder. */
export type FolderPlace = MemoryFolder | FileSystemDirectoryHandle;

/** Throws `FileError` for anything else. */
export function writableFolder(place: FolderPlace): WritableFolder {
  if (place instanceof MemoryFolder) return new WritableMemory(place);
  if (typeof place === "object" && place !== null && "getFileHandle" in place) return new HandleFolder(place);
  throw new FileError(
    `${typeof place === "string" ? JSON.stringify(place) : String(place)} is no folder that can be written to here.`,
    "Give a MemoryFolder, a FileSystemDirectoryHandle, or in Node a path.",
  );
}

/** Writes files one after another. */
export async function writeFiles(place: FolderPlace, files: Iterable<NamedContent>): Promise<void> {
  const folder = writableFolder(place);
  for (const { name, content } of files) await folder.write(name, content);
}

class WritableMemory implements WritableFolder {
  constructor(readonly folder: MemoryFolder) {}

  get name(): string {
    return this.folder.name;
  }
  has(file: string): Promise<boolean> {
    return this.folder.has(file);
  }
  size(file: string): Promise<number> {
    return this.folder.size(file);
  }
  read(file: string, start?: number, end?: number): Promise<Uint8Array> {
    return this.folder.read(file, start, end);
  }
  write(file: string, content: FileContent): Promise<void> {
    return this.folder.write(file, content);
  }
  async list(): Promise<string[]> {
    return [...new Set(this.folder.files.map((file) => file.split("/")[0]!))];
  }
  async remove(name: string): Promise<void> {
    for (const file of this.folder.files) if (file === name || file.startsWith(`${name}/`)) this.folder.delete(file);
  }
}

/** A browser's handle of a folder: chosen by the user, or in the page's private storage (`navigator.storage.getDirectory()`). */
class HandleFolder implements WritableFolder {
  constructor(readonly handle: FileSystemDirectoryHandle) {}

  get name(): string {
    return this.handle.name || "storage";
  }

  async has(file: string): Promise<boolean> {
    return (await this.#find(file)) !== null;
  }

  async size(file: string): Promise<number> {
    return (await this.#file(file)).size;
  }

  async read(file: string, start = 0, end?: number): Promise<Uint8Array> {
    const found = await this.#file(file);
    checkRange(pathIn(this, file), found.size, start, end ?? found.size);
    return new Uint8Array(await found.slice(start, end ?? found.size).arrayBuffer());
  }

  /** A half-written file is not visible: the browser replaces the file when the content is complete. */
  async write(file: string, content: FileContent): Promise<void> {
    const parts = file.split("/");
    let folder = this.handle;
    for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part, { create: true });
    const stream = await (await folder.getFileHandle(parts.at(-1)!, { create: true })).createWritable();
    try {
      if (typeof content === "string" || content instanceof Uint8Array) await stream.write(content as FileSystemWriteChunkType);
      else for await (const chunk of content) await stream.write(chunk.slice() as FileSystemWriteChunkType);
      await stream.close();
    } catch (error) {
      await stream.abort();
      throw error;
    }
  }

  async list(): Promise<string[]> {
    const names: string[] = [];
    for await (const name of this.handle.keys()) names.push(name);
    return names;
  }

  async remove(name: string): Promise<void> {
    await this.handle.removeEntry(name, { recursive: true });
  }

  async #file(file: string): Promise<File> {
    const found = await this.#find(file);
    if (found === null) throw missingFile(pathIn(this, file));
    return found.getFile();
  }

  async #find(file: string): Promise<FileSystemFileHandle | null> {
    const parts = file.split("/");
    try {
      let folder = this.handle;
      for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part);
      return await folder.getFileHandle(parts.at(-1)!);
    } catch (error) {
      if (error instanceof Error && (error.name === "NotFoundError" || error.name === "TypeMismatchError")) return null;
      throw error;
    }
  }
}
