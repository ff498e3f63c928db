/**
 * Tables of texts: the one reader for all files to train on, encode and evaluate with. Lines, separated values, JSON lines, JSON arrays and
 * Parquet all become rows with named fields and are read in pieces.
 *
 *     .txt              a text a line
 *     .csv, .tsv, .tab  rows; the separator ( , ; tab | ) and the header are found from the data
 *     .jsonl, .ndjson   a JSON object a line, or a list, or a text
 *     .json             an array of these, or lines
 *     .parquet          rows
 *
 * Extensions are case-insensitive, and all formats but Parquet may be packed with gzip (`.csv.gz`). examples.ts decides the columns' roles.
 */
import { DataError, OptionError } from "../../errors.ts";
import { checkChoice } from "../../options.ts";
import { plural, printable, show } from "../../show.ts";
import { isJsonObject, parsePythonsJson, withExactIntegers } from "../formats/json.ts";
import { findSeparator, type Separator, sampleRows, splitRows } from "./delimited.ts";
import { isHeader } from "./header.ts";
import { splitJsonArray } from "./json-array.ts";
import { splitLines } from "./lines.ts";
import { openParquet } from "./parquet.ts";
import { type OpenStream, orClosed, startingWith } from "./peek.ts";
import type { ByteSource } from "./source.ts";
import { decodeUtf8 } from "./utf8.ts";

export const tableFormats = ["lines", "csv", "tsv", "jsonl", "json", "parquet"] as const;

/** How a file holds its rows. */
export type TableFormat = (typeof tableFormats)[number];

const formatOfEnding: Readonly<Record<string, TableFormat>> = {
  ".txt": "lines",
  ".csv": "csv",
  ".tsv": "tsv",
  ".tab": "tsv",
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".json": "json",
  ".parquet": "parquet",
};

/** File name extensions whose format is known. */
export const tableEndings: readonly string[] = Object.keys(formatOfEnding);

/** The format given by a file name's extension, or null. */
export function formatOf(name: string): TableFormat | null {
  const ending = /(\.[^./\\]+)(\.gz)?$/i.exec(name)?.[1]?.toLowerCase();
  return (ending !== undefined && Object.hasOwn(formatOfEnding, ending) && formatOfEnding[ending]) || null;
}

/** One row of a table. */
export interface Row {
  /** The number of the line in a text, or of the row in another file, from 1. */
  readonly number: number;
  /** Values by column; missing values are left out. Values are texts if the format has no other types. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A table that is open for reading. */
export interface Table {
  /** The name of the file or stream in messages. */
  readonly name: string;
  readonly format: TableFormat;
  /** The columns in order: from the header, or else from the first row. Numbered (`column 1`) if they have no names. */
  readonly columns: readonly string[];
  /** Whether the file names its columns. */
  readonly named: boolean;
  /** The separator of values, in formats where it may differ. */
  readonly separator: Separator | null;
  /** The rows in order; they can be read once. */
  readonly rows: AsyncIterable<Row>;
}

/** How to read a table if its name or its data do not say it. */
export interface TableOptions {
  /** The format; decided by the file name's extension if absent. */
  readonly format?: TableFormat | undefined;
  /** Whether the first row of separated values names the columns; decided by its cells if absent. */
  readonly header?: boolean | undefined;
  /** Known column names: a first row that contains one of them is a header. */
  readonly knownColumns?: readonly string[] | undefined;
  /** Called for a row that cannot be read, which is then left out; if absent, reading throws the error. */
  readonly onProblem?: ((problem: DataError) => void) | undefined;
}

/** The value of `read`; nothing if it throws a `DataError` that the caller wants to be told about instead. */
export function orProblem<T>(read: () => T, onProblem: TableOptions["onProblem"]): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DataError) || onProblem === undefined) throw error;
    onProblem(error);
    return undefined;
  }
}

/** The value of a column in a row; undefined where the row has none. */
export const fieldOf = ({ fields }: Row, column: string): unknown => (Object.hasOwn(fields, column) ? fields[column] : undefined);

/** A row's place as shown in messages: `pairs.csv, line 7`. */
export function placeOf({ name, format }: Pick<Table, "name" | "format">, { number }: Row): string {
  return `${name}, ${format === "json" || format === "parquet" ? "row" : "line"} ${number}`;
}

/**
 * Opens a table and reads its beginning. Throws OptionError for a format that is not known, or a name that tells none, FileError when the file cannot be read,
 * and DataError, naming the file and the line, for content that does not match the format, or a first row that may or may not be a header.
 * Reading rows throws the same errors.
 */
export async function openTable(source: ByteSource, options: TableOptions = {}): Promise<Table> {
  if (typeof (source as Partial<ByteSource> | null | undefined)?.bytes !== "function") {
    throw new OptionError(
      `A source of bytes was expected, not ${show(source)}.`,
      "Give what `fileSource(folder, file)` or `streamSource(stream, name)` returns.",
    );
  }
  const format = options.format ?? formatOf(source.name);
  if (format === null) {
    throw new OptionError(
      `${source.name} is of no known format: its name ends in "${/\.[^./\\]*$/.exec(source.name)?.[0] ?? ""}".`,
      `Give a file that ends in ${tableEndings.join(", ")}, or one of these with .gz.`,
    );
  }
  checkChoice("format of tables", format, tableFormats);
  return openers[format](source, options);
}

type Opener = (source: ByteSource, options: TableOptions) => Promise<Table>;

const openers: Readonly<Record<TableFormat, Opener>> = {
  lines: async (source) => openLines(source),
  csv: (source, options) => openSeparated(source, "csv", ",", options),
  tsv: (source, options) => openSeparated(source, "tsv", "\t", options),
  // A list in a line is a row; an array of objects is a whole table under the wrong ending.
  jsonl: (source, options) => openJsonText(source, "jsonl", /^\s*\[\s*\{/, options),
  json: (source, options) => openJsonText(source, "json", /^\s*\[/, options),
  parquet: async (source) => {
    const { columns, rows } = await openParquet(source);
    return { name: source.name, format: "parquet", columns, named: true, separator: null, rows: numbered(rows) };
  },
};

const textOf = ({ name, bytes }: ByteSource) => decodeUtf8(bytes(), name);

const numberedColumn = (at: number) => `column ${at + 1}`;

/** The single column of plain texts. */
const onlyColumn = numberedColumn(0);

/** How a plain text is read, for people. Its tabs may be meant as a table's, which the file's name does not say. */
export function linesUnderstood({ fields }: Row): string {
  const tabs = String(fields[onlyColumn]).includes("\t");
  return `one text a line${tabs ? ", with its tabs (if they separate columns, name the file .tsv)" : ""}`;
}

function openLines(source: ByteSource): Table {
  async function* texts() {
    for await (const line of splitLines(textOf(source), source.name)) yield { [onlyColumn]: line };
  }
  return { name: source.name, format: "lines", columns: [onlyColumn], named: false, separator: null, rows: numbered(texts()) };
}

/** The rows of an empty file. */
async function* none(): AsyncGenerator<Row> {}

async function* numbered(rows: AsyncIterable<Row["fields"]>): AsyncGenerator<Row> {
  let number = 0;
  for await (const fields of rows) yield { number: ++number, fields };
}

/** Excel writes the separator on a separate line before the header: `sep=;`. */
const declaration = /^sep=([,;\t|])\r?\n/;

/** Characters that are examined to find the separator and the header. */
const SAMPLE_CHARACTERS = 1 << 16;

async function openSeparated(source: ByteSource, format: "csv" | "tsv", usual: Separator, options: TableOptions): Promise<Table> {
  const beginning = await sampled(textOf(source), (sample) => sample.trimStart().length >= SAMPLE_CHARACTERS);
  return orClosed(beginning.texts, () => separatedTable(source.name, format, beginning, usual, options));
}

async function separatedTable(
  name: string,
  format: "csv" | "tsv",
  { sample: beginning, whole, texts }: Beginning,
  usual: Separator,
  options: TableOptions,
): Promise<Table> {
  const declared = declaration.exec(beginning);
  const sample = beginning.slice(declared?.[0].length ?? 0);
  const shown = whole ? `${sample}\n` : sample; // Without a line end the last row may be cut off.
  const separator = (declared?.[1] as Separator | undefined) ?? findSeparator(shown, usual);
  const named = options.header ?? headerOf(name, sampleRows(shown, separator), options.knownColumns);
  const rows = splitRows(texts, separator, name);
  if (declared) await rows.next();
  const first = await rows.next();
  if (first.done) return { name, format, columns: [], named: true, separator, rows: none() };
  const columns = named ? distinctNames(first.value.cells) : first.value.cells.map((_, at) => numberedColumn(at));

  async function* all(): AsyncGenerator<Row> {
    if (!named) yield rowOf(first.value.line, first.value.cells);
    for await (const { line, cells } of rows) {
      const row = orProblem(() => rowOf(line, cells), options.onProblem);
      if (row !== undefined) yield row;
    }
  }

  function rowOf(line: number, cells: readonly string[]): Row {
    if (cells.length > columns.length) {
      throw new DataError(
        `${name}, line ${line}: ${cells.length} values for the ${plural(columns.length, "column")} of the ${named ? "header" : "first row"}.`,
        cells.some((cell) => /^\s+"/.test(cell))
          ? "Remove the spaces before quotation marks: only a value that begins with one is quoted."
          : `Put values that contain ${separatorNames[separator]} into quotation marks.`,
      );
    }
    return { number: line, fields: Object.fromEntries(cells.map((cell, at) => [columns[at]!, cell])) };
  }

  return { name, format, columns, named, separator, rows: all() };
}

/** Names of separators in messages. */
export const separatorNames: Readonly<Record<Separator, string>> = { ",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar" };

/** Whether the first row is a header. Throws DataError if it is not clear. */
function headerOf(name: string, rows: readonly (readonly string[])[], known: readonly string[] | undefined): boolean {
  const header = isHeader(rows, known);
  if (header !== null) return header;
  throw new DataError(
    `${name}: the first row (${printable(rows[0]!.join(", ").slice(0, 100))}) may name the columns, or be the first of the rows.`,
    "Say which: --header true or --header false (in the library, the option header).",
    { option: "header" },
  );
}

/** Unique column names: a second `text` becomes `text.1`; empty names stay empty. */
function distinctNames(cells: readonly string[]): string[] {
  const given = new Set(cells.map((cell) => cell.trim()));
  const taken = new Set<string>();
  return cells.map((cell) => {
    const first = cell.trim();
    let name = first;
    // The name that it gets may itself be one of the header's.
    for (let again = 1; taken.has(name) || (again > 1 && given.has(name)); again++) name = `${first}.${again}`;
    taken.add(name);
    return name;
  });
}

/** JSON that begins like `array` is one array of rows; any other has a row a line. */
async function openJsonText(source: ByteSource, format: "json" | "jsonl", array: RegExp, options: TableOptions): Promise<Table> {
  const { sample, texts } = await sampled(textOf(source), (sample) => /^\s*(\[\s*)?[^\s[]/.test(sample));
  return orClosed(texts, () =>
    array.test(sample)
      ? openJson("json", source.name, jsonElements(source.name, splitJsonArray(texts, source.name)), options)
      : openJson(format, source.name, jsonLines(source.name, texts, options), options, format === "json"),
  );
}

interface JsonRow {
  readonly number: number;
  readonly value: unknown;
}

async function* jsonLines(name: string, texts: AsyncIterable<string>, { onProblem }: TableOptions): AsyncGenerator<JsonRow> {
  let number = 0;
  for await (const line of splitLines(texts, name)) {
    number++;
    if (line.trim() === "") continue;
    const value = orProblem(() => parsed(line, `${name}, line ${number}`), onProblem);
    if (value !== undefined) yield { number, value };
  }
}

async function* jsonElements(name: string, elements: AsyncIterable<string>): AsyncGenerator<JsonRow> {
  let number = 0;
  for await (const element of elements) yield { number: ++number, value: parsed(element, `${name}, row ${number}`) };
}

function parsed(text: string, place: string): unknown {
  try {
    return parsePythonsJson(withExactIntegers(text));
  } catch (cause) {
    if (beginsObject.test(text))
      throw new DataError(
        `${place}: an object begins that does not end in its line.`,
        'Give one JSON object a line, or an array of objects; of an object around them, such as {"data": […]}, the array alone.',
        { cause },
      );
    throw new DataError(`${place}: not JSON: ${(cause as Error).message}`, "Give one JSON object a line, or an array of objects.", {
      cause,
    });
  }
}

/** The first line of JSON that is laid out for people: none of its lines is an object. */
const beginsObject = /^\s*\{\s*$/;

/**
 * A table of JSON values. The first row decides what all rows are: objects whose keys are the columns, lists, or texts. `mayBeAll` says that an
 * object may be all of the file.
 */
async function openJson(
  format: "jsonl" | "json",
  name: string,
  values: AsyncGenerator<JsonRow>,
  { onProblem }: TableOptions,
  mayBeAll = false,
): Promise<Table> {
  const first = await values.next();
  if (first.done) return { name, format, columns: [], named: true, separator: null, rows: none() };
  const { value } = first.value;
  const named = isJsonObject(value);
  if (named && isByColumns(value, mayBeAll))
    throw new DataError(
      `${name} holds a table column by column.`,
      'Write it row by row: df.to_json(path, orient="records", lines=True) in pandas.',
    );

  const within = named && mayBeAll ? rowsField(value) : undefined;
  if (within !== undefined)
    throw new DataError(`${name} holds its rows in the field ${show(within)}.`, "Write the array alone, or one of its objects a line.");

  function rowOf({ number, value }: JsonRow): Row {
    if (typeof value === "string" && !named) return { number, fields: { [onlyColumn]: value } };
    if (Array.isArray(value) && !named)
      return { number, fields: Object.fromEntries(value.map((item, at) => [numberedColumn(at), item as unknown])) };
    if (named && isJsonObject(value)) return { number, fields: value };
    throw new DataError(
      `${placeOf({ name, format }, { number, fields: {} })}: expected ${named ? "an object with texts" : "an object, a list or a text"}, found ${show(value)}.`,
      'Give rows like {"sent0": "…", "sent1": "…"}, all of one kind.',
    );
  }

  async function* all(): AsyncGenerator<Row> {
    yield rowOf(first.value as JsonRow);
    for await (const value of values) {
      const row = orProblem(() => rowOf(value), onProblem);
      if (row !== undefined) yield row;
    }
  }

  return { name, format, columns: Object.keys(rowOf(first.value).fields), named, separator: null, rows: all() };
}

/**
 * How pandas writes JSON if it is not told otherwise, {"text": {"0": "…", "1": "…"}}, with orient="split", or what its
 * to_dict("list") gives, {"text": ["…", "…"]}. The last may also be a row, unless it may be all of the file.
 */
function isByColumns(row: object, mayBeAll: boolean): boolean {
  const columns: readonly unknown[] = Object.values(row);
  const isNumbered = (column: unknown) => isJsonObject(column) && Object.hasOwn(column, "0");
  const isList = (column: unknown) => mayBeAll && Array.isArray(column) && !column.some(isJsonObject);
  const isColumns = [isNumbered, isList].some((isColumn) => columns.length > 0 && columns.every(isColumn));
  return isColumns || Object.keys(row).join() === "columns,index,data";
}

/** The field that holds the rows in an object that is all of a file, {"data": [{"text": "…"}]}, or undefined. */
function rowsField(row: object): string | undefined {
  const [field, ...others] = Object.entries(row);
  const isRows = others.length === 0 && Array.isArray(field?.[1]) && field[1].some(isJsonObject);
  return isRows ? field[0] : undefined;
}

/** The beginning of a text, and the text. */
interface Beginning {
  readonly sample: string;
  /** Whether the sample is everything. */
  readonly whole: boolean;
  /** The whole text, the sample included. */
  readonly texts: OpenStream<string>;
}

/** The beginning of a text, until it is enough. */
async function sampled(texts: AsyncGenerator<string>, isEnough: (sample: string) => boolean): Promise<Beginning> {
  let sample = "";
  let whole = false;
  while (!whole && !isEnough(sample)) {
    const next = await texts.next();
    if (next.done) whole = true;
    else sample += next.value;
  }
  return { sample, whole, texts: startingWith(sample === "" ? [] : [sample], texts) };
}
