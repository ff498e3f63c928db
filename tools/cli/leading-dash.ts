/** A text that begins with a dash, such as "-5 degrees", looks like an option: where a command takes texts, the error says how to give it. */
import type { Command } from "commander";

/** What commander says of a word that it takes for an option. */
const unknownOption = /^error: unknown option '(-[^']*)/;

/** Adds the way out to the error for an unknown option of each command that takes arguments. */
export function explainLeadingDashes(command: Command): void {
  if (command.registeredArguments.length > 0) {
    command.configureOutput({
      outputError(text, write) {
        const word = unknownOption.exec(text)?.[1];
        write(word === undefined ? text : `${text}  If it is a text, put -- before it: simcse ${command.name()} … -- "${word}"\n`);
      },
    });
  }
  for (const inner of command.commands) explainLeadingDashes(inner);
}
