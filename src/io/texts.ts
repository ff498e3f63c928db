/**
 * Every text of a file, whatever its columns mean: the lines of a plain text, and the text columns of a table, row by row. Columns of
 * numbers, ids, scores and labels are left out, and so are absent values; an empty cell is an empty text.
 */
import { DataError } from "../errors.ts";
import { show } from "../show.ts";
import { existingColumn } from "./examples/columns.ts";
import { isColumnName, roleOf } from "./text/column-names.ts";
import { numberIn } from "./text/number.ts";
import { orClosed, peeked } from "./text/peek.ts";
import type { ByteSource } from "./text/source.ts";
import { fieldOf, linesUnderstood, openTable, placeOf, type Row, type Table } from "./text/table.ts";

/** How to read a table's texts. */
export interface TextOptions {
  /** The columns to take, by names or by numbers from 1, separated by commas; all columns of texts if absent. */
  readonly columns?: string | undefined;
  /** Whether the first row names the columns; decided by its cells if absent. */
  readonly header?: boolean | undefined;
}

/** A file's texts, read on demand. */
export interface TextTable {
  /** The file's name in messages. */
  readonly name: string;
  /** How the file was read, as text for people. */
  readonly understood: string;
  /** The texts in the order of the file; they can be read once. */
  readonly texts: AsyncIterable<string>;
}

/**
 * Opens a file of texts. Throws what `openTable` throws, OptionError for columns that the table does not have, and DataError if it has no
 * column of texts. Reading throws DataError, naming the row, for a value that is no text.
 */
export async function openTexts(source: ByteSource, { columns: chosen, header }: TextOptions = {}): Promise<TextTable> {
  const names = chosen?.split(",").map((word) => word.trim().replace(/^\w+=/, ""));
  const table = await openTable(source, { header, knownColumns: names });
  const { first, all } = await peeked(table.rows);
  if (first === undefined) throw new DataError(`${table.name} holds no row.`, "Give a file with texts.");
  return orClosed(all, () => {
    const columns = names?.map((name) => existingColumn(table, name)) ?? textColumns(table, first);
    const leftOut = table.columns.filter((column) => !columns.includes(column));
    const understood =
      table.format === "lines"
        ? linesUnderstood(first)
        : `texts of ${columns.join(", ")}${leftOut.length > 0 ? `; left out: ${leftOut.join(", ")}` : ""}`;
    return { name: table.name, understood, texts: textsOf(table, all, columns) };
  });
}

/** The texts in some columns of rows. */
async function* textsOf(table: Table, rows: AsyncIterable<Row>, columns: readonly string[]): AsyncGenerator<string> {
  for await (const row of rows) {
    for (const column of columns) {
      const value = fieldOf(row, column);
      if (typeof value === "string") yield value;
      else if (value !== undefined && value !== null) {
        throw new DataError(
          `${placeOf(table, row)}: expected a text in ${column}, found ${show(value)}.`,
          "Write the value as a text, or leave its column out: --columns (in the library, the option columns).",
        );
      }
    }
  }
}

function textColumns(table: Table, { fields }: Row): readonly string[] {
  if (table.format === "lines") return table.columns;
  const found = table.columns.filter((column) => isOfTexts(table, column, fields[column]));
  if (found.length > 0) return found;
  throw new DataError(
    `${table.name} has no column of texts: ${table.columns.join(", ").slice(0, 200)}.`,
    "Name the columns to take with --columns (in the library, the option columns).",
  );
}

/** By the column's name, if it has one that is known, or else by its first value. */
function isOfTexts({ named }: Table, column: string, value: unknown): boolean {
  const role = named ? roleOf(column) : null;
  if (role !== null) return role !== "score" && role !== "label";
  if (named && isColumnName(column)) return false;
  return value === undefined || value === null || (typeof value === "string" && numberIn(value) === null);
}
