/** The `checkpoint-N` folders of an output folder: written whole or not at all, found again, and only so many of them kept. */
import { readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { FileError } from "../../src/errors.ts";
import type { Folder, NamedContent } from "../../src/io/folder.ts";
import { openFolder, writeFolderAtomically } from "../../src/io/folder-node.ts";
import { fileOperation } from "../../src/io/folders/errno-node.ts";
import { stateFile } from "../../src/simcse/checkpoint/training-checkpoint.ts";

const pattern = /^checkpoint-(\d+)$/;
/** What a killed process leaves of a file or a checkpoint that it was writing, or of a checkpoint that it was removing. */
const leftover = /^\..+\.[0-9a-f-]{36}\.(partial|old)$|^\.checkpoint-\d+\.old$/;

/** Paths of the complete checkpoints in `output`, the oldest first. */
export async function listCheckpoints(output: string): Promise<string[]> {
  const steps = (await fileOperation("read", output, () => readdir(output)))
    .map((name) => pattern.exec(name)?.[1])
    .filter((step) => step !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
  const found: string[] = [];
  for (const step of steps) {
    const path = join(output, `checkpoint-${step}`);
    if (await (await openFolder(path)).has(stateFile)) found.push(path);
  }
  return found;
}

/** Writes `checkpoint-<step>` and removes the oldest ones beyond `limit`. Throws `FileError` when it cannot be written. */
export async function writeCheckpoint(
  output: string,
  step: number,
  files: Iterable<NamedContent>,
  limit = Number.POSITIVE_INFINITY,
): Promise<string> {
  const path = join(output, `checkpoint-${step}`);
  await writeFolderAtomically(path, files, { overwrite: true });
  const all = await listCheckpoints(output);
  for (const old of all.slice(0, Math.max(0, all.length - limit))) await removeCheckpoint(old);
  return path;
}

/** First out of sight in one piece: what is removed half-way is no checkpoint. */
async function removeCheckpoint(path: string): Promise<void> {
  const hidden = join(path, "..", `.${basename(path)}.old`);
  await fileOperation("write", path, async () => {
    await rm(hidden, { recursive: true, force: true });
    await rename(path, hidden);
    await rm(hidden, { recursive: true });
  });
}

/** Removes what killed processes have left, and where a run starts anew all checkpoints and the end of the run before it. */
export async function tidyCheckpoints(output: string, { anew }: { readonly anew: boolean }): Promise<void> {
  for (const name of await readdir(output)) {
    if (leftover.test(name) || (anew && (pattern.test(name) || name === stateFile))) await rm(join(output, name), { recursive: true });
  }
}

/**
 * The checkpoint that `--resume_from_checkpoint` means: a folder, or the last one in `output`; null where there is none yet. Throws `FileError` for a folder that is
 * not there or not complete.
 */
export async function findCheckpoint(output: string, given: string | true): Promise<Folder | null> {
  if (given === true || given === "last") {
    const last = (await listCheckpoints(output)).at(-1);
    return last === undefined ? null : openFolder(last);
  }
  const folder = await openFolder(given);
  if (await folder.has(stateFile)) return folder;
  throw new FileError(`${given} is no checkpoint: it has no ${stateFile}.`, "Give a checkpoint-N folder, or `last`.");
}
