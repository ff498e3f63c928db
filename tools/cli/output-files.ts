/** The files that a command writes, checked before its work: a result that replaces the input, or another result, is lost without a word. */
import { type BigIntStats, statSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { OptionError } from "../../src/errors.ts";
import { checkFilePlace } from "../../src/io/folder-node.ts";
import { fileOperation } from "../../src/io/folders/errno-node.ts";

/** Files by the option that names them, or by their name; `-` is standard input or output. */
export type FilesByOption = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Throws `FileError` for an output that cannot be written, or an input that the system cannot look up, and `OptionError` for an output that is
 * the file of an input or of another output, by this name, another one or a link.
 */
export async function checkOutputs(outputs: FilesByOption, inputs: FilesByOption): Promise<void> {
  const taken = new Map<string, string>();
  for (const [option, path] of entriesOf(inputs)) taken.set(await identityOf(path), option);
  for (const [option, path] of entriesOf(outputs)) {
    await checkFilePlace(path);
    const identity = await identityOf(path);
    const other = taken.get(identity);
    if (other !== undefined)
      throw new OptionError(`${option} ${path} is also the file of ${other}, whose content would be lost.`, "Write to another file.");
    taken.set(identity, option);
  }
}

function entriesOf(files: FilesByOption): (readonly [option: string, path: string])[] {
  return Object.entries(files).flatMap(([option, paths]) =>
    (typeof paths === "string" ? [paths] : (paths ?? [])).filter((path) => path !== "-").map((path) => [option, path] as const),
  );
}

/** Two paths of one file have the same identity: its number on its device, or the place of one that does not exist yet. */
async function identityOf(path: string): Promise<string> {
  const stat = async (): Promise<BigIntStats | undefined> => statSync(path, { bigint: true, throwIfNoEntry: false });
  const found = await fileOperation("read", path, stat);
  if (found !== undefined) return `${found.dev}:${found.ino}`;
  const folder = dirname(resolve(path));
  return join(await realpath(folder).catch(() => folder), basename(path));
}
