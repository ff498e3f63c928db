/** The lines of a SentEval file in the encodings that users have (UTF-8 or latin-1, any line ends), and the errors for bad lines. */
import { DataError } from "../../../errors.ts";
import { decodeLatin1 } from "../../../io/text/latin1.ts";
import { linesOf } from "../../../io/text/lines.ts";
import { show } from "../../../show.ts";

/** The lines of one file, without line ends, and its name in errors. */
export interface TextLines {
  readonly file: string;
  readonly lines: readonly string[];
}

/**
 * Decodes `bytes` as UTF-8, or as latin-1 if they are not UTF-8, and splits them at LF, CRLF or CR. The end of the last line does not begin
 * another one.
 */
export function textLines(file: string, bytes: Uint8Array): TextLines {
  return { file, lines: linesOf(decode(bytes)) };
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return decodeLatin1(bytes);
  }
}

/** Replaces runs of white space with one space and trims the ends: SentEval splits sentences into words and joins them again. */
export function normaliseSpace(sentence: string): string {
  return sentence.trim().replace(/\s+/g, " ");
}

/** What `parse` makes of each line after `header` lines, unless it is blank. Throws DataError if there is none; `what` is the name of a row. */
export function parseEach<T>(text: TextLines, header: number, what: string, parse: (line: string, at: number) => T): T[] {
  const rows = text.lines.flatMap((line, at) => (at < header || line.trim() === "" ? [] : [parse(line, at)]));
  return requireSome(text.file, what, rows);
}

/** The columns of a line, separated by tabs; a quotation mark is text. Throws DataError for fewer than `least`. */
export function tabColumns(file: string, at: number, line: string, least: number): string[] {
  const columns = line.split("\t");
  if (columns.length >= least) return columns;
  throw malformed(file, at, `at least ${least} tab-separated columns`, `${columns.length}: ${show(line)}`);
}

/** The rows of a file. Throws DataError if there are none; `what` is the name of a row. */
export function requireSome<T>(file: string, what: string, rows: T[]): T[] {
  if (rows.length > 0) return rows;
  throw new DataError(`${file} holds no ${what}.`, damagedRemedy);
}

/** The error for a line, counted from 0, that violates its format. */
export function malformed(file: string, line: number, expected: string, found: string): DataError {
  return new DataError(`${file}, line ${line + 1}: expected ${expected}, found ${found}.`, damagedRemedy);
}

/** The remedy for a file that is not in its format. */
export const damagedRemedy = "Fetch the SentEval data again: the file is damaged or in another format.";
