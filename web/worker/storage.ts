/** The browser's private storage for this page: where models, the run and the index are kept. */
import { type WritableFolder, writableFolder } from "simcse-webgpu/browser";

/** The folder with this path in the private storage; made if it is not there. Throws where a browser gives a page no storage. */
export async function storageHandle(...path: readonly string[]): Promise<FileSystemDirectoryHandle> {
  let folder = await navigator.storage.getDirectory();
  for (const name of path) folder = await folder.getDirectoryHandle(encodeURIComponent(name), { create: true });
  return folder;
}

/** The same as a folder to read and write. */
export async function storageFolder(...path: readonly string[]): Promise<WritableFolder> {
  return writableFolder(await storageHandle(...path));
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
