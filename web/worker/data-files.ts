/** The visitor's files as sources of tables. Spreadsheets become separated values, notes become lines. */
import {
  type ByteSource,
  type ExampleOptions,
  FormatError,
  fileSource,
  formatOf,
  OptionError,
  streamSource,
  tableEndings,
} from "simcse-webgpu/browser";
import { FilesFolder } from "./files-folder.ts";

/** A source that can be opened again and again, and how to read it. */
export interface DataFile {
  readonly name: string;
  readonly open: () => ByteSource;
  readonly reading: Pick<ExampleOptions, "format">;
}

/** Endings of files that are read a text a line, besides `.txt`. */
const notes = /\.(md|markdown|text|log)$/i;
const spreadsheet = /\.xlsx$/i;

/** Opens a file of any kind that the page reads. Throws `OptionError` for one that it does not. */
export async function dataFile(file: File): Promise<DataFile> {
  const { name } = file;
  if (spreadsheet.test(name)) {
    const text = await valuesOf(file);
    return { name, open: () => streamSource(once(new TextEncoder().encode(text)), name), reading: { format: "csv" } };
  }
  const isNotes = notes.test(name);
  if (!isNotes && formatOf(name) === null) {
    throw new OptionError(
      `${name} is of no kind that this page reads.`,
      `Give a file that ends in ${[...tableEndings, ".xlsx", ".md"].join(", ")}.`,
    );
  }
  const folder = new FilesFolder("", [{ path: name, file }]);
  return { name, open: () => ({ ...fileSource(folder, name), name }), reading: isNotes ? { format: "lines" } : {} };
}

/** The first sheet of a workbook as comma-separated values. The library that reads workbooks is loaded with the first one. */
async function valuesOf(file: File): Promise<string> {
  const { readSheet } = await import("read-excel-file/web-worker");
  const rows = await readSheet(file).catch((cause: unknown) => {
    throw new FormatError(`${file.name} is no spreadsheet that can be read here.`, "Save it again as .xlsx, or as .csv.", { cause });
  });
  const cell = (value: unknown) =>
    `"${(value === null ? "" : value instanceof Date ? value.toISOString() : String(value)).replaceAll('"', '""')}"`;
  return rows.map((row) => row.map(cell).join(",")).join("\n");
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
