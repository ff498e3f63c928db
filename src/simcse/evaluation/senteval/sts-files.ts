/**
 * The file formats of the STS tasks in SentEval's layout, parsed into graded pairs.
 *
 * Which task has which files is defined in `sts.ts`.
 */
import { DataError } from "../../../errors.ts";
import { show } from "../../../show.ts";
import { damagedRemedy, malformed, normaliseSpace, parseEach, requireSome, type TextLines, tabColumns } from "./text-lines.ts";

/** A pair of sentences and their similarity as rated by people (0–5 in STS, 1–5 in SICK; only the order matters for Spearman). */
export interface StsPair {
  readonly a: string;
  readonly b: string;
  readonly score: number;
}

/** Columns of a tab-separated file of pairs, counted from 0, and its number of header lines. */
export interface PairColumns {
  readonly a: number;
  readonly b: number;
  readonly score: number;
  readonly headerLines: number;
}

/**
 * Pairs of a SemEval subset: `input` has two tab columns of sentences, line i of `gold` the score of line i.
 *
 * A pair whose gold line is blank was never judged: it is dropped, as SentEval does. Sentences may be empty.
 * @throws DataError for a judged line without two sentences, a score that is not a number, or files of different lengths.
 */
export function parseInputAndGold(input: TextLines, gold: TextLines): StsPair[] {
  const pairs: StsPair[] = [];
  for (let i = 0; i < Math.max(input.lines.length, gold.lines.length); i++) {
    const sentences = input.lines[i] ?? "";
    const score = gold.lines[i] ?? "";
    if (score.trim() === "" && (i < gold.lines.length || sentences.trim() === "")) continue;
    if (i >= gold.lines.length || i >= input.lines.length) throw differentLengths(input, gold);
    const columns = sentences.split("\t");
    if (columns.length < 2) throw malformed(input.file, i, "two sentences separated by a tab", show(sentences));
    pairs.push({ a: normaliseSpace(columns[0]!), b: normaliseSpace(columns[1]!), score: parseScore(gold.file, i, score) });
  }
  return requireSome(input.file, "scored pair", pairs);
}

/**
 * Pairs of a tab-separated file with the sentences and the score in the given columns. Nothing is quoted; a quotation mark is text.
 *
 * Blank lines are skipped, sentences may be empty.
 * @throws DataError for a line with too few columns or a score that is not a number.
 */
export function parsePairColumns(text: TextLines, columns: PairColumns): StsPair[] {
  const wanted = Math.max(columns.a, columns.b, columns.score) + 1;
  return parseEach(text, columns.headerLines, "scored pair", (line, at) => {
    const row = tabColumns(text.file, at, line, wanted);
    const score = parseScore(text.file, at, row[columns.score]!);
    return { a: normaliseSpace(row[columns.a]!), b: normaliseSpace(row[columns.b]!), score };
  });
}

function parseScore(file: string, line: number, text: string): number {
  const score = Number(text);
  if (text.trim() === "" || !Number.isFinite(score)) throw malformed(file, line, "a number as the gold score", show(text));
  return score;
}

function differentLengths(input: TextLines, gold: TextLines): DataError {
  const shorter = Math.min(input.lines.length, gold.lines.length);
  return new DataError(
    `${gold.file} has ${gold.lines.length} lines for the ${input.lines.length} pairs of ${input.file}: line ${shorter + 1} has no partner.`,
    damagedRemedy,
  );
}
