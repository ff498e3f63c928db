/** A text that begins with a dash, such as "-5 degrees", looks like an option: the error of a command that takes texts says how to pass it. */
import type { Command } from "commander";

/** Commander's message for a word that it takes for an option. */
const unknownOption = /^error: unknown option '(-[^']*)/;
/** A word that can hardly be anything but an option. */
const optionName = /^--[a-z][a-z_-]*$/i;

/** Adds the remedy to the unknown-option error of each command that takes arguments. */
export function explainLeadingDashes(command: Command): void {
  if (command.registeredArguments.length > 0) {
    command.configureOutput({
      outputError(text, write) {
        const word = unknownOption.exec(text)?.[1];
        const isText = word !== undefined && !optionName.test(word);
        write(isText ? `${text}  If it is a text, put -- before it: ${fullName(command)} … -- "${word}"\n` : text);
      },
    });
  }
  for (const inner of command.commands) explainLeadingDashes(inner);
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}
