/**
 * The file formats of the STS tasks in SentEval's layout, parsed from bytes into graded pairs.
 *
 * It knows columns, encodings and line ends; it does not know which task has which files (`sts.ts`) nor what the scores are for.
 */
import { DataError } from "../../errors.ts";

/** A pair of sentences and how alike people found them (0–5 in STS, 1–5 in SICK; only the order matters for Spearman). */
export interface StsPair {
  readonly a: string;
  readonly b: string;
  readonly score: number;
}

/** The lines of one file, without line ends, and the name that errors call it by. */
export interface TextLines {
  readonly file: string;
  readonly lines: readonly string[];
}

/** Columns of a tab-separated file of pairs, counted from 0, and how many lines of header stand before them. */
export interface PairColumns {
  readonly a: number;
  readonly b: number;
  readonly score: number;
  readonly headerLines: number;
}

/**
 * Decodes `bytes` as UTF-8, or as latin-1 where they are not UTF-8, and splits them at LF, CRLF or CR.
 * The end of the last line does not begin another one.
 */
export function textLines(file: string, bytes: Uint8Array): TextLines {
  const lines = decode(bytes).split(/\r\n|\n|\r/);
  if (lines.at(-1) === "") lines.pop();
  return { file, lines };
}

/**
 * Pairs of a SemEval subset: `input` has two tab columns of sentences, line i of `gold` the score of line i.
 *
 * A pair whose gold line is blank was never judged: it is dropped, as SentEval does. Sentences may be empty.
 * @throws DataError for a judged line without two sentences, a score that is no number, or files of different lengths.
 */
export function parseInputAndGold(input: TextLines, gold: TextLines): StsPair[] {
  const pairs: StsPair[] = [];
  for (let i = 0; i < Math.max(input.lines.length, gold.lines.length); i++) {
    const sentences = input.lines[i] ?? "";
    const score = gold.lines[i] ?? "";
    if (score.trim() === "" && (i < gold.lines.length || sentences.trim() === "")) continue;
    if (i >= gold.lines.length || i >= input.lines.length) throw differentLengths(input, gold);
    const columns = sentences.split("\t");
    if (columns.length < 2) throw malformed(input.file, i, "two sentences separated by a tab", quoted(sentences));
    pairs.push({ a: normaliseSpace(columns[0]!), b: normaliseSpace(columns[1]!), score: parseScore(gold.file, i, score) });
  }
  return requirePairs(input.file, pairs);
}

/**
 * Pairs of a tab-separated file with the sentences and the score in the given columns. Nothing is quoted; a quotation mark is text.
 *
 * Blank lines are skipped, sentences may be empty.
 * @throws DataError for a line with too few columns or a score that is no number.
 */
export function parsePairColumns(text: TextLines, columns: PairColumns): StsPair[] {
  const wanted = Math.max(columns.a, columns.b, columns.score) + 1;
  const pairs: StsPair[] = [];
  for (let i = columns.headerLines; i < text.lines.length; i++) {
    const line = text.lines[i]!;
    if (line.trim() === "") continue;
    const row = line.split("\t");
    if (row.length < wanted) throw malformed(text.file, i, `at least ${wanted} tab-separated columns`, `${row.length}: ${quoted(line)}`);
    pairs.push({
      a: normaliseSpace(row[columns.a]!),
      b: normaliseSpace(row[columns.b]!),
      score: parseScore(text.file, i, row[columns.score]!),
    });
  }
  return requirePairs(text.file, pairs);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // By hand, because the Encoding standard's "latin1" label means windows-1252, and runtimes differ about it.
    return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  }
}

/** Runs of white space become one space and the ends are trimmed: SentEval splits sentences into words and joins them again. */
function normaliseSpace(sentence: string): string {
  return sentence.trim().replace(/\s+/g, " ");
}

function parseScore(file: string, line: number, text: string): number {
  const score = Number(text);
  if (text.trim() === "" || !Number.isFinite(score)) throw malformed(file, line, "a number as the gold score", quoted(text));
  return score;
}

function requirePairs(file: string, pairs: StsPair[]): StsPair[] {
  if (pairs.length > 0) return pairs;
  throw new DataError(`${file} holds no scored pair.`, REMEDY);
}

function differentLengths(input: TextLines, gold: TextLines): DataError {
  const shorter = Math.min(input.lines.length, gold.lines.length);
  return new DataError(
    `${gold.file} has ${gold.lines.length} lines for the ${input.lines.length} pairs of ${input.file}: line ${shorter + 1} has no partner.`,
    REMEDY,
  );
}

function malformed(file: string, line: number, expected: string, found: string): DataError {
  return new DataError(`${file}, line ${line + 1}: expected ${expected}, found ${found}.`, REMEDY);
}

/** A line as an error shows it: enough to recognise it by. */
function quoted(line: string): string {
  const shown = 60;
  return JSON.stringify(line.length > shown ? `${line.slice(0, shown)}…` : line);
}

const REMEDY = "Fetch the SentEval data again: the file is damaged or in another format.";
