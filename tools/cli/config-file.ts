/**
 * `--config file.json`: options from a file, as if written on the command line, whose own options take precedence. `simcse train args.json` does the
 * same, as in the original's script.
 */
import { basename, dirname, resolve } from "node:path";
import { FormatError } from "../../src/errors.ts";
import { readJson } from "../../src/io/folder.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import { isJsonObject } from "../../src/io/formats/json.ts";
import { show } from "../../src/show.ts";
import { MAY_BE_EMPTY } from "./empty-values.ts";
import { nameIn } from "./hyphens.ts";

const option = "--config";

/** Commands that take a file of options as their only argument. */
const takesFile = new Set(["train", "pretrain"]);

/** Options that say the same: one of them on the command line takes the place of any in the file. */
const sameOptions = [
  ["--model_name_or_path", "--model"],
  ["--per_device_train_batch_size", "--per_gpu_train_batch_size"],
  ["--evaluation_strategy", "--eval_strategy"],
  ["--warmup_steps", "--warmup_ratio"],
];

/** The arguments with `--config` replaced by the options in its file. Throws `FileError` or `FormatError` when that cannot be read. */
export async function withConfigFile(argv: readonly string[]): Promise<string[]> {
  const found = findConfig(argv);
  if (found === null) return [...argv];
  const { at, length, path } = found;
  const rest = argv.toSpliced(at, length);
  const given = new Set(rest.map(nameIn).flatMap((name) => sameOptions.find((names) => names.includes(name)) ?? name));
  const entries = (await entriesOf(path)).filter(([name]) => !given.has(nameIn(name)));
  return rest.toSpliced(at, 0, ...entries.flat());
}

/** Where the file is named: the index of the word, and the number of words. */
function findConfig(argv: readonly string[]): { readonly at: number; readonly length: number; readonly path: string } | null {
  const end = argv.indexOf("--");
  const words = end === -1 ? argv : argv.slice(0, end);
  const at = words.findIndex((word) => word === option || word.startsWith(`${option}=`));
  if (at === -1) {
    const alone = words.findIndex((word, i) => i > 1 && takesFile.has(words[i - 1]!) && /\.json$/i.test(word) && !word.startsWith("-"));
    return alone === -1 ? null : { at: alone, length: 1, path: words[alone]! };
  }
  if (words[at] !== option) return { at, length: 1, path: words[at]!.slice(option.length + 1) };
  const path = words[at + 1];
  return path === undefined ? null : { at, length: 2, path };
}

/** Each option of the file with its value; an option with several values, such as --train_file, is repeated. */
async function entriesOf(path: string): Promise<[option: string, value: string][]> {
  const folder = await openFolder(dirname(resolve(path)));
  const json = await readJson<unknown>(folder, basename(path));
  if (!isJsonObject(json)) throw unfit(path, "an object of options", json);
  return Object.entries(json).flatMap(([name, value]: [string, unknown]) => {
    if (isNothing(name, value)) return [];
    const listed = Array.isArray(value) && value.every((item) => typeof item === "string");
    return (listed ? value : [value]).map((item: unknown): [string, string] => [`--${name}`, wordOf(path, name, item)]);
  });
}

/** Whether an option is as good as left out: transformers writes all of them. Its `debug` is not that of this command line. */
function isNothing(name: string, value: unknown): boolean {
  const isEmpty = value === null || (value === "" && !MAY_BE_EMPTY.has(name)) || (Array.isArray(value) && value.length === 0);
  return isEmpty || (name === "debug" && value === false);
}

/** An object is written as JSON: transformers has options that are one (`accelerator_config`). */
function wordOf(path: string, name: string, value: unknown): string {
  if (Array.isArray(value) && value.every((item) => typeof item === "number")) return value.join(",");
  if (Array.isArray(value)) throw unfit(path, `a text, a number, true, false, or a list of them for ${name}`, value);
  return isJsonObject(value) ? JSON.stringify(value) : String(value);
}

function unfit(path: string, wanted: string, found: unknown): FormatError {
  return new FormatError(
    `${path}: expected ${wanted}, found ${show(found)}.`,
    'Write {"learning_rate": 3e-5, "fp16": true, …}, with the names that the options have.',
  );
}
