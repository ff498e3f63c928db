/**
 * Rows of a text whose values are separated by a character: csv as in RFC 4180, and tab-separated text.
 *
 * A value in quotation marks may contain the separator, line ends and doubled quotation marks. Elsewhere a quotation mark is an ordinary
 * character, and so is one that begins a value but does not end it (`"so" he said`). A value that can be read in no other way may have
 * backslashes before its quotation marks, as Spark and MySQL write them (`"a \"b\", c"`). In tab-separated text, which often contains
 * quotation marks that were never meant to quote, a quoted value ends on its line. Where that leaves the row shorter than the first one,
 * lines are taken together if they fill it, or else quotation marks are ordinary characters if that fills it (`"He said<tab>bye"`). The last
 * value goes on until its quotation mark closes if the lines up to there are all too short for rows. Lines of nothing but white space are
 * skipped, as pandas does; a line with an empty value in quotation marks is a row.
 */
import { DataError } from "../../errors.ts";
import { formatCount } from "../../show.ts";
import { isHeader } from "./header.ts";
import { MAX_LINE_CHARACTERS } from "./lines.ts";

const separators = [",", ";", "\t", "|"] as const;

/** What separates the cells of a row. */
export type Separator = (typeof separators)[number];

/** The values of one row, as texts. */
export interface Cells {
  /** The line on which the row begins, from 1. */
  readonly line: number;
  readonly cells: readonly string[];
}

/** The rows of a text that arrives in pieces. Throws DataError, naming the line, if a quotation mark is never closed. */
export async function* splitRows(texts: AsyncIterable<string>, separator: Separator, name: string): AsyncGenerator<Cells> {
  const reader = new RowReader(separator, name);
  for await (const text of texts) yield* reader.push(text);
  yield* reader.end();
}

interface Quoted {
  readonly value: string;
  /** The index after the closing quotation mark. */
  readonly end: number;
  /** Line ends inside. */
  readonly lines: number;
}

/** How far the end of a value may be where its quotation marks may not be meant: further text need not arrive before its row is read. */
const MOST_DOUBTFUL_CHARACTERS = 2 ** 16;

/** The result of one attempt to read a row. `incomplete`: the row continues in a piece that has not arrived. */
type Look<T> = T | "incomplete";

/** Where a quoted value may end; with `no`, none is quoted. */
type Quotes = "across lines" | "within a line" | "no";

const lineEnd = /[\r\n]/g;

/** A row, and where the next one begins. */
interface ReadRow {
  readonly cells: readonly string[];
  readonly next: number;
  /** Its line ends, with those inside values. */
  readonly lines: number;
}

class RowReader {
  readonly #separator: Separator;
  readonly #name: string;
  readonly #cellEnd: RegExp;
  #text = "";
  #at = 0;
  #line = 1;
  #last = false;
  /** The number of values in the first row; 0 before it. */
  #width = 0;

  constructor(separator: Separator, name: string) {
    this.#separator = separator;
    this.#name = name;
    this.#cellEnd = new RegExp(`[${separator}\\r\\n]`, "g");
  }

  *push(text: string): Generator<Cells> {
    this.#text = this.#text.slice(this.#at) + text;
    this.#at = 0;
    yield* this.#rows();
    if (this.#text.length - this.#at > MAX_LINE_CHARACTERS) throw this.#endless();
  }

  *end(): Generator<Cells> {
    this.#last = true;
    yield* this.#rows();
  }

  *#rows(): Generator<Cells> {
    while (this.#at < this.#text.length) {
      const row = this.#row();
      if (row === "incomplete") return;
      const { cells, next, lines } = row;
      const isBlank = cells.length === 1 && this.#text.slice(this.#at, next).trim() === "";
      const line = this.#line;
      this.#at = next;
      this.#line += lines;
      if (isBlank) continue;
      this.#width ||= cells.length;
      yield { line, cells };
    }
  }

  /** The row that begins here. */
  #row(): Look<ReadRow> {
    if (this.#separator !== "\t") return this.#read("across lines");
    const row = this.#read("within a line");
    if (row === "incomplete" || row.cells.length > this.#width || !/(^|\t)"/.test(this.#text.slice(this.#at, row.next))) return row;
    if (row.cells.length === this.#width) return this.#continued(row);
    for (const quotes of ["across lines", "no"] as const) {
      const other = this.#read(quotes);
      if (other === "incomplete" || other.cells.length === this.#width) return other;
    }
    return row;
  }

  /** A row of all values, with the lines on which the last value goes on. */
  #continued(row: ReadRow): Look<ReadRow> {
    if (!row.cells.at(-1)!.startsWith('"')) return row;
    const nextEnd = this.#find(lineEnd, row.next);
    if (nextEnd === "incomplete") return "incomplete";
    if (!this.#areShort(row.next, nextEnd)) return row;
    const longer = this.#read("across lines");
    if (longer === "incomplete") return "incomplete";
    return longer.cells.length === this.#width && this.#areShort(row.next, longer.next) ? longer : row;
  }

  /** Whether all lines of a part of the text are too short for rows. */
  #areShort(from: number, to: number): boolean {
    const lines = this.#text.slice(from, to).split(lineEnd);
    return lines.every((line) => line.split(this.#separator).length < this.#width);
  }

  #read(quotes: Quotes): Look<ReadRow> {
    const across = quotes === "across lines";
    const cells: string[] = [];
    let lines = 1;
    for (let at = this.#at; ; ) {
      const quoted = quotes !== "no" && this.#text[at] === '"' ? this.#quoted(at, across) : null;
      if (quoted === "incomplete") return "incomplete";
      const end = quoted === null ? this.#find(this.#cellEnd, at) : quoted.end;
      if (end === "incomplete") return "incomplete";
      cells.push(quoted === null ? this.#text.slice(at, end) : quoted.value);
      lines += quoted?.lines ?? 0;
      if (this.#text[end] === this.#separator) {
        at = end + 1;
        continue;
      }
      const next = this.#afterLineEnd(end);
      return next === "incomplete" ? "incomplete" : { cells, next, lines };
    }
  }

  /** Where the next match begins, or the text ends. */
  #find(pattern: RegExp, from: number): Look<number> {
    pattern.lastIndex = from;
    const found = pattern.exec(this.#text);
    if (found !== null) return found.index;
    return this.#last ? this.#text.length : "incomplete";
  }

  /** The value in quotation marks that begins here, or null if the quotation mark is an ordinary character. */
  #quoted(start: number, across: boolean): Look<Quoted | null> {
    const doubled = this.#closed(start, { across, backslashes: false });
    if (doubled === "incomplete" || (typeof doubled === "object" && doubled !== null)) return doubled;
    if (doubled === "open" && !this.#isOver(start, across)) return "incomplete";
    const escaped = this.#closed(start, { across, backslashes: true });
    if (escaped !== "open") return escaped;
    if (doubled === null) return this.#last || this.#isFar(this.#text.length, start) ? null : "incomplete";
    return this.#unclosed(start, across);
  }

  /** Whether text that has not arrived cannot close the value that begins here. */
  #isOver(start: number, across: boolean): boolean {
    return this.#last || (across ? this.#isFar(this.#text.length, start) : /[\r\n]/.test(this.#text.slice(start)));
  }

  #isFar(at: number, start: number): boolean {
    return at - start > MOST_DOUBTFUL_CHARACTERS;
  }

  /** The same for one way to write a quotation mark inside a value: doubled alone, or also after a backslash. `open` if none closes the value. */
  #closed(
    start: number,
    { across, backslashes }: { readonly across: boolean; readonly backslashes: boolean },
  ): Look<Quoted | null> | "open" {
    for (let at = start + 1; ; at++) {
      at = this.#text.indexOf('"', at);
      if (at === -1) return "open";
      if (backslashes && this.#isFar(at, start)) return null;
      if (backslashes && this.#isEscaped(at)) continue;
      if (this.#text[at + 1] === '"') {
        at++;
        continue;
      }
      const inner = this.#text.slice(start + 1, at);
      const lines = inner.match(/\r\n|\n|\r/g)?.length ?? 0;
      if (lines > 0 && (!across || (this.#separator === "\t" && this.#isFar(at, start)))) return null;
      if (at + 1 === this.#text.length && !this.#last) return "incomplete";
      const next = this.#text[at + 1];
      if (next !== undefined && next !== this.#separator && next !== "\n" && next !== "\r") return null;
      const marks = backslashes ? /\\(["\\])|""/g : /""/g;
      return { value: inner.replace(marks, (_, mark: unknown) => (typeof mark === "string" ? mark : '"')), end: at + 1, lines };
    }
  }

  /** Whether an odd number of backslashes is before a place. */
  #isEscaped(at: number): boolean {
    let before = at;
    while (this.#text[before - 1] === "\\") before--;
    return (at - before) % 2 === 1;
  }

  #unclosed(start: number, across: boolean): Look<null> {
    if (this.#separator === "\t" && this.#isOver(start, across)) return null;
    if (!this.#last) return "incomplete";
    throw new DataError(
      `${this.#name}, line ${this.#line}: a quotation mark opens a value and is never closed`,
      "Close it, and double a quotation mark inside a value.",
    );
  }

  #afterLineEnd(at: number): Look<number> {
    if (this.#text[at] !== "\r") return at + 1;
    if (at + 1 === this.#text.length && !this.#last) return "incomplete";
    return this.#text[at + 1] === "\n" ? at + 2 : at + 1;
  }

  #endless(): DataError {
    return new DataError(
      `${this.#name}, line ${this.#line}: a row of more than ${formatCount(MAX_LINE_CHARACTERS)} characters`,
      "A quotation mark may be open: close it, and double a quotation mark inside a value.",
    );
  }
}

/** Rows that are examined to find the separator. */
const SAMPLE_ROWS = 20;

/**
 * The separator of a table, from its beginning: `usual`, unless it does not divide the rows evenly and another one does, or it does not
 * divide the first row at all. Sentences contain commas too, and a single row says little, so a separator other than the usual one then
 * needs a header. `sample` may end anywhere.
 */
export function findSeparator(sample: string, usual: Separator): Separator {
  const ranked = [usual, ...separators.filter((separator) => separator !== usual)].map((separator) => {
    const rows = sampleRows(sample, separator);
    const width = rows[0]?.length ?? 0;
    const even = width > 1 && rows.every((row) => row.length === width);
    const byChance = separator !== usual && (separator === "," || rows.length < 2) && isHeader(rows) === false;
    return { separator, rank: width < 2 || byChance ? 0 : even ? 2 : 1 };
  });
  return ranked.reduce((best, other) => (other.rank > best.rank ? other : best)).separator;
}

/** The first rows of a text. The last row of a sample is left out if it may be cut off. */
export function sampleRows(sample: string, separator: Separator): (readonly string[])[] {
  const rows: (readonly string[])[] = [];
  for (const { cells } of new RowReader(separator, "").push(sample)) {
    rows.push(cells);
    if (rows.length === SAMPLE_ROWS) break;
  }
  return rows;
}
