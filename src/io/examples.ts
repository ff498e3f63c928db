/**
 * Training and evaluation examples from tables: which column holds what, and the kind of examples that follows from it.
 *
 * A column's meaning comes from the caller (`sent0=question,sent1=answer`), from its name (the original's `sent0`, `sent1`, `hard_neg`, and
 * common alternatives), or otherwise from its place as in the original: sentence, its pair, its hard negative. Ambiguous tables are
 * refused.
 */
import { DataError } from "../errors.ts";
import { plural, show } from "../show.ts";
import { assignColumns, type ColumnAssignment } from "./examples/columns.ts";
import type { ColumnRole } from "./text/column-names.ts";
import { numberIn } from "./text/number.ts";
import type { ByteSource } from "./text/source.ts";
import { openTable, orProblem, placeOf, type Row, separatorNames, type Table, type TableFormat } from "./text/table.ts";

/** The kinds of examples in a file. Labels of pairs are 1 (alike) or 0 (not); scores of pairs are any number. */
const exampleKinds = ["sentences", "pairs", "triplets", "scored pairs", "labelled pairs", "labelled texts"] as const;

/** The kind of examples in a file. */
export type ExampleKind = (typeof exampleKinds)[number];

/** One example. All examples of a file have the same number of texts and the same other fields. */
export interface Example {
  /** One text; two texts that belong together or are compared; or these and a third, the hard negative. */
  readonly texts: readonly string[];
  /** How similar the two texts of a scored pair are, as given in the file; 1 or 0 for a labelled pair. */
  readonly score?: number;
  /** The class of a labelled text. */
  readonly label?: string;
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
  /** The examples in the order of the file; they can be read once. */
  readonly examples: AsyncIterable<Example>;
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
  const { first, rows } = await peeked(table.rows);
  if (first === null) {
    throw new DataError(
      `${table.name} ${table.columns.length === 0 ? "is empty" : "holds no example"}.`,
      "Give a file with at least one row below its header.",
    );
  }
  const assignment = assignColumns(table, first, chosen);
  const kind = kindOf(table, assignment);
  let missing = 0;
  const columns = Object.values(assignment.columns);

  async function* examples(): AsyncGenerator<Example> {
    for await (const row of rows) {
      const example = orProblem(() => checkedExample(row), options.onProblem);
      if (example !== undefined) yield example;
    }
  }

  function checkedExample(row: Row): Example {
    const extra = table.named ? Object.keys(row.fields).find((column) => !table.columns.includes(column)) : undefined;
    if (extra !== undefined || Object.keys(row.fields).length > table.columns.length) {
      throw new DataError(
        `${placeOf(table, row)}: a value "${extra ?? Object.keys(row.fields).at(-1)}" beside ${table.columns.join(", ")}.`,
        "Give every row the columns of the first one.",
      );
    }
    return exampleOf(row);
  }

  function exampleOf(row: Row): Example {
    const texts = textRoles.flatMap((role) => {
      const column = assignment.columns[role];
      return column === undefined ? [] : [textOf(table, row, column)];
    });
    // A plain text has no missing values: an empty line is an empty sentence.
    const filled = table.format === "lines" ? texts.map((text) => text ?? "") : texts.map((text) => text || MISSING);
    if (table.format !== "lines") for (const text of texts) if (!text) missing++;
    const { score, label } = assignment.columns;
    if (score !== undefined) return { texts: filled, score: numberOf(table, row, score) };
    if (label === undefined) return { texts: filled };
    return filled.length === 2
      ? { texts: filled, score: truthOf(table, row, label) }
      : { texts: filled, label: labelOf(table, row, label) };
  }

  return {
    name: table.name,
    kind,
    columns: assignment.columns,
    understood: describe(table, columns, assignment.leftOut),
    examples: examples(),
    missing: () => missing,
  };
}

/**
 * Opens files that are parts of one table as one; each is opened when the one before it has been read. Throws what `openExamples` throws; reading the
 * examples throws it too, and DataError for a part with other columns.
 */
export async function openParts(name: string, parts: readonly ByteSource[], options: ExampleOptions = {}): Promise<ExampleTable> {
  const first = await openExamples(parts[0]!, options);
  const opened = [first];
  const columnsOf = ({ columns }: ExampleTable) => Object.entries(columns).join("; ");

  async function* examples(): AsyncGenerator<Example> {
    yield* first.examples;
    for (const part of parts.slice(1)) {
      const table = await openExamples(part, options);
      if (columnsOf(table) !== columnsOf(first)) {
        throw new DataError(
          `${table.name} has the columns ${Object.values(table.columns).join(", ")}, and ${first.name} ${Object.values(first.columns).join(", ")}.`,
          "Say what to take of both: --columns sent0=… (in the library, the option columns).",
        );
      }
      opened.push(table);
      yield* table.examples;
    }
  }

  return {
    ...first,
    name,
    understood: parts.length === 1 ? first.understood : `${parts.length} files; ${first.understood}`,
    examples: examples(),
    missing: () => opened.reduce((sum, table) => sum + table.missing(), 0),
  };
}

const textRoles = ["sent0", "sent1", "hard_neg"] as const satisfies readonly ColumnRole[];

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
  const roles = (["sent0", "sent1", "hard_neg", "score", "label"] as const).filter((role) => columns[role] !== undefined);
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
function describe(table: Table, columns: readonly string[], leftOut: readonly string[]): string {
  if (table.format === "lines") return "one text a line";
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

async function peeked(rows: AsyncIterable<Row>): Promise<{ readonly first: Row | null; readonly rows: AsyncIterable<Row> }> {
  const iterator = rows[Symbol.asyncIterator]();
  const next = await iterator.next();
  if (next.done) return { first: null, rows };
  async function* all(): AsyncGenerator<Row> {
    yield next.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { first: next.value, rows: all() };
}

const fieldOf = (row: Row, column: string): unknown => (Object.hasOwn(row.fields, column) ? row.fields[column] : undefined);

function textOf(table: Table, row: Row, column: string): string | null {
  const value = fieldOf(row, column);
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  throw new DataError(
    `${placeOf(table, row)}: expected a text in ${column}, found ${show(value)}.`,
    Array.isArray(value) ? "An example has one text in each column: write a row for each text of the list." : "Write the value as a text.",
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
    `A pair's label says whether its texts are alike. If ${column} says how alike they are, name it as the score: --columns …,score=${column}.`,
  );
}

function labelOf(table: Table, row: Row, column: string): string {
  const value = fieldOf(row, column);
  if ((typeof value === "string" && value !== "") || typeof value === "number" || typeof value === "boolean") return String(value);
  throw new DataError(`${placeOf(table, row)}: expected a label in ${column}, found ${show(value)}.`, "Give every text a label.");
}
