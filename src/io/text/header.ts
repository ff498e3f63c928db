/** Guesses from its cells whether the first row of a table names its columns. */
import { isColumnName } from "./column-names.ts";
import { numberIn } from "./number.ts";

/** Whether the first of some rows is a header, or null if it could be either. `names` are known column names. */
export function isHeader(rows: readonly (readonly string[])[], names: readonly string[] = []): boolean | null {
  const [first = [], ...others] = rows;
  if (first.some((cell) => isColumnName(cell) || names.includes(cell.trim()))) return true;
  const titled = first.filter((cell, column) => !(column === 0 && cell === ""));
  if (isNumbered(titled) && others.some((row) => row.slice(-titled.length).some((cell) => numberIn(cell) === null))) return true;
  if (titled.length === 0 || !titled.every(looksLikeName)) return false;
  // Rows of single words look the same with and without a header.
  const alike = first.every((_, column) => others.every((row) => row[column] === undefined || looksLikeName(row[column])));
  return alike && others.length > 0 ? null : true;
}

/** pandas' names of columns that have none: 0, 1, 2. */
function isNumbered(cells: readonly string[]): boolean {
  return cells.length > 0 && cells.every((cell, column) => cell === String(column));
}

/** A letter, then up to three short words without the marks of a sentence. */
function looksLikeName(cell: string): boolean {
  return cell.length <= 40 && /^[\p{L}_][\p{L}\p{N}_.\-/]*( [\p{L}\p{N}_.\-/()]+){0,2}$/u.test(cell.trim()) && !/[.!?]$/.test(cell.trim());
}
