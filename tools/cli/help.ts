/**
 * The layout of --help: wrapped at the terminal's width, in two columns. If the second column would be too narrow, descriptions stand below their
 * terms. Required options are marked.
 */
import { type Command, Help, type Option } from "commander";

/** Minimum width of a line of text, unless the terminal is narrower. */
const narrowest = 28;

const belowIndent = 6;

/** The space between terms and descriptions, and before terms. */
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
