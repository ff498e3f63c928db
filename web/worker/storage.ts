/** The browser's private storage for this page: where models, the run and the index are kept. */
import { FileError, type Folder, type WritableFolder, writableFolder } from "simcse-webgpu/browser";

/** The browser gives the page no storage, as in some private windows. */
export class StorageError extends FileError {
  constructor(cause: unknown) {
    super("This browser gives the page no storage.", "Open it in a window that is not private, or allow the site to keep data.", { cause });
  }
}

/** Whether something failed because there is no storage, or none left. */
export function hasNoRoom(error: unknown): boolean {
  return error instanceof StorageError || (error instanceof Error && error.name === "QuotaExceededError");
}

/** The folder with this path in the private storage; made if it is not there. Throws `StorageError` where there is no storage. */
export async function storageHandle(...path: readonly string[]): Promise<FileSystemDirectoryHandle> {
  let folder = await privateFolder();
  for (const name of path) folder = await folder.getDirectoryHandle(encodeURIComponent(name), { create: true });
  return folder;
}

async function privateFolder(): Promise<FileSystemDirectoryHandle> {
  try {
    return await navigator.storage.getDirectory();
  } catch (cause) {
    throw new StorageError(cause);
  }
}

/** The same as a folder to read and write. */
export async function storageFolder(...path: readonly string[]): Promise<WritableFolder> {
  return writableFolder(await storageHandle(...path));
}

/** What a JSON file of the storage holds; null without the file. */
export async function readStored<T>(folder: Folder, file: string): Promise<T | null> {
  return (await folder.has(file)) ? (JSON.parse(new TextDecoder().decode(await folder.read(file))) as T) : null;
}

/** Removes a folder and all that is in it, if it is there. */
export async function removeFromStorage(...path: readonly string[]): Promise<void> {
  const parent = await storageHandle(...path.slice(0, -1));
  try {
    await parent.removeEntry(encodeURIComponent(path.at(-1)!), { recursive: true });
  } catch (error) {
    if (!(error instanceof Error && error.name === "NotFoundError")) throw error;
  }
}
