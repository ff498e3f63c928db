/**
 * Renames and removes what may be in use. On Windows this fails while another program has a file open, and virus scanners and indexers open
 * for a moment what was just written. So it is tried again there, for two seconds.
 */
import { rename as renameOnce, rm } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { errorCode } from "./errno-node.ts";

/** What Windows says of a file that is open. */
const inUse = new Set(["EACCES", "EBUSY", "EPERM"]);

/** Milliseconds before each further attempt. */
const pauses = [10, 40, 100, 200, 400, 500, 750];

/** Renames a file or a folder. Throws the operating system's error. `attempt` and `platform` are for tests. */
export async function rename(from: string, to: string, attempt = renameOnce, platform: string = process.platform): Promise<void> {
  for (const pause of platform === "win32" ? pauses : []) {
    try {
      return await attempt(from, to);
    } catch (error) {
      if (!inUse.has(errorCode(error) ?? "")) throw error;
    }
    await wait(pause);
  }
  return attempt(from, to);
}

/** Removes a folder with all that is in it. Throws the operating system's error. */
export const removeFolder = (path: string): Promise<void> => rm(path, { recursive: true, maxRetries: 5, retryDelay: 130 });
