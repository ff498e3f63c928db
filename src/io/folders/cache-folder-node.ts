/** Small texts in the user's cache folder, which may be deleted at any time. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { writeFilesInto } from "../folder-node.ts";
import { errorCode, fileOperation } from "./errno-node.ts";

/** This package's own cache folder: in `XDG_CACHE_HOME`, else in `~/.cache`. */
export function cacheFolder(): string {
  const { XDG_CACHE_HOME: chosen = "" } = process.env;
  // The XDG Base Directory Specification says to ignore relative paths.
  return join(isAbsolute(chosen) ? chosen : join(homedir(), ".cache"), "simcse-webgpu");
}

/** JSON files of a folder by name, without the extension. The folder is created on the first write. */
export class CacheFolder {
  constructor(readonly path: string) {}

  /** The text of a file; null if it does not exist. Throws `FileError` when it cannot be read. */
  async read(key: string): Promise<string | null> {
    const path = join(this.path, fileOf(key));
    return fileOperation("read", path, async () => {
      try {
        return await readFile(path, "utf8");
      } catch (error) {
        if (errorCode(error) === "ENOENT") return null;
        throw error;
      }
    });
  }

  /** Throws `FileError` when it cannot be written. */
  async write(key: string, text: string): Promise<void> {
    await writeFilesInto(this.path, [{ name: fileOf(key), content: text }]);
  }
}

const fileOf = (key: string) => `${key}.json`;
