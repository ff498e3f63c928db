/** The input of commands: sentences with their ids, from a file or standard input, as lines or as a column of a table. Streamed, so any number fits. */
import { fstatSync } from "node:fs";
import { Option } from "commander";
import { DataError, FileError, OptionError } from "../../src/errors.ts";
import { diskSource } from "../../src/io/examples-node.ts";
import { streamPieces } from "../../src/io/folders/errno-node.ts";
import { isJsonObject, parsePythonsJson } from "../../src/io/formats/json.ts";
import { roleOf } from "../../src/io/text/column-names.ts";
import { exactly } from "../../src/io/text/number.ts";
import { type ByteSource, streamSource } from "../../src/io/text/source.ts";
import { fieldOf, formatOf, openTable, placeOf, type Row, type Table, type TableFormat, tableFormats } from "../../src/io/text/table.ts";
import { show } from "../../src/show.ts";
import { checkMetadata, type Metadata } from "../../src/simcse/search/metadata.ts";
import type { SentenceId } from "../../src/simcse/search/sentence-index.ts";
import { flag, nameList } from "./options.ts";
import { say } from "./say.ts";

export interface TextRecord {
  readonly sentence: string;
  readonly id?: SentenceId;
  readonly metadata?: Metadata;
  /** Only with `vector_column`. */
  readonly vector?: Float32Array;
}

export interface RecordOptions {
  readonly input: string;
  readonly input_format?: TableFormat;
  readonly text_column?: string;
  readonly id_column?: string;
  readonly metadata_columns?: readonly string[];
  readonly vector_column?: string;
  readonly header?: boolean;
}

/** Options for reading a text file, shared with commands whose file options have other names. */
export const textColumnOptions: readonly Option[] = [
  new Option("--text_column <name>", "column or field with the sentence (default: sentence or text, or the only one)"),
  flag("header", "whether the first row of a table names its columns (default: detected)"),
];

export const recordOptions: readonly Option[] = [
  new Option("--input <file>", "sentences: lines, or .csv, .tsv, .jsonl, .json, .parquet, also .gz; - is standard input").default("-"),
  new Option("--input_format <format>", "format of the input, if its name does not tell").choices(tableFormats),
  ...textColumnOptions,
  new Option("--id_column <name>", "column or field with an id"),
  new Option(
    "--metadata_columns <names>",
    "columns or fields to keep with each sentence, separated by commas; numbers stay numbers",
  ).argParser(nameList),
];

/**
 * The records of the input. Throws `FileError` for a file that cannot be read, `DataError` naming the line for malformed content, and
 * `OptionError` for a missing column.
 */
export async function* readRecords(given: RecordOptions): AsyncGenerator<TextRecord> {
  if (given.input === "-" && process.stdin.isTTY) say("reading from the terminal: one sentence per line, Ctrl-D at the end");
  const source = await sourceOf(given.input);
  const { text_column, id_column, metadata_columns = [], vector_column, header } = given;
  const said = given.input_format ?? formatOf(given.input);
  const table = await openTable(source, {
    format: said ?? "lines",
    header,
    knownColumns: [text_column, id_column, vector_column, ...metadata_columns].filter((column) => column !== undefined),
  });
  if (table.format === "lines" && (id_column !== undefined || metadata_columns.length > 0)) {
    const name = id_column === undefined ? "--metadata_columns" : "--id_column";
    throw new OptionError(`${name} needs JSON lines or a table.`, `Give --input_format, or leave ${name} out.`);
  }
  let textColumn: string | undefined;
  let count = 0;
  for await (const row of table.rows) {
    count++;
    textColumn ??= findTextColumn(table, text_column);
    const sentence = textField(table, row, textColumn);
    if (said === null && count === 1) checkNoJson(table, sentence);
    const metadata = metadataFields(table, row, metadata_columns);
    yield {
      sentence,
      ...(id_column !== undefined && { id: idField(table, row, id_column) }),
      ...(Object.keys(metadata).length > 0 && { metadata }),
      ...(vector_column !== undefined && { vector: vectorField(table, row, vector_column) }),
    };
  }
  // Standard input may be empty: a shard of a split text may have no lines.
  if (count === 0 && given.input !== "-")
    throw new DataError(
      `${table.name} holds no ${table.format === "lines" ? "line" : "row"}`,
      "Give a text with one sentence per line, or a table of sentences.",
    );
}

/** Throws `OptionError` for a text whose name does not tell its format, and whose first line is an object of JSON. */
function checkNoJson({ name }: Table, line: string): void {
  if (!/^\s*\{.*\}\s*$/.test(line)) return;
  let value: unknown;
  try {
    value = parsePythonsJson(line);
  } catch {
    return;
  }
  if (!isJsonObject(value)) return;
  throw new OptionError(
    `${name} begins with an object of JSON, and nothing says that it holds JSON lines.`,
    "Give --input_format jsonl, or a name that ends in .jsonl; --input_format lines takes each line as it is.",
  );
}

async function sourceOf(input: string): Promise<ByteSource> {
  // Node reads a folder as an empty stream.
  if (input === "-" && isFolder(0)) throw new FileError("standard input is a folder", "Give a file: --input <file>.");
  return input === "-" ? streamSource(streamPieces(process.stdin, "standard input"), "standard input") : diskSource(input);
}

/** Whether an open file is a folder; false where the system says nothing of it. */
function isFolder(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isDirectory();
  } catch {
    return false;
  }
}

/** The column that holds the sentence: the named one, or the only possible one. */
function findTextColumn(table: Table, wanted: string | undefined): string {
  const { columns, named, name } = table;
  const found =
    wanted ?? (columns.length === 1 ? columns[0] : (["sentence", "text"].find((usual) => columns.includes(usual)) ?? onlyText(columns)));
  if (found !== undefined && (columns.includes(found) || table.format === "jsonl" || table.format === "json")) return found;
  const shown = named ? columns.join(", ") : `without names (${columns.length})`;
  throw new OptionError(
    found === undefined
      ? `${name}: which column holds the sentence? Its columns are ${shown}.`
      : `${name} has no column "${found}"; its columns are ${shown}.`,
    "Name the column with --text_column.",
  );
}

/** The only column with the name of a first text, such as question. */
function onlyText(columns: readonly string[]): string | undefined {
  const texts = columns.filter((column) => roleOf(column) === "sent0");
  return texts.length === 1 && !columns.some((column) => roleOf(column) === "sent1") ? texts[0] : undefined;
}

/** Throws `OptionError` for a column that the table does not have. Objects in JSON need not all have the fields of the first one. */
function checkColumn({ name, format, columns, named }: Table, column: string, option: string): void {
  if (format === "jsonl" || format === "json" || columns.includes(column)) return;
  throw new OptionError(
    `${name} has no column "${column}"; its columns are ${named ? columns.join(", ") : `without names (${columns.length})`}.`,
    `Name one of them with ${option}.`,
  );
}

function textField(table: Table, row: Row, column: string): string {
  const value = fieldOf(row, column);
  if (typeof value === "string") return value;
  throw new DataError(
    `${placeOf(table, row)}: expected a text in "${column}", found ${show(value)}.`,
    "Give every row a text, or name another column with --text_column.",
  );
}

function idField(table: Table, row: Row, column: string): SentenceId {
  checkColumn(table, column, "--id_column");
  const value = fieldOf(row, column);
  if ((typeof value === "string" && value !== "") || (typeof value === "number" && Number.isSafeInteger(value))) return value;
  const isLarge = typeof value === "number" && Number.isInteger(value);
  throw new DataError(
    `${placeOf(table, row)}: expected a text or a whole number in "${column}", found ${isLarge ? `a number beyond ${Number.MAX_SAFE_INTEGER}` : show(value)}.`,
    isLarge ? "Write ids as texts: JavaScript would round such numbers." : "Give every row an id, or name another column with --id_column.",
  );
}

/** A vector is a list of numbers, or in a table of texts the same as JSON. */
function vectorField(table: Table, row: Row, column: string): Float32Array {
  checkColumn(table, column, "--vector_column");
  const value = fieldOf(row, column);
  const list = typeof value === "string" && value.startsWith("[") ? parsedList(value) : value;
  if (Array.isArray(list) && list.length > 0 && list.every((number) => typeof number === "number" && Number.isFinite(number)))
    return Float32Array.from(list as number[]);
  throw new DataError(
    `${placeOf(table, row)}: expected a list of numbers in "${column}", found ${show(value)}.`,
    "Give every row a vector, or name another column with --vector_column.",
  );
}

function parsedList(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The fields of a row to keep. An object in the field `metadata`, as written by `simcse encode`, contributes its own fields. A row may lack some. */
function metadataFields(table: Table, row: Row, columns: readonly string[]): Metadata {
  const fields: Record<string, unknown> = {};
  for (const column of columns) {
    checkColumn(table, column, "--metadata_columns");
    const value = fieldOf(row, column);
    if (column === "metadata" && isJsonObject(value)) Object.assign(fields, jsonOf(value));
    // An index has null there for a sentence without metadata.
    else if (value !== undefined && !(column === "metadata" && value === null)) fields[column] = plainNumber(value);
  }
  checkMetadata(`the metadata of ${placeOf(table, row)}`, fields);
  return fields;
}

/** Converts a table's text to a number if it is written as in JSON. 007 stays a text, since it may be a name. */
function plainNumber(value: unknown): unknown {
  if (typeof value === "object" || typeof value === "bigint") return jsonOf(value);
  return typeof value === "string" && value !== "" && String(Number(value)) === value && Number.isFinite(Number(value))
    ? Number(value)
    : value;
}

/** A value of Parquet as JSON: a time in ISO 8601, a 64-bit integer as a number or, if no number is exact for it, as a text. */
function jsonOf(value: unknown): unknown {
  if (typeof value === "bigint") return exactly(value);
  if (value instanceof Date) return value.toJSON();
  if (Array.isArray(value)) return value.map(jsonOf);
  const isStruct = typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return isStruct ? Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, jsonOf(inner)])) : value;
}
