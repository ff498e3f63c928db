/**
 * Training and evaluation examples from tables: which column holds what, and the kind of examples that follows from it.
 *
 * A column's meaning comes from the caller (`sent0=question,sent1=answer`), from its name (the original's `sent0`, `sent1`, `hard_neg`, and
 * common alternatives), or otherwise from its place as in the original: sentence, its pair, its hard negative. Ambiguous tables are
 * refused. A cell of JSON or Parquet may list several texts that belong to the row's sentence, or several hard negatives, as in
 * FlagEmbedding's files, and several columns may have hard negatives (`negative_1`, `negative_2`), as sentence-transformers' miner writes them:
 * the row is then an example for each of them, and for each pair of both.
 */
import { DataError } from "../errors.ts";
import { plural, show } from "../show.ts";
import { type AssignedColumns, assignColumns, type ColumnAssignment } from "./examples/columns.ts";
import { type ColumnRole, columnRoles, textRoles } from "./text/column-names.ts";
import { numberIn } from "./text/number.ts";
import { orClosed, peeked } from "./text/peek.ts";
import type { ByteSource } from "./text/source.ts";
import {
  fieldOf,
  linesUnderstood,
  openTable,
  orProblem,
  placeOf,
  type Row,
  separatorNames,
  type Table,
  type TableFormat,
} from "./text/table.ts";

/** The kind of examples in a file. Labels of pairs are 1 (alike) or 0 (not); scores of pairs are any number. */
export type ExampleKind = "sentences" | "pairs" | "triplets" | "scored pairs" | "labelled pairs" | "labelled texts";

/** One example. All examples of a file have the same number of texts and the same other fields. */
export interface Example {
  /** One text; two texts that belong together or are compared; or these and a third, the hard negative. */
  readonly texts: readonly string[];
  /** How similar the two texts of a scored pair are, as given in the file; 1 or 0 for a labelled pair. */
  readonly score?: number;
  /** The class of a labelled text. */
  readonly label?: string;
}

/**
 * Throws DataError, naming the example by its number from 1, unless it has texts, at least `least` of them: those that `train` takes are lists
 * of texts.
 */
export function checkExample(example: unknown, number: number, least = 1): asserts example is Example {
  const { texts } = (typeof example === "object" && example !== null ? example : {}) as Partial<Example>;
  if (Array.isArray(texts) && texts.length >= least && texts.every((text) => typeof text === "string")) return;
  throw new DataError(
    `Example ${number} is ${show(example)}, which has no ${plural(least, "text")} in texts.`,
    'Give examples as openExampleFile reads them, such as { texts: ["…", "…"] }.',
  );
}

/** Examples that are read on demand. */
export interface ExampleTable {
  /** The file's name in messages. */
  readonly name: string;
  readonly kind: ExampleKind;
  /** The columns that are used, by role. */
  readonly columns: ColumnAssignment;
  /** How the file was read, as text for people: separator, header, columns, ignored columns. */
  readonly understood: string;
  /** The examples in the order of the file. Either they or the texts can be read, once. */
  readonly examples: AsyncIterable<Example>;
  /** The texts of the columns, row by row; a text that is part of several examples of a row comes once. */
  readonly texts: AsyncIterable<string>;
  /** How many missing values were replaced by `MISSING` so far. */
  readonly missing: () => number;
}

/** How to read examples if the file does not say it. */
export interface ExampleOptions {
  /** The roles of columns: `sent0=question,sent1=answer`, or `sent0,sent1,hard_neg` in order (`_` skips one); or a column's name for each role. */
  readonly columns?: string | ColumnAssignment | undefined;
  /** Whether the first row names the columns; decided by its cells if absent. */
  readonly header?: boolean | undefined;
  /** The format; decided by the file name's extension if absent. */
  readonly format?: TableFormat | undefined;
  /**
   * Called for a row that cannot be read or has a value that does not fit its column. The row is then left out; if absent, reading throws
   * the error.
   */
  readonly onProblem?: ((problem: DataError) => void) | undefined;
}

/** Replaces the text that a row lacks, as in the original. */
export const MISSING = " ";

/**
 * Opens a table of examples. Throws what `openTable` throws; OptionError for columns that the table does not have; and DataError where the
 * columns' roles are not clear. Reading the examples throws DataError, naming the row, for a value that does not fit its column.
 */
export async function openExamples(source: ByteSource, options: ExampleOptions = {}): Promise<ExampleTable> {
  const { format, header, onProblem, columns: chosen } = options;
  const knownColumns = typeof chosen === "string" ? namesIn(chosen) : Object.values(chosen ?? {});
  const table = await openTable(source, { format, header, onProblem, knownColumns });
  const { first, all } = await peeked(table.rows);
  if (first === undefined) {
    throw new DataError(
      `${table.name} ${table.columns.length === 0 ? "is empty" : "holds no example"}.`,
      "Give a file with at least one row below its header.",
    );
  }
  return orClosed(all, () => examplesOf(table, { first, rows: all }, assignColumns(table, first, chosen), onProblem));
}

/** The examples in the rows of a table whose columns have roles. */
function examplesOf(
  table: Table,
  { first, rows }: { readonly first: Row; readonly rows: AsyncIterable<Row> },
  assignment: AssignedColumns,
  onProblem: ExampleOptions["onProblem"],
): ExampleTable {
  let missing = 0;
  const columns = [...Object.values(assignment.columns), ...assignment.moreNegatives];

  async function* parsed(): AsyncGenerator<ParsedRow> {
    for await (const row of rows) {
      const found = orProblem(() => checkedRow(row), onProblem);
      if (found !== undefined) yield found;
    }
  }

  async function* examples(): AsyncGenerator<Example> {
    for await (const { texts, ...target } of parsed()) for (const chosen of oneOfEach(texts)) yield { texts: chosen, ...target };
  }

  async function* texts(): AsyncGenerator<string> {
    for await (const { texts } of parsed()) yield* texts.flat();
  }

  function checkedRow(row: Row): ParsedRow {
    const extra = table.named ? Object.keys(row.fields).find((column) => !table.columns.includes(column)) : undefined;
    if (extra !== undefined || Object.keys(row.fields).length > table.columns.length) {
      throw new DataError(
        `${placeOf(table, row)}: a value "${extra ?? Object.keys(row.fields).at(-1)}" beside ${table.columns.join(", ")}.`,
        "Give every row the columns of the first one.",
      );
    }
    return parse(row);
  }

  function parse(row: Row): ParsedRow {
    const { score, label } = assignment.columns;
    const mayList = score === undefined && label === undefined;
    const textsIn = (column: string, role: ColumnRole) => {
      const value = fieldOf(row, column);
      const list = mayList && role !== "sent0" && Array.isArray(value) && value.length > 0 ? (value as unknown[]) : [value];
      return list.map((one) => textOf(table, row, column, one));
    };
    const texts = textRoles.flatMap((role) => {
      const column = assignment.columns[role];
      if (column === undefined) return [];
      const more = role === "hard_neg" ? assignment.moreNegatives : [];
      const all = [column, ...more].flatMap((one) => textsIn(one, role));
      // A row may have fewer hard negatives than there are columns for them.
      const given = more.length === 0 ? [] : all.filter((text): text is string => Boolean(text));
      return [given.length > 0 ? given : all.slice(0, all.length - more.length).map(filled)];
    });
    if (score !== undefined) return { texts, score: numberOf(table, row, score) };
    if (label === undefined) return { texts };
    return texts.length === 2 ? { texts, score: truthOf(table, row, label) } : { texts, label: labelOf(table, row, label) };
  }

  function filled(text: string | null): string {
    // A plain text has no missing values: an empty line is an empty sentence.
    if (text || table.format === "lines") return text ?? "";
    missing++;
    return MISSING;
  }

  return {
    name: table.name,
    kind: kindOf(table, assignment),
    columns: assignment.columns,
    understood: describe(table, first, columns, assignment.leftOut),
    examples: examples(),
    texts: texts(),
    missing: () => missing,
  };
}

/** A row with the texts of each column: one, or as many as its cell lists. */
interface ParsedRow extends Pick<Example, "score" | "label"> {
  readonly texts: readonly (readonly string[])[];
}

/** Every choice of one text of each column. */
function oneOfEach(columns: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return columns.reduce<readonly (readonly string[])[]>(
    (chosen, texts) => chosen.flatMap((before) => texts.map((text) => [...before, text])),
    [[]],
  );
}

/**
 * Opens files that are parts of one table as one; each is opened when the one before it has been read. Throws what `openExamples` throws; reading the
 * examples throws it too, and DataError for a part with other columns.
 */
export async function openParts(name: string, parts: readonly ByteSource[], options: ExampleOptions = {}): Promise<ExampleTable> {
  const first = await openExamples(parts[0]!, options);
  const opened = [first];
  const columnsOf = ({ columns }: ExampleTable) => Object.entries(columns).join("; ");

  async function* tables(): AsyncGenerator<ExampleTable> {
    yield first;
    for (const part of parts.slice(1)) {
      const table = await openExamples(part, options);
      if (columnsOf(table) !== columnsOf(first)) {
        throw new DataError(
          `${table.name} has the columns ${Object.values(table.columns).join(", ")}, and ${first.name} ${Object.values(first.columns).join(", ")}.`,
          "Say what to take of both: --columns sent0=… (in the library, the option columns).",
        );
      }
      opened.push(table);
      yield table;
    }
  }

  async function* all<Item>(of: (table: ExampleTable) => AsyncIterable<Item>): AsyncGenerator<Item> {
    for await (const table of tables()) yield* of(table);
  }

  return {
    ...first,
    name,
    understood: parts.length === 1 ? first.understood : `${parts.length} files; ${first.understood}`,
    examples: all(({ examples }) => examples),
    texts: all(({ texts }) => texts),
    missing: () => opened.reduce((sum, table) => sum + table.missing(), 0),
  };
}

/** The kind of examples, by the roles that the table has. */
const kinds: Readonly<Record<string, ExampleKind>> = {
  sent0: "sentences",
  "sent0 sent1": "pairs",
  "sent0 sent1 hard_neg": "triplets",
  "sent0 sent1 score": "scored pairs",
  "sent0 sent1 label": "labelled pairs",
  "sent0 label": "labelled texts",
};

function kindOf({ name }: Table, { columns }: { readonly columns: ColumnAssignment }): ExampleKind {
  const roles = columnRoles.filter((role) => columns[role] !== undefined);
  const kind = kinds[roles.join(" ")];
  if (kind !== undefined) return kind;
  throw new DataError(
    `${name} has ${roles.map((role) => `${role} (${columns[role]})`).join(", ")}: no kind of example has just these.`,
    "Say what to use: --columns sent0=…, then sent1=…, and hard_neg=…, score=… or label=… (in the library, the option columns).",
  );
}

/** Column names in the caller's words. */
const namesIn = (words: string) => words.split(",").flatMap((word) => word.split("=").map((name) => name.trim()));

/** `3 columns: sent0, sent1, hard_neg`, and other noteworthy facts. */
function describe(table: Table, first: Row, columns: readonly string[], leftOut: readonly string[]): string {
  if (table.format === "lines") return linesUnderstood(first);
  const used = `${plural(columns.length, "column")}: ${columns.join(", ")}`;
  const notes = [
    ...(table.separator === null || table.separator === (table.format === "tsv" ? "\t" : ",")
      ? []
      : [`separated by ${separatorNames[table.separator]}`]),
    ...((table.format === "csv" || table.format === "tsv") && !table.named ? ["no header"] : []),
    ...(leftOut.length > 0 ? [`left out: ${leftOut.map((name) => name || "the column without a name").join(", ")}`] : []),
  ];
  return [used, ...notes].join("; ");
}

function textOf(table: Table, row: Row, column: string, value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  throw new DataError(
    `${placeOf(table, row)}: expected a text in ${column}, found ${show(value)}.`,
    Array.isArray(value)
      ? "Only the texts that belong to a sentence, and its hard negatives, can be listed, at least one: write a row for each text."
      : "Write the value as a text.",
  );
}

function numberOf(table: Table, row: Row, column: string): number {
  const value = fieldOf(row, column);
  const number = numberIn(value);
  if (number !== null) return number;
  throw new DataError(
    `${placeOf(table, row)}: expected a number in ${column}, found ${show(value)}.`,
    "Give every pair a score, with a point before its decimals; or leave the row out.",
  );
}

const truths = new Map([
  ["0", 0],
  ["0.0", 0],
  ["false", 0],
  ["1", 1],
  ["1.0", 1],
  ["true", 1],
]);

function truthOf(table: Table, row: Row, column: string): number {
  const value = fieldOf(row, column);
  const truth = typeof value === "object" ? undefined : truths.get(String(value).trim().toLowerCase());
  if (truth !== undefined) return truth;
  throw new DataError(
    `${placeOf(table, row)}: expected 0 or 1 in ${column}, found ${show(value)}.`,
    numberIn(value) === null
      ? "A pair's label says whether its texts are alike. Of classes, as in NLI, keep the alike pairs without the label; a contradiction can be the hard_neg of its pair."
      : `A pair's label says whether its texts are alike. If ${column} says how alike they are, from less to more, name it as the score: --columns …,score=${column}.`,
  );
}

function labelOf(table: Table, row: Row, column: string): string {
  const value = fieldOf(row, column);
  if ((typeof value === "string" && value !== "") || typeof value === "number" || typeof value === "boolean") return String(value);
  throw new DataError(`${placeOf(table, row)}: expected a label in ${column}, found ${show(value)}.`, "Give every text a label.");
}
