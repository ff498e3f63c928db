/** Files of examples that `simcse train` reads. */
import { extname } from "node:path";
import { OptionError } from "../../src/errors.ts";
import { writeFileAtomically } from "../../src/io/folder-node.ts";
import { encodeUtf8 } from "../../src/io/text/utf8.ts";
import { jsonLines } from "./vector-output.ts";

type Rows = readonly (readonly string[])[];

/** The content of a file with rows of texts under the names of their columns, by the file's ending. */
const contents: Readonly<Record<string, (columns: readonly string[], rows: Rows) => Iterable<string>>> = {
  ".csv": csv,
  ".jsonl": objects,
  ".ndjson": objects,
};

/**
 * A writer of rows of texts to a path, completely or not at all. Throws `OptionError`, which names the option, for a path of unknown format:
 * `train` decides by the ending too, and would take the commas of another format for text.
 */
export function exampleWriter(option: string, path: string, columns: readonly string[]): (rows: Rows) => Promise<void> {
  const content = contents[extname(path).toLowerCase()];
  if (content === undefined) throw new OptionError(`${option} ${path} has an unknown format.`, "Give a file that ends in .csv or .jsonl.");
  return (rows) => writeFileAtomically(path, encodeUtf8(content(columns, rows)));
}

function* csv(columns: readonly string[], rows: Rows): Generator<string> {
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  yield `${columns.join(",")}\n`;
  for (const texts of rows) yield `${texts.map(quoted).join(",")}\n`;
}

function objects(columns: readonly string[], rows: Rows): Generator<string> {
  return jsonLines(rows.map((texts) => Object.fromEntries(columns.map((name, i) => [name, texts[i]]))));
}
