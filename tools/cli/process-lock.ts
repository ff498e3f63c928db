/** Locks that one process holds at a time: files that name it. The lock of a process that has ended is taken over. */
import { open, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { errorCode, fileOperation } from "../../src/io/folders/errno-node.ts";

/** The process that holds a lock. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When it began. */
  readonly start: string;
}

/** Takes the lock until it is disposed of. Throws what `inUse` makes of the process that holds it. */
export async function takeLock(lock: string, inUse: (holder: string) => Error): Promise<AsyncDisposable> {
  const held = { [Symbol.asyncDispose]: () => rm(lock, { force: true }).catch(() => {}) };
  if (await writeLock(lock)) return held;
  const holder = await readLock(lock);
  if (holder !== null && isRunning(holder)) throw inUse(shown(holder));
  await rm(lock, { force: true });
  if (await writeLock(lock)) return held;
  throw inUse(shown(await readLock(lock)));
}

const shown = (holder: Holder | null) => (holder ? `process ${holder.pid} on ${holder.host} since ${holder.start}` : "another process");

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
