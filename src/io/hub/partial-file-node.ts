/**
 * The partial file of a download. A process that continues a download first renames the partial file to a unique name, so that no two
 * processes write to one file: the second finds none and starts a new one.
 *
 *     TARGET.part                    left by an attempt that failed
 *     TARGET.HOST.PID.RANDOM.part    written by that process, or left by it if it was killed
 *     ….part.etag                    beside either: the server's tag of what is in it
 *
 * Files of other programs next to the target, such as Python's `TARGET.incomplete`, are not touched.
 */
import { randomUUID } from "node:crypto";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { errorCode } from "../folders/errno-node.ts";

const host = hostname().replace(/[^\w-]/g, "_");

/** Claims the partial file of `target`, and returns its new name. If there is none, no file with that name exists yet. */
export async function claimPartial(target: string): Promise<string> {
  const own = `${target}.${host}.${process.pid}.${randomUUID()}.part`;
  for (const left of await abandoned(target)) {
    try {
      await rename(left, own);
      await rename(etagFile(left), etagFile(own)).catch(() => {});
      return own;
    } catch (error) {
      // Another process was faster.
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }
  return own;
}

/** The path of the server's tag for a partial file. */
export function etagFile(partial: string): string {
  return `${partial}.etag`;
}

/** Removes a partial file and its tag, if they are there. */
export async function removePartial(partial: string): Promise<void> {
  await rm(partial, { force: true });
  await rm(etagFile(partial), { force: true });
}

/** Leaves a claimed file for a later attempt; an empty one is removed. */
export async function leavePartial(own: string, target: string): Promise<void> {
  const { size } = await stat(own).catch(() => ({ size: 0 }));
  if (size === 0) return removePartial(own).catch(() => {});
  await rename(own, `${target}.part`).catch(() => {});
  await rename(etagFile(own), etagFile(`${target}.part`)).catch(() => {});
}

/** Removes partial files that will not be continued, when `target` is complete. */
export async function removePartials(target: string): Promise<void> {
  for (const left of await abandoned(target)) await removePartial(left).catch(() => {});
}

/** Partial files of `target` from failed attempts, and from processes of this machine that have ended. */
async function abandoned(target: string): Promise<string[]> {
  const [folder, base] = [dirname(target), basename(target)];
  const names = await readdir(folder);
  return names
    .filter((name) => {
      if (!name.startsWith(`${base}.`) || !name.endsWith(".part")) return false;
      const [owner, pid] = name.slice(base.length + 1).split(".");
      return name === `${base}.part` || (owner === host && !isRunning(Number(pid)));
    })
    .map((name) => join(folder, name));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}
