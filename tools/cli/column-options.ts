/** The options --columns and --header: the meaning of a table's columns, if their names do not tell. */
import { Option } from "commander";
import { flag } from "./options.ts";

export interface ColumnFlags {
  readonly columns?: string | undefined;
  readonly header?: boolean | undefined;
}

export const columnOptions: readonly Option[] = [
  new Option(
    "--columns <columns>",
    "meaning of the columns: sent0=question,sent1=answer (roles: sent0, sent1, hard_neg, score, label), or the roles in order: sent0,sent1,score; _ skips a column",
  ),
  flag("header", "whether the first row names the columns (default: detected)"),
];

/** Converts a command's options to those of the example reader. */
export function columnsOf({ columns, header }: ColumnFlags): ColumnFlags {
  return { columns, header };
}
