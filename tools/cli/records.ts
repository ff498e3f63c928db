/** What commands read: sentences from a file or standard input, as lines, JSON lines, or the column of a table. Streamed, whatever their number. */
import { createReadStream } from "node:fs";
import { extname } from "node:path";
import { pipeline, Readable } from "node:stream";
import { Option } from "commander";
import { CsvError, parse } from "csv-parse";
import { DataError, OptionError } from "../../src/errors.ts";
import { streamPieces } from "../../src/io/folders/errno-node.ts";
import { decodeUtf8 } from "../../src/io/text/utf8.ts";
import { MAX_LINE_CHARACTERS, readLines } from "../../src/io/text.ts";
import { sentencesOf } from "../../src/io/text-node.ts";
import type { SentenceId } from "../../src/simcse/search/sentence-index.ts";

export interface TextRecord {
  readonly sentence: string;
  readonly id?: SentenceId;
}

export interface RecordOptions {
  readonly input: string;
  readonly input_format?: Format;
  readonly text_column: string;
  readonly id_column?: string;
}

type Format = "lines" | "jsonl" | "csv" | "tsv";

const formats: Readonly<Record<Format, (given: RecordOptions) => AsyncIterable<TextRecord>>> = {
  lines: readPlain,
  jsonl: readJsonLines,
  csv: (given) => readTable(given, ","),
  tsv: (given) => readTable(given, "\t"),
};

const byExtension: Readonly<Record<string, Format>> = { ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv" };

export const recordOptions: readonly Option[] = [
  new Option("--input <file>", "sentences: lines, or .jsonl, .csv, .tsv; - is standard input").default("-"),
  new Option("--input_format <format>", "what the input is, where its name does not say it").choices(Object.keys(formats)),
  new Option("--text_column <name>", "field or column that holds the sentence").default("sentence"),
  new Option("--id_column <name>", "field or column that holds an id"),
];

/** The records of the input. Throws `FileError` for a file that cannot be read, `DataError` naming the line for what is not as its format says. */
export function readRecords(given: RecordOptions): AsyncIterable<TextRecord> {
  if (given.input === "-" && process.stdin.isTTY) process.stderr.write("reading from the terminal: a sentence a line, Ctrl-D at the end\n");
  return formats[given.input_format ?? byExtension[extname(given.input)] ?? "lines"](given);
}

const nameOf = ({ input }: RecordOptions) => (input === "-" ? "standard input" : input);

/** Standard input may be empty: a shard of a split text can be. */
function linesOf(given: RecordOptions): AsyncIterable<string> {
  return given.input === "-" ? readLines(process.stdin, nameOf(given), { mayBeEmpty: true }) : sentencesOf(given.input);
}

async function* readPlain(given: RecordOptions): AsyncGenerator<TextRecord> {
  if (given.id_column !== undefined)
    throw new OptionError("--id_column needs JSON lines or a table.", "Give --input_format, or leave --id_column out.");
  for await (const sentence of linesOf(given)) yield { sentence };
}

async function* readJsonLines(given: RecordOptions): AsyncGenerator<TextRecord> {
  let line = 0;
  for await (const text of linesOf(given)) {
    line++;
    if (text.trim() === "") continue;
    yield jsonRecord(text, line, given);
  }
}

function jsonRecord(text: string, line: number, given: RecordOptions): TextRecord {
  const bad = (found: string) =>
    new DataError(
      `line ${line} of ${nameOf(given)} ${found}`,
      `Give a JSON text a line, or an object whose field is named by --text_column (now ${given.text_column}).`,
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad("is not valid JSON");
  }
  if (typeof value === "string" && given.id_column === undefined) return { sentence: value };
  if (typeof value !== "object" || value === null) throw bad("is no object");
  const fields = value as Readonly<Record<string, unknown>>;
  const sentence = fields[given.text_column];
  if (typeof sentence !== "string") throw bad(`has no text in "${given.text_column}"`);
  if (given.id_column === undefined) return { sentence };
  const id = fields[given.id_column];
  if (typeof id !== "string" && !Number.isSafeInteger(id)) throw bad(`has no text or whole number in "${given.id_column}"`);
  return { sentence, id: id as SentenceId };
}

/** A quotation mark that is never closed would swallow the rest of the table. */
const mostRowBytes = 20 * MAX_LINE_CHARACTERS;

async function* readTable(given: RecordOptions, delimiter: string): AsyncGenerator<TextRecord> {
  const name = nameOf(given);
  const pieces = streamPieces(given.input === "-" ? process.stdin : createReadStream(given.input), name);
  const table = parse({
    columns: true,
    delimiter,
    bom: true,
    skip_empty_lines: true,
    max_record_size: mostRowBytes,
    ...(delimiter === "\t" ? { quote: false } : { relax_quotes: true }),
  });
  pipeline(Readable.from(decodeUtf8(pieces, name)), table, () => {});
  const rows = table[Symbol.asyncIterator]() as AsyncIterator<Readonly<Record<string, string>>>;
  for (let row = 1; ; row++) {
    const next = await rows.next().catch((error: unknown) => {
      throw error instanceof CsvError
        ? new DataError(`${name}: ${error.message}`, "Correct the table, or give its --input_format.", { cause: error })
        : error;
    });
    if (next.done) return;
    yield tableRecord(next.value, row, given);
  }
}

function tableRecord(fields: Readonly<Record<string, string>>, row: number, given: RecordOptions): TextRecord {
  const field = (name: string, option: string): string => {
    const value = fields[name];
    if (value !== undefined) return value;
    throw new DataError(
      `row ${row} of ${nameOf(given)} has no column "${name}"; its columns are ${Object.keys(fields).join(", ")}`,
      `Name the column with ${option}.`,
    );
  };
  const sentence = field(given.text_column, "--text_column");
  if (sentence.length > MAX_LINE_CHARACTERS) {
    throw new DataError(
      `row ${row} of ${nameOf(given)} has a text of more than ${MAX_LINE_CHARACTERS} characters`,
      "Split the text into sentences, or remove the row.",
    );
  }
  return given.id_column === undefined ? { sentence } : { sentence, id: field(given.id_column, "--id_column") };
}
