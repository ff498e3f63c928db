/** The output folder of a run: created, locked by one process at a time, and released. */
import { mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { FileError } from "../../src/errors.ts";
import { errorCode, fileOperation } from "../../src/io/folders/errno-node.ts";
import type { TrainOptions } from "./train-options.ts";

/** Names the process that writes into the folder. */
const lockFile = ".train.lock";

/** The process that holds a folder. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When it began. */
  readonly start: string;
}

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
  await makeFolder(path, options);
  const lock = join(path, lockFile);
  await takeLock(lock, options.output_dir);
  return { path, [Symbol.asyncDispose]: () => rm(lock, { force: true }).catch(() => {}) };
}

async function makeFolder(path: string, { output_dir, overwrite_output_dir, resume_from_checkpoint }: TrainOptions): Promise<void> {
  let found: string[];
  try {
    await mkdir(path, { recursive: true });
    found = await readdir(path);
  } catch (cause) {
    throw new FileError(
      `The output folder ${output_dir} cannot be made: ${(cause as Error).message}`,
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

async function takeLock(lock: string, shown: string): Promise<void> {
  if (await writeLock(lock)) return;
  const holder = await readLock(lock);
  if (holder !== null && isRunning(holder)) throw inUse(shown, lock, holder);
  await rm(lock, { force: true });
  if (await writeLock(lock)) return;
  throw inUse(shown, lock, await readLock(lock));
}

/** Whether the lock was free. */
async function writeLock(lock: string): Promise<boolean> {
  const holder: Holder = { pid: process.pid, host: hostname(), start: new Date().toISOString() };
  return fileOperation("write", lock, async () => {
    const handle = await open(lock, "wx").catch((error: unknown) => {
      if (errorCode(error) === "EEXIST") return null;
      throw error;
    });
    if (handle === null) return false;
    await handle.writeFile(JSON.stringify(holder)).finally(() => handle.close());
    return true;
  });
}

/** Null if the lock is gone or incomplete. */
async function readLock(lock: string): Promise<Holder | null> {
  try {
    const { pid, host, start } = JSON.parse(await readFile(lock, "utf8")) as Partial<Holder>;
    return Number.isSafeInteger(pid) && pid! > 0 && typeof host === "string" && typeof start === "string"
      ? { pid: pid!, host, start }
      : null;
  } catch {
    return null;
  }
}

/** The processes of other machines are unknown and count as running. This process's own id belonged to a finished one: containers reuse ids. */
function isRunning({ pid, host }: Holder): boolean {
  if (host !== hostname()) return true;
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}

function inUse(shown: string, lock: string, holder: Holder | null): FileError {
  const who = holder ? `process ${holder.pid} on ${holder.host} since ${holder.start}` : "another process";
  return new FileError(
    `${shown} is being written by a run: ${who}.`,
    `Wait for it, stop it, or choose another --output_dir; if that process is not a run, remove ${lock}.`,
  );
}
