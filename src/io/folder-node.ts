/**
 * Folders on disk: reading by range, and writing so that no half-written file appears under its name.
 *
 * A file or folder is written next to its destination under a hidden name, flushed to disk and renamed. If that fails, the hidden file is
 * removed. A process killed meanwhile leaves a hidden `.name.*.partial` and does not change the destination.
 */
import { randomUUID } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { access, chmod, open, readdir, readlink, realpath, rm, rmdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, normalize, relative, resolve, sep } from "node:path";
import { FileError, OptionError } from "../errors.ts";
import { show } from "../show.ts";
import { checkRange, type FileContent, type Folder, missingFile, type NamedContent } from "./folder.ts";
import { errorCode, fileOperation } from "./folders/errno-node.ts";
import { removeFolder, rename } from "./folders/in-use-node.ts";
import { makeFolder } from "./folders/make-folder-node.ts";

/** Opens a folder on disk for reading. Throws FileError when there is none at `path` or something else is there. */
export async function openFolder(path: string): Promise<Folder> {
  if (typeof path !== "string") throw new OptionError(`A folder's path must be a text, not ${show(path)}.`, "Give its path.");
  const found = await statOf(path);
  if (found === undefined) {
    throw new FileError(`the folder ${path} does not exist`, "Check the path; a relative one starts at the folder the program runs in.");
  }
  if (!found.isDirectory()) throw new FileError(`${path} is not a folder`, "Give the folder that holds the file, not the file.");
  return new DiskFolder(path);
}

class DiskFolder implements Folder {
  readonly name: string;

  constructor(path: string) {
    this.name = path;
  }

  async has(file: string): Promise<boolean> {
    return (await linkedTo(join(this.name, file)))?.isFile() ?? false;
  }

  async size(file: string): Promise<number> {
    const path = join(this.name, file);
    const found = await linkedTo(path);
    if (found === undefined) throw missingFile(path);
    if (!found.isFile()) throw new FileError(`${path} is not a file`, "Check the name of the file and of its folder.");
    return found.size;
  }

  async read(file: string, start = 0, end?: number): Promise<Uint8Array> {
    const path = join(this.name, file);
    const size = await this.size(file);
    const stop = end ?? size;
    checkRange(path, size, start, stop);
    return fileOperation("read", path, async () => {
      // Opened for each read: that costs microseconds, and no handle stays open.
      const handle = await open(path, "r");
      try {
        const bytes = new Uint8Array(stop - start);
        for (let filled = 0; filled < bytes.length; ) {
          const { bytesRead } = await handle.read(bytes, filled, Math.min(bytes.length - filled, LARGEST_READ), start + filled);
          if (bytesRead === 0) checkRange(path, start + filled, start, stop);
          filled += bytesRead;
        }
        return bytes;
      } finally {
        await handle.close();
      }
    });
  }
}

/** Node reads at most 2 GiB − 1 at once; this is a round number below it. */
const LARGEST_READ = 2 ** 30;

/**
 * Writes a file so that `path` holds either what it held before or all of `content`. The folder must exist. A symbolic link stays and its
 * target is replaced; a file that is replaced passes on its permissions. Throws FileError when the file cannot be written (no space, no
 * permission, no folder, something else in its place); errors thrown by `content` pass through.
 */
export async function writeFileAtomically(path: string, content: FileContent): Promise<void> {
  await checkOrdinary(path);
  const target = await placeOf(path);
  const partial = beside(target, "partial");
  try {
    await writeThrough(partial, path, content, (await statOf(target))?.mode);
    await fileOperation("write", path, () => rename(partial, target));
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  await flushFolder(dirname(target));
}

/**
 * Removes what processes left beside a file that were killed while they wrote it: each leaves as much as the file takes. What has changed
 * within the last hour stays, because a process may still be writing it; so does what cannot be listed or removed, as another user's in a
 * shared folder.
 */
export async function removePartialsOf(path: string): Promise<void> {
  const target = await placeOf(path);
  const start = `.${basename(target)}.`;
  const names = await readdir(dirname(target)).catch(() => []);
  for (const name of names.filter((found) => found.startsWith(start) && PARTIAL.test(found.slice(start.length)))) {
    const path = join(dirname(target), name);
    const changed = (await stat(path).catch(() => null))?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - changed > MILLISECONDS_OF_WRITING) await rm(path).catch(() => {});
  }
}

/** A file that has not changed for so long is not being written. */
const MILLISECONDS_OF_WRITING = 3_600_000;

/** What `beside` puts after the name of a file that is being written. */
const PARTIAL = /^[0-9a-f-]{36}\.partial$/;

/** Throws `FileError` unless `writeFileAtomically` could write to the path: to be called before long work whose result goes there. */
export async function checkFilePlace(path: string): Promise<void> {
  await checkOrdinary(path);
  await fileOperation("write", path, async () => access(dirname(await placeOf(path)), constants.W_OK));
}

/** An empty path would be the folder that the program runs in. */
function checkPath(path: unknown): asserts path is string {
  if (typeof path === "string" && path !== "") return;
  throw new OptionError(`The place to write to must be a path, but is ${show(path)}.`, "Give the path of a file or a folder.");
}

/** Renaming over a device or a pipe would replace it with a file. */
async function checkOrdinary(path: string): Promise<void> {
  checkPath(path);
  const found = await statOf(path);
  if (found === undefined || found.isFile()) return;
  const what = found.isDirectory() ? "a folder" : "no ordinary file";
  throw new FileError(`cannot write ${path}: it is ${what}`, "Give the path of a file that may be replaced, or of a new one.");
}

/**
 * Writes a folder of files so that `path` holds either what it held before or all of `files`. Folders above it are made. An empty folder is
 * replaced; one that holds anything is replaced only with `overwrite`, and its old content is then deleted. Between the two renames that
 * replace it, `path` does not exist for a moment, and the old folder is next to it as `.name.*.old`.
 *
 * Throws FileError when the folder cannot be written, holds something and `overwrite` is false, or is one that must not be replaced: the
 * folder the program runs in, the home folder, or one above them. Errors thrown by a file's content pass through.
 */
export async function writeFolderAtomically(
  path: string,
  files: Iterable<NamedContent> | AsyncIterable<NamedContent>,
  { overwrite }: { overwrite: boolean },
): Promise<void> {
  checkPath(path);
  const target = await placeOf(path);
  await checkReplaceable(path, target, overwrite);
  const partial = beside(target, "partial");
  try {
    await fileOperation("write", path, () => makeFolder(partial));
    for await (const { name, content } of files) {
      const inside = fileInside(name);
      await fileOperation("write", path, () => makeFolder(dirname(join(partial, inside))));
      await writeThrough(join(partial, inside), join(path, inside), content);
    }
    await flushFolder(partial);
    // Checked again, because the folder may have been filled while the files were written.
    const old = await checkReplaceable(path, target, overwrite);
    if (old === "full") await replaceFolder(path, target, partial);
    else {
      // Windows cannot rename over an empty folder. One that was filled meanwhile is not removed.
      if (old === "empty") await fileOperation("write", path, () => rmdir(target));
      await fileOperation("write", path, () => rename(partial, target));
    }
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
  await flushFolder(dirname(target));
}

/** Writes files into a folder that may contain others, one after the other, each completely or not at all. Creates missing folders. */
export async function writeFilesInto(path: string, files: Iterable<NamedContent> | AsyncIterable<NamedContent>): Promise<void> {
  checkPath(path);
  for await (const { name, content } of files) {
    const file = join(path, fileInside(name));
    await fileOperation("write", file, () => makeFolder(dirname(file)));
    await writeFileAtomically(file, content);
  }
}

/** Throws FileError unless a folder may be written at `target`; otherwise returns what is there now. */
async function checkReplaceable(path: string, target: string, overwrite: boolean): Promise<"nothing" | "empty" | "full"> {
  const found = await statOf(target);
  if (found === undefined) return "nothing";
  if (!found.isDirectory())
    throw new FileError(`cannot write the folder ${path}: a file is there`, "Choose another folder, or remove the file.");
  for (const kept of [process.cwd(), homedir()]) {
    if (isWithin(target, kept)) {
      throw new FileError(`cannot replace the folder ${path}: ${kept} lies in it`, "Choose a folder of its own for what is written.");
    }
  }
  const entries = await fileOperation("write", path, () => readdir(target));
  if (entries.length === 0) return "empty";
  if (!overwrite) {
    throw new FileError(
      `the folder ${path} is not empty: it holds ${entries.length} entries`,
      "Choose another folder, or allow it to be replaced (--overwrite_output_dir on the command line).",
    );
  }
  return "full";
}

async function replaceFolder(path: string, target: string, partial: string): Promise<void> {
  const old = beside(target, "old");
  await fileOperation("write", path, () => rename(target, old));
  try {
    await fileOperation("write", path, () => rename(partial, target));
  } catch (error) {
    await rename(old, target).catch((cause: unknown) => {
      throw new FileError(`${path} could not be replaced, and what it held is now in ${old}`, `Rename that folder to ${target}.`, {
        cause,
      });
    });
    throw error;
  }
  try {
    await removeFolder(old);
  } catch (cause) {
    throw new FileError(`${path} is written, but what it held before could not be removed from ${old}`, "Remove that folder.", { cause });
  }
}

/** The bits of a file's mode that are its permissions. */
const PERMISSIONS = 0o777;

/** Creates a file and flushes its content to disk; `shown` is its name in messages, `mode` that of the file whose permissions it gets. */
async function writeThrough(file: string, shown: string, content: FileContent, mode?: number): Promise<void> {
  const permissions = mode === undefined ? undefined : mode & PERMISSIONS;
  const handle = await fileOperation("write", shown, () => open(file, "wx", permissions));
  try {
    // A new file lacks what the process's umask forbids. Where permissions cannot be set, it has no more than these.
    if (permissions !== undefined) await chmod(file, permissions).catch(() => {});
    // Only the writing is a file operation. Errors thrown while the content is made pass through.
    for await (const chunk of typeof content === "string" || content instanceof Uint8Array ? [content] : content) {
      await fileOperation("write", shown, () => handle.writeFile(chunk));
    }
    await fileOperation("write", shown, () => handle.sync());
  } finally {
    await handle.close();
  }
}

/** Makes renames in a folder survive a power failure, on systems that can; Windows cannot open a folder. */
async function flushFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}

/** A hidden name in the same folder, so that a rename never crosses file systems. */
function beside(target: string, kind: "partial" | "old"): string {
  return join(dirname(target), `.${basename(target)}.${randomUUID()}.${kind}`);
}

/** The path of a file inside a folder. Throws FileError for a name that points outside. */
function fileInside(name: string): string {
  const inside = normalize(name);
  if (name === "" || isAbsolute(inside) || inside === "." || inside === ".." || inside.startsWith(`..${sep}`)) {
    throw new FileError(`"${name}" is no name for a file in a folder`, "Give a relative path that stays in the folder.");
  }
  return inside;
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

/** The absolute path, following symbolic links where the target exists: the link stays and its target is replaced. */
async function placeOf(path: string): Promise<string> {
  return (await statOf(path)) === undefined ? resolve(path) : fileOperation("write", path, () => realpath(path));
}

/**
 * The same for a file of a model. Throws `FileError` for a link that leads nowhere, as in a cache of the hub that was copied without its
 * blobs: many files are optional, and without one the model would silently be another.
 */
async function linkedTo(path: string): Promise<Stats | undefined> {
  const found = await statOf(path);
  const target = found === undefined ? await readlink(path).catch(() => null) : null;
  if (target === null) return found;
  throw new FileError(
    `${path} is a link to ${target}, which does not exist`,
    "Copy the folder with what its links lead to (cp -rL), or get the model again.",
  );
}

/** What is at a path, or undefined if nothing is. */
async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    return fileOperation("read", path, () => Promise.reject(error));
  }
}
