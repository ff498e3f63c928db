/** Options are also known with hyphens in the place of underscores (`--max-seq-length`), as in Hugging Face's scripts of today. */
import type { Command } from "commander";
import { alias } from "./options.ts";

/** Makes a command and those under it know their options by both names. */
export function acceptHyphens(command: Command): void {
  for (const option of [...command.options]) {
    if (option.long?.includes("_")) command.addOption(alias(option, option.name().replaceAll("_", "-")));
  }
  for (const inner of command.commands) acceptHyphens(inner);
}

/** The name of an option, `--max_seq_length`, in a word like `--max-seq-length=32`. */
export const nameIn = (word: string): string => word.split("=")[0]!.replace(/(?<=\w)-/g, "_");
