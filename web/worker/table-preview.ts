/** The beginning of the visitor's files as a table, with proposed roles of its columns. */
import { type ColumnRole, DataError, OptionError, openTable, roleOf, type Table } from "simcse-webgpu/browser";
import { type DataFile, dataFile } from "./data-files.ts";
import type { DataSource, TablePreview } from "./protocol.ts";

/** Rows that the preview shows. */
const PREVIEW_ROWS = 6;

/** Files that were opened, and how all of them are read. */
export interface OpenData {
  readonly name: string;
  readonly files: readonly DataFile[];
  readonly columns: readonly string[];
  readonly header: boolean | undefined;
}

/** Opens files and reads the first rows of the first one. */
export async function openFiles({ files, header }: DataSource): Promise<{ readonly data: OpenData; readonly preview: TablePreview }> {
  if (files.length === 0) throw new OptionError("Nothing was chosen.", "Choose a file with your text.");
  const opened = await Promise.all(files.map(dataFile));
  const [first] = opened;
  const name = files.length === 1 ? first!.name : `${files.length} files`;
  const table = await openEither(first!, header);
  const rows: (readonly string[])[] = [];
  const firstFields: Record<string, unknown>[] = [];
  for await (const { fields } of table.rows) {
    rows.push(table.columns.map((column) => shown(fields[column])));
    firstFields.push(fields);
    if (rows.length === PREVIEW_ROWS) break;
  }
  if (rows.length === 0) throw new DataError(`${name} is empty.`, "Give a file with at least one row below its header.");
  return {
    data: { name, files: opened, columns: table.columns, header: table.named },
    preview: {
      name,
      columns: table.columns,
      named: table.named,
      hasHeaderChoice: table.format === "csv" || table.format === "tsv",
      rows,
      roles: proposedRoles(table, firstFields),
    },
  };
}

/** Opens a table. Where it is not clear whether its first row names the columns, it is taken to do so; the visitor may say otherwise. */
async function openEither({ open, reading }: DataFile, header: boolean | undefined): Promise<Table> {
  // Rows with problems are told when all of the file is read.
  const options = { ...reading, onProblem: () => {} };
  if (header !== undefined) return openTable(open(), { ...options, header });
  try {
    return await openTable(open(), options);
  } catch (error) {
    if (error instanceof DataError && error.option === "header") return openTable(open(), { ...options, header: true });
    throw error;
  }
}

/** A cell's value as the preview shows it. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A role per column: what its name says, or else by the places of the columns that hold texts. */
function proposedRoles({ columns, named }: Table, rows: readonly Record<string, unknown>[]): (ColumnRole | null)[] {
  const byName = columns.map((column) => (named ? roleOf(column) : null));
  const once = byName.map((role, at) => (byName.indexOf(role) === at ? role : null));
  if (once.includes("sent0")) return sensible(once);
  const isNumber = (column: string) =>
    rows.every(({ [column]: value }) => value === null || value === undefined || (value !== "" && Number.isFinite(Number(value))));
  const isText = (column: string) => !isNumber(column) && rows.some(({ [column]: value }) => typeof value === "string");
  const free = (["sent0", "sent1", "hard_neg"] as const).filter((role) => !once.includes(role));
  return sensible(columns.map((column, at) => once[at] ?? (isText(column) ? (free.shift() ?? null) : null)));
}

/** Without what makes no kind of example: a label of a single text, or a score beside a hard negative. */
function sensible(roles: readonly (ColumnRole | null)[]): (ColumnRole | null)[] {
  const has = (role: ColumnRole) => roles.includes(role);
  const isNoTarget = !has("sent1") || has("hard_neg");
  return roles.map((role) => {
    if (role === "label" && (isNoTarget || has("score"))) return null;
    return role === "score" && isNoTarget ? null : role;
  });
}
