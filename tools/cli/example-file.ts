/** Files of examples that `simcse train` reads. */
import { extname } from "node:path";
import { OptionError } from "../../src/errors.ts";
import { writeFileAtomically } from "../../src/io/folder-node.ts";

type Rows = readonly (readonly string[])[];

/** The content of a file with rows of texts under the names of their columns, by the file's ending. */
const contents: Readonly<Record<string, (columns: readonly string[], rows: Rows) => string>> = {
  ".csv": csv,
  ".jsonl": jsonLines,
  ".ndjson": jsonLines,
};

/**
 * A writer of rows of texts to a path, completely or not at all. Throws `OptionError`, which names the option, for a path of unknown format:
 * `train` decides by the ending too, and would take the commas of another format for text.
 */
export function exampleWriter(option: string, path: string, columns: readonly string[]): (rows: Rows) => Promise<void> {
  const content = contents[extname(path).toLowerCase()];
  if (content === undefined) throw new OptionError(`${option} ${path} has an unknown format.`, "Give a file that ends in .csv or .jsonl.");
  return (rows) => writeFileAtomically(path, content(columns, rows));
}

function csv(columns: readonly string[], rows: Rows): string {
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  return [columns.join(","), ...rows.map((texts) => texts.map(quoted).join(",")), ""].join("\n");
}

function jsonLines(columns: readonly string[], rows: Rows): string {
  return rows.map((texts) => `${JSON.stringify(Object.fromEntries(columns.map((name, i) => [name, texts[i]])))}\n`).join("");
}
