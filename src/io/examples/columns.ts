/** Which column of a table holds what: by the caller's choice, by the columns' names, or by their places. */
import { DataError, OptionError } from "../../errors.ts";
import { type ColumnRole, columnRoles, roleOf, textRoles } from "../text/column-names.ts";
import { numberIn } from "../text/number.ts";
import type { Row, Table } from "../text/table.ts";

/** The column's name for each role that the table has. */
export type ColumnAssignment = { readonly [role in ColumnRole]?: string };

/** The roles of a table's columns. */
export interface AssignedColumns {
  readonly columns: ColumnAssignment;
  /** Columns with hard negatives beside the first. */
  readonly moreNegatives: readonly string[];
  /** Columns that are not used. */
  readonly leftOut: readonly string[];
}

type Assigned = readonly (readonly [role: ColumnRole, column: string])[];

/** A place in `--columns` that is skipped. */
const leftOutMark = "_";

const remedy = `Say what the columns are: --columns sent0=question,sent1=answer, or in their order --columns sent0,sent1,hard_neg ("${leftOutMark}" leaves one out; in the library, the option columns).`;

const linesRemedy = "A plain text has one text a line and no columns; name a table .csv, or .tsv if tabs separate its columns.";

/**
 * The roles of a table's columns; `first` is its first row and `choice` the caller's choice (`sent0=question,sent1=answer`, or
 * `sent0,sent1,hard_neg`, or a column's name for each role). Throws OptionError where the choice does not fit the table, and DataError where the columns' roles are not
 * clear.
 */
export function assignColumns(table: Table, first: Row, choice?: string | ColumnAssignment): AssignedColumns {
  const assigned =
    choice === undefined ? byNameOrPlace(table, first) : typeof choice === "string" ? byWords(table, choice) : byRoles(table, choice);
  const columns: Partial<Record<ColumnRole, string>> = {};
  const moreNegatives: string[] = [];
  for (const [role, column] of assigned) {
    if (columns[role] !== undefined) {
      if (role === "hard_neg") {
        moreNegatives.push(column);
        continue;
      }
      throw new DataError(`${table.name}: ${columns[role]} and ${column} both look like ${role}.`, remedy);
    }
    columns[role] = column;
  }
  const ordered = Object.fromEntries(columnRoles.flatMap((role) => (columns[role] === undefined ? [] : [[role, columns[role]]])));
  return { columns: ordered, moreNegatives, leftOut: table.columns.filter((column) => !assigned.some(([, used]) => used === column)) };
}

function byNameOrPlace(table: Table, first: Row): Assigned {
  const columns = withoutIndex(table, first);
  if (columns.length === 1) return [["sent0", columns[0]!]];
  const roles = columns.map(roleOf);
  if (table.named && roles.some((role) => role !== null)) {
    const unknown = columns.filter((_, at) => roles[at] === null);
    if (unknown.length > 0)
      throw new DataError(
        `${table.name}: what ${listed(unknown)} should be beside ${listed(columns.filter((_, at) => roles[at] !== null))} is not known.`,
        remedy,
      );
    return columns.map((column, at) => [roles[at]!, column]);
  }
  if (columns.length > textRoles.length || columns.length === 0)
    throw new DataError(`${table.name} has ${columns.length} columns: ${columns.join(", ").slice(0, 200)}.`, remedy);
  const numeric = columns.filter((column) => isNumber(first.fields[column]));
  if (numeric.length > 0) {
    throw new DataError(
      `${table.name}: ${listed(numeric)} ${numeric.length === 1 ? "holds" : "hold"} numbers, and nothing says what they are.`,
      remedy,
    );
  }
  return columns.map((column, at) => [textRoles[at]!, column]);
}

/** The columns without pandas' running numbers: written with an empty name, read again as `Unnamed: 0`, in Parquet `__index_level_0__`. */
function withoutIndex({ columns, named }: Table, first: Row): readonly string[] {
  const others = columns.filter((column) => !(/^(Unnamed: \d+|__index_level_\d+__|)$/.test(column) && isNumber(first.fields[column])));
  return named && others.length > 0 ? others : columns;
}

/** NaN is a missing number, so its column is one of numbers too. */
function isNumber(value: unknown): boolean {
  return typeof value === "number" || numberIn(value) !== null;
}

function listed(columns: readonly string[]): string {
  return columns.map((column) => (column === "" ? "the column without a name" : `"${column}"`)).join(", ");
}

/** The caller's choice: a column's name for each role. */
function byRoles(table: Table, choice: ColumnAssignment): Assigned {
  return columnRoles.flatMap((role) => (choice[role] === undefined ? [] : [[role, named(table, choice[role])] as const]));
}

/** The caller's choice: `role=column` each, or columns or roles in order. */
function byWords(table: Table, words: string): Assigned {
  const parts = words.split(",").map((word) => word.trim());
  if (parts.some((part) => part.includes("="))) return parts.map((part) => byEquation(table, part));
  return parts.every((part) => table.named && table.columns.includes(part)) ? byColumnNames(table, parts) : byOrder(table, parts);
}

function byEquation(table: Table, part: string): readonly [ColumnRole, string] {
  const [name = "", column = ""] = part.split(/=(.*)/s);
  const role = columnRoles.find((role) => role === name.trim());
  if (role === undefined)
    throw new OptionError(
      `--columns ${part}: there is no "${name.trim()}".`,
      `Give ${columnRoles.join(", ")} a column each, as in sent0=question,sent1=answer.`,
    );
  return [role, existingColumn(table, column.trim())];
}

/** A column by its name, or by its number from 1. Throws OptionError if the table does not have it. */
export function existingColumn(table: Table, column: string): string {
  const byNumber = /^\d+$/.test(column) && !table.columns.includes(column) ? table.columns[Number(column) - 1] : undefined;
  return byNumber ?? named(table, column);
}

function named(table: Table, column: string): string {
  if (table.columns.includes(column)) return column;
  throw new OptionError(
    `${table.name} has no column "${column}"; it has ${listed(table.columns)}.`,
    table.format === "lines" ? linesRemedy : "Name one of these with --columns, or give its number.",
  );
}

/** Names of the table's columns: a column's role is what its name says, or else its place in the list. */
function byColumnNames(table: Table, parts: readonly string[]): Assigned {
  const roles = parts.map(roleOf);
  if (roles.every((role) => role !== null)) return parts.map((column, at) => [roles[at]!, column]);
  if (parts.length > textRoles.length)
    throw new OptionError(`--columns ${parts.join(",")} names ${parts.length} columns of ${table.name}.`, remedy);
  return parts.map((column, at) => [textRoles[at]!, column]);
}

/** Roles in the order of the table's columns. */
function byOrder(table: Table, parts: readonly string[]): Assigned {
  if (parts.length !== table.columns.length) {
    throw new OptionError(
      `--columns names ${parts.length} columns, and ${table.name} has ${table.columns.length}: ${listed(table.columns)}.`,
      table.format === "lines" ? linesRemedy : remedy,
    );
  }
  return parts.flatMap((part, at) => {
    if (part === leftOutMark) return [];
    const role = roleOf(part);
    if (role !== null) return [[role, table.columns[at]!] as const];
    throw new OptionError(`--columns: "${part}" is neither a column of ${table.name} nor one of ${columnRoles.join(", ")}.`, remedy);
  });
}
