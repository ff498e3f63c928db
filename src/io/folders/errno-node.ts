/**
 * What the operating system's file errors mean for the user: one table from error code to a FileError's text.
 *
 * Errors without an errno code are not file errors and pass through unchanged.
 */
import { FileError } from "../../errors.ts";

const MEANINGS: Readonly<Record<string, readonly [found: string, remedy: string]>> = {
  ENOENT: ["it or its folder does not exist", "Check the path, or create the folder first."],
  ENOTDIR: ["a part of the path is a file and not a folder", "Check the path."],
  EISDIR: ["it is a folder and not a file", "Give the path of a file."],
  EEXIST: ["it is a file and not a folder", "Choose another path, or remove it first."],
  ENOTEMPTY: ["the folder there is not empty", "Choose another path, or allow it to be overwritten."],
  EACCES: ["permission denied", "Change the permissions, or choose another path."],
  EPERM: ["the operation is not permitted", "Change the permissions, or choose another path."],
  EROFS: ["the file system is read-only", "Choose a path on a file system that can be written."],
  ENOSPC: ["no space is left on the device", "Free some space, or choose a path on another disk."],
  EDQUOT: ["the disk quota is used up", "Free some space, or choose a path on another disk."],
  EFBIG: ["the file is larger than the system allows", "Raise the limit on file sizes, or choose a path on another disk."],
  EMFILE: ["too many files are open", "Close some files, or raise the limit on open files."],
  ENAMETOOLONG: ["the name is too long", "Choose a shorter path."],
  ELOOP: ["the path goes through too many symbolic links", "Check the symbolic links in the path."],
  EBUSY: ["it is in use or is a mount point", "Close the program that uses it, or choose a path inside it."],
  EXDEV: ["it lies on another file system", "Choose a path inside it."],
  EIO: ["the disk reported an error", "Check the disk, or choose a path on another one."],
};

/**
 * Runs a file operation. An error of the operating system becomes a FileError that says that `path` could not be `read` or `written`, and
 * why.
 */
export async function fileOperation<T>(verb: "read" | "write", path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    const code = errorCode(cause);
    if (code === undefined) throw cause;
    const [found, remedy] = meaningOf(code);
    throw new FileError(`cannot ${verb} ${path}: ${found}`, remedy, { cause });
  }
}

/** What an error code of the operating system says of a path, and what to do. */
export function meaningOf(code: string): readonly [found: string, remedy: string] {
  return MEANINGS[code] ?? [`the system said ${code}`, "Check the path and the disk."];
}

/** The chunks of a stream. An error of the operating system becomes a FileError that names `path`. */
export async function* streamPieces(stream: AsyncIterable<string | Uint8Array>, path: string): AsyncGenerator<Uint8Array> {
  const pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  try {
    for (;;) {
      const { value, done } = await fileOperation("read", path, () => pieces.next());
      if (done) return;
      yield value;
    }
  } finally {
    await pieces.return?.();
  }
}

/** The operating system's error code (`ENOENT`), or undefined for other kinds of errors. In Jest, Node's errors are of another class `Error`. */
export function errorCode(error: unknown): string | undefined {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
