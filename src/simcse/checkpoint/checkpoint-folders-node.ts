/** The `checkpoint-N` folders of an output folder: written completely or not at all, found again, and limited in number. */
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { FileError } from "../../errors.ts";
import type { Folder, NamedContent } from "../../io/folder.ts";
import { openFolder, writeFolderAtomically } from "../../io/folder-node.ts";
import { errorCode, fileOperation } from "../../io/folders/errno-node.ts";
import { removeFolder, rename } from "../../io/folders/in-use-node.ts";
import { type CheckpointStore, checkpointFolder, completeSteps, stateFile, stepOfFolder } from "./checkpoint-store.ts";

/** Left by a killed process: a file or checkpoint that it was writing, or a checkpoint that it was removing. */
const leftover = /^\..+\.[0-9a-f-]{36}\.(partial|old)$|^\.checkpoint-\d+\.old$/;

/** Paths of the complete checkpoints in `output`, the oldest first; none where no run has made that folder yet. */
async function listCheckpoints(output: string): Promise<string[]> {
  const names = await fileOperation("read", output, async () => {
    try {
      // A file of such a name, such as an archive of a checkpoint, is none.
      return (await readdir(output, { withFileTypes: true })).flatMap((entry) => (entry.isFile() ? [] : [entry.name]));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return [];
      throw error;
    }
  });
  const steps = await completeSteps(names, async (folder) => (await openFolder(join(output, folder))).has(stateFile));
  return steps.map((step) => join(output, checkpointFolder(step)));
}

/** Checkpoints in a folder on disk; the oldest beyond `limit` are removed. */
export class DiskCheckpoints implements CheckpointStore {
  constructor(
    readonly name: string,
    readonly limit = Number.POSITIVE_INFINITY,
  ) {}

  async write(step: number, files: Iterable<NamedContent>): Promise<void> {
    await writeFolderAtomically(join(this.name, checkpointFolder(step)), files, { overwrite: true });
    const all = await listCheckpoints(this.name);
    for (const old of all.slice(0, Math.max(0, all.length - this.limit))) await removeCheckpoint(old);
  }

  async last(): Promise<Folder | null> {
    const path = (await listCheckpoints(this.name)).at(-1);
    return path === undefined ? null : openFolder(path);
  }
}

/** Renamed first, because a half-removed folder must not count as a checkpoint. */
async function removeCheckpoint(path: string): Promise<void> {
  const hidden = join(path, "..", `.${basename(path)}.old`);
  await fileOperation("write", path, async () => {
    await rm(hidden, { recursive: true, force: true });
    await rename(path, hidden);
    await removeFolder(hidden);
  });
}

/** Removes what killed processes left and, if a run starts from the beginning, all checkpoints and final results of the previous run. */
export async function tidyCheckpoints(output: string, { anew }: { readonly anew: boolean }): Promise<void> {
  await fileOperation("write", output, async () => {
    for (const name of await readdir(output)) {
      if (leftover.test(name) || (anew && (stepOfFolder(name) !== undefined || name === stateFile)))
        await rm(join(output, name), { recursive: true });
    }
  });
}

/** Opens a checkpoint by its path. Throws `FileError` for a folder that does not exist or is incomplete. */
export async function openCheckpoint(path: string): Promise<Folder> {
  const folder = await openFolder(path);
  const last = stepOfFolder(basename(path)) === undefined ? (await listCheckpoints(path)).at(-1) : undefined;
  if (last !== undefined)
    throw new FileError(`${path} is the output folder of a run, and no checkpoint.`, `Give one of its checkpoints, such as ${last}.`);
  if (await folder.has(stateFile)) return folder;
  throw new FileError(`${path} is no checkpoint: it has no ${stateFile}.`, "Give a checkpoint-N folder, or `last`.");
}
