/** `--config file.json`: options from a file, as if they stood on the command line before the others, which therefore win. */
import { basename, dirname, resolve } from "node:path";
import { FormatError } from "../../src/errors.ts";
import { readJson } from "../../src/io/folder.ts";
import { openFolder } from "../../src/io/folder-node.ts";

const option = "--config";

/** The arguments with `--config` replaced by what its file says. Throws `FileError` or `FormatError` when that cannot be read. */
export async function withConfigFile(argv: readonly string[]): Promise<string[]> {
  const at = argv.findIndex((word) => word === option || word.startsWith(`${option}=`));
  if (at < 0) return [...argv];
  const joined = argv[at] !== option;
  const path = joined ? argv[at]!.slice(option.length + 1) : argv[at + 1];
  const rest = argv.toSpliced(at, joined ? 1 : 2);
  // After node, the program and the command.
  return path === undefined ? [...argv] : rest.toSpliced(3, 0, ...(await wordsOf(path)));
}

async function wordsOf(path: string): Promise<string[]> {
  const folder = await openFolder(dirname(resolve(path)));
  const json = await readJson<unknown>(folder, basename(path));
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw unfit(path, "an object of options", json);
  return Object.entries(json).flatMap(([name, value]) => {
    if (value === null) return [];
    const text = Array.isArray(value) ? value.join(",") : value;
    if (typeof text === "object") throw unfit(path, `a text, a number, true or false for ${name}`, value);
    return [`--${name}`, String(text)];
  });
}

function unfit(path: string, wanted: string, found: unknown): FormatError {
  return new FormatError(
    `${path}: expected ${wanted}, found ${JSON.stringify(found).slice(0, 60)}.`,
    'Write {"learning_rate": 3e-5, "fp16": true, …}, with the names that the options have.',
  );
}
