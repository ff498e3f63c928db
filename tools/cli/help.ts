/**
 * How --help is laid out: wrapped at the terminal's width, in two columns; where the second would be too narrow to read, what is said of a term stands
 * below it. Options without which a command does not run are marked.
 */
import { type Command, Help, type Option } from "commander";

/** Characters that a line of text has at least, where the terminal is not narrower. */
const narrowest = 28;

const belowIndent = 6;

/** What is between terms and what is said of them, and before terms. */
const gaps = 4;

function formatItem(this: Help, term: string, termWidth: number, description: string, helper: Help): string {
  const width = this.helpWidth ?? 80;
  if (description === "" || width - termWidth - gaps >= narrowest)
    return Help.prototype.formatItem.call(this, term, termWidth, description, helper);
  const indent = `\n${" ".repeat(belowIndent)}`;
  return `  ${term}${indent}${helper.boxWrap(description, width - belowIndent).replaceAll("\n", indent)}`;
}

function optionDescription(this: Help, option: Option): string {
  const text = Help.prototype.optionDescription.call(this, option);
  return option.mandatory ? `${text} (required)` : text;
}

/** Lays out the help of a command and of all commands in it. */
export function layOutHelp(command: Command): void {
  command.configureHelp({ minWidthToWrap: narrowest, formatItem, optionDescription });
  for (const inner of command.commands) layOutHelp(inner);
}
