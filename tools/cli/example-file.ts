/** Files of examples that `simcse train` reads: .jsonl if the name says so, else .csv. */
import { writeFileAtomically } from "../../src/io/folder-node.ts";

/** Writes rows of texts under the names of their columns, completely or not at all. */
export function writeExamples(path: string, columns: readonly string[], rows: readonly (readonly string[])[]): Promise<void> {
  return writeFileAtomically(path, /\.jsonl$/i.test(path) ? jsonLines(columns, rows) : csv(columns, rows));
}

function csv(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  return [columns.join(","), ...rows.map((texts) => texts.map(quoted).join(",")), ""].join("\n");
}

function jsonLines(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows.map((texts) => `${JSON.stringify(Object.fromEntries(columns.map((name, i) => [name, texts[i]])))}\n`).join("");
}
