/** The output folder of a run: created, locked by one process at a time, and released. */
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { FileError } from "../../src/errors.ts";
import { errorCode, meaningOf } from "../../src/io/folders/errno-node.ts";
import { makeFolder } from "../../src/io/folders/make-folder-node.ts";
import { takeLock } from "../cli/process-lock.ts";
import type { TrainOptions } from "./train-options.ts";

/** Names the process that writes into the folder. */
const lockFile = ".train.lock";

/** A folder that this process may write into until it is released. */
export interface ClaimedFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * Makes the output folder and locks it. Throws `FileError` if the folder is not empty and must not be overwritten, or if another process writes into it: two runs in
 * one folder would delete each other's files. The lock of a finished process is taken over.
 */
export async function claimOutput(options: TrainOptions): Promise<ClaimedFolder> {
  const path = resolve(options.output_dir);
  await openOutput(path, options);
  const lock = join(path, lockFile);
  const held = await takeLock(lock, (holder) => inUse(options.output_dir, lock, holder));
  return { path, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
}

async function openOutput(path: string, { output_dir, overwrite_output_dir, resume_from_checkpoint }: TrainOptions): Promise<void> {
  let found: string[];
  try {
    await makeFolder(path);
    found = await readdir(path);
  } catch (cause) {
    const code = errorCode(cause);
    if (code === undefined) throw cause;
    throw new FileError(
      `The output folder ${output_dir} cannot be made: ${meaningOf(code)[0]}`,
      "Give a folder that can be written, with --output_dir.",
      { cause },
    );
  }
  if (found.every((name) => name === lockFile) || overwrite_output_dir || resume_from_checkpoint) return;
  throw new FileError(
    `The output folder ${output_dir} is not empty.`,
    "Choose another, allow it with --overwrite_output_dir, or resume with --resume_from_checkpoint.",
  );
}

function inUse(shown: string, lock: string, holder: string): FileError {
  return new FileError(
    `${shown} is being written by a run: ${holder}.`,
    `Wait for it, stop it, or choose another --output_dir; if that process is not a run, remove ${lock}.`,
  );
}
