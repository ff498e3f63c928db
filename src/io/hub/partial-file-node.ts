/**
 * What has come of a file that is being fetched. Whoever goes on with it takes it by renaming it to a name of its own, so that no two processes write to
 * one file: the second finds nothing to take, and fetches a file of its own.
 *
 *     TARGET.part                    left by an attempt that failed
 *     TARGET.HOST.PID.RANDOM.part    written by that process, or left by it if it was killed
 *     ….part.etag                    beside either: the server's tag of what is in it
 *
 * Files that other programs write beside the target, such as `TARGET.incomplete` of Python's, are not touched.
 */
import { randomUUID } from "node:crypto";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { errorCode } from "../folders/errno-node.ts";

const host = hostname().replace(/[^\w-]/g, "_");

/** Takes what is left of `target`, and gives its new name; where nothing is left there is no file of that name yet. */
export async function claimPartial(target: string): Promise<string> {
  const own = `${target}.${host}.${process.pid}.${randomUUID()}.part`;
  for (const left of await abandoned(target)) {
    try {
      await rename(left, own);
      await rename(etagFile(left), etagFile(own)).catch(() => {});
      return own;
    } catch (error) {
      // Another was faster.
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }
  return own;
}

/** Where the server's tag of a partial file stands. */
export function etagFile(partial: string): string {
  return `${partial}.etag`;
}

/** Leaves a claimed file to whoever goes on; an empty one is removed. */
export async function leavePartial(own: string, target: string): Promise<void> {
  const { size } = await stat(own).catch(() => ({ size: 0 }));
  if (size === 0) {
    await rm(own, { force: true }).catch(() => {});
    await rm(etagFile(own), { force: true }).catch(() => {});
    return;
  }
  await rename(own, `${target}.part`).catch(() => {});
  await rename(etagFile(own), etagFile(`${target}.part`)).catch(() => {});
}

/** Removes what nobody will go on with, when `target` is whole. */
export async function removePartials(target: string): Promise<void> {
  for (const left of await abandoned(target)) {
    await rm(left).catch(() => {});
    await rm(etagFile(left)).catch(() => {});
  }
}

/** What is left of `target` by attempts that failed and by processes of this machine that have ended. */
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
