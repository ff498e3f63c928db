/**
 * Training examples from files: one column is a sentence, two are a pair that belongs together, three a pair and a hard negative.
 *
 *     .txt           one sentence a line, no header; an empty line is an empty sentence
 *     .csv, .tsv     a header, then a row an example; quotation marks as in RFC 4180
 *     .jsonl, .json  an object (or an array of texts) a line, or in .json one array of them; the first one names the columns
 *
 * Files are read in pieces, whatever their size. A missing value becomes " ", as in the original.
 */
import { createReadStream } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { pipeline, Readable } from "node:stream";
import { CsvError, type Info, parse } from "csv-parse";
import { DataError, FileError, OptionError } from "../errors.ts";
import { readText } from "./folder.ts";
import { openFolder } from "./folder-node.ts";
import { streamPieces } from "./folders/errno-node.ts";
import { decodeUtf8 } from "./text/utf8.ts";
import { MAX_LINE_CHARACTERS, readSentences } from "./text.ts";

/** The columns of one example: one, two or three texts. All examples of a file have as many. */
export type Example = readonly string[];

/** What stands for a value that a row does not have. */
const MISSING = " ";

const MOST_COLUMNS = 3;

const readers: Readonly<Record<string, (path: string) => AsyncIterable<Example>>> = {
  ".txt": readLines,
  ".csv": (path) => readTable(path, ","),
  ".tsv": (path) => readTable(path, "\t"),
  ".jsonl": readJsonLines,
  ".json": readJsonFile,
};

/**
 * The examples of a training file, in its order. Throws OptionError for a name with another ending, FileError when the file cannot be read, and
 * DataError, naming file and row, for what is not of its format, has no column or more than three, or holds no example.
 */
export async function* readExamples(path: string): AsyncGenerator<Example> {
  const reader = readers[extname(path).toLowerCase()];
  if (reader === undefined) {
    throw new OptionError(
      `${path} is of no known format: its name ends in "${extname(path)}".`,
      `Give a file that ends in ${Object.keys(readers).join(", ")}.`,
    );
  }
  let count = 0;
  for await (const example of reader(path)) {
    count++;
    yield example;
  }
  if (count === 0) throw new DataError(`${path} holds no example.`, "Give a file with at least one row below its header.");
}

async function* readLines(path: string): AsyncGenerator<Example> {
  const folder = await openFolder(dirname(resolve(path)));
  for await (const sentence of readSentences(folder, basename(path))) yield [sentence];
}

async function* readTable(path: string, delimiter: string): AsyncGenerator<Example> {
  // A quotation mark that is never closed would swallow the rest of the file.
  const parser = parse({
    delimiter,
    bom: true,
    info: true,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    max_record_size: MOST_COLUMNS * MAX_LINE_CHARACTERS,
  });
  pipeline(Readable.from(decodeUtf8(streamPieces(createReadStream(path), path), path)), parser, () => {});
  let columns: Example | undefined;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      if (columns === undefined) {
        columns = checkColumns(path, record);
        continue;
      }
      if (record.length > columns.length) {
        throw new DataError(
          `${path}, line ${info.lines}: ${record.length} values for the ${columns.length} columns of the header.`,
          `Put values that contain ${delimiter === "\t" ? "a tab" : "a comma"} into quotation marks.`,
        );
      }
      yield columns.map((_, column) => checkValue(path, info.lines, record[column]));
    }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const line = typeof cause.lines === "number" ? `, line ${cause.lines}` : "";
    throw new DataError(
      `${path}${line}: ${cause.message}`,
      "Check the quotation marks of that row: each must be closed, and doubled inside a value.",
      {
        cause,
      },
    );
  }
  if (columns === undefined) throw new DataError(`${path} is empty.`, "Give a table with a header and at least one row.");
}

async function* readJsonLines(path: string): AsyncGenerator<Example> {
  const folder = await openFolder(dirname(resolve(path)));
  let line = 0;
  let columns: Example | undefined;
  for await (const text of readSentences(folder, basename(path))) {
    line++;
    if (text.trim() === "") continue;
    let row: unknown;
    try {
      row = JSON.parse(text);
    } catch (cause) {
      throw new DataError(`${path}, line ${line}: not JSON: ${(cause as Error).message}`, "Give one JSON object a line.", { cause });
    }
    columns ??= columnsOf(path, row);
    yield exampleOf(path, line, row, columns);
  }
}

/** A `.json` file: one array, or lines as in `.jsonl`. */
async function* readJsonFile(path: string): AsyncGenerator<Example> {
  const folder = await openFolder(dirname(resolve(path)));
  const start = await folder.read(basename(path), 0, Math.min(await folder.size(basename(path)), 1024));
  if (!new TextDecoder().decode(start).trimStart().startsWith("[")) {
    yield* readJsonLines(path);
    return;
  }
  let rows: unknown;
  try {
    rows = JSON.parse(await readText(folder, basename(path)));
  } catch (cause) {
    if (cause instanceof FileError) throw cause;
    throw new DataError(`${path} is no JSON array: ${(cause as Error).message}`, "Give an array of objects, or one object a line.", {
      cause,
    });
  }
  let columns: Example | undefined;
  for (const [at, row] of (rows as unknown[]).entries()) {
    columns ??= columnsOf(path, row);
    yield exampleOf(path, at + 1, row, columns);
  }
}

function columnsOf(path: string, row: unknown): Example {
  if (typeof row !== "object" || row === null) throw noObject(path, 1, row);
  return checkColumns(path, Object.keys(row));
}

function exampleOf(path: string, line: number, row: unknown, columns: Example): Example {
  if (typeof row !== "object" || row === null) throw noObject(path, line, row);
  const values = row as Readonly<Record<string, unknown>>;
  const extra = Object.keys(values).find((key) => !columns.includes(key));
  if (extra !== undefined) {
    throw new DataError(
      `${path}, row ${line}: a value "${extra}" beside ${columns.join(", ")}.`,
      "Give every row the columns of the first one.",
    );
  }
  return columns.map((column) => checkValue(path, line, values[column]));
}

function noObject(path: string, line: number, row: unknown): DataError {
  return new DataError(
    `${path}, row ${line}: expected an object with texts, found ${JSON.stringify(row).slice(0, 60)}.`,
    'Give rows like {"sent0": "…", "sent1": "…"}.',
  );
}

function checkColumns(path: string, columns: readonly string[]): Example {
  if (columns.length >= 1 && columns.length <= MOST_COLUMNS) return columns;
  throw new DataError(
    `${path} has ${columns.length} columns: ${columns.join(", ").slice(0, 200)}.`,
    "Keep one column (sentences), two (pairs) or three (pairs and a hard negative).",
  );
}

function checkValue(path: string, line: number, value: unknown): string {
  if (value === undefined || value === null || value === "") return MISSING;
  if (typeof value !== "string") {
    throw new DataError(
      `${path}, row ${line}: expected a text, found ${JSON.stringify(value).slice(0, 60)}.`,
      "Write the value as a text.",
    );
  }
  if (value.length <= MAX_LINE_CHARACTERS) return value;
  throw new DataError(
    `${path}, row ${line}: a text of ${value.length} characters; at most ${MAX_LINE_CHARACTERS} are taken for a sentence.`,
    "Split the text into sentences, or remove the row.",
  );
}
