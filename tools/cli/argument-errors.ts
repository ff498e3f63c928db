/** Remedies for words that a command does not understand: a text that begins with a dash looks like an option, and a file often needs one. */
import type { Command } from "commander";

/** Commander's message for a word that it takes for an option. */
const unknownOption = /^error: unknown option '(-[^']*)/;
/** A word that can hardly be anything but an option. */
const optionName = /^--[a-z][a-z_-]*$/i;
/** Commander's message for words beyond the arguments of a command. */
const tooMany = /^error: too many arguments/;

/** The options that take what a command works on. */
const inputs = ["--input", "--eval_file", "--train_file"];

/** Adds a remedy to the errors of each command about words. */
export function explainArgumentErrors(command: Command): void {
  command.configureOutput({ outputError: (text, write) => write(`${text}${remedyFor(command, text)}`) });
  for (const inner of command.commands) explainArgumentErrors(inner);
}

function remedyFor(command: Command, error: string): string {
  const word = unknownOption.exec(error)?.[1];
  if (word !== undefined && !optionName.test(word) && command.registeredArguments.length > 0) {
    return `  If it is a text, put -- before it: ${fullName(command)} … -- "${word}"\n`;
  }
  if (word !== undefined) {
    const meant = error.includes("Did you mean") ? [] : alike(command, word);
    return `  ${meant.length === 0 ? "" : `Did you mean ${meant.join(" or ")}? `}${fullName(command)} --help shows the options.\n`;
  }
  if (!tooMany.test(error)) return "";
  const input = command.options.find(({ long }) => inputs.includes(long ?? ""));
  const way = input === undefined ? "" : `Give a file with ${input.flags}. `;
  return `  ${way}${fullName(command)} --help shows what it takes.\n`;
}

/** The most options that a message proposes. */
const mostProposed = 3;

/**
 * The options whose names share most words with a name: Commander proposes names with few other letters, and what another command or
 * program calls `--max_seq_length` or `--pooler_type` has many.
 */
function alike(command: Command, name: string): string[] {
  const wordsOf = (option: string) => option.replace(/^-+/, "").split(/[-_]/);
  const shared = (option: string) => wordsOf(name).filter((word) => wordsOf(option).some((other) => isSameWord(word, other))).length;
  const counted = command.options.flatMap(({ long, hidden }) => (long == null || hidden ? [] : [{ long, count: shared(long) }]));
  const most = Math.max(1, ...counted.map(({ count }) => count));
  return counted
    .filter(({ count }) => count === most)
    .map(({ long }) => long)
    .slice(0, mostProposed);
}

/** Whether one of two words is the other, or its beginning of at least three letters. */
function isSameWord(a: string, b: string): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short === long || (short.length >= 3 && long.startsWith(short));
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}
