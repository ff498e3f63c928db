/** Remedies for words that a command does not understand: a text that begins with a dash looks like an option, and a file often needs one. */
import type { Command } from "commander";

/** Commander's message for a word that it takes for an option. */
const unknownOption = /^error: unknown option '(-[^']*)/;
/** Commander's message for a word in the place of a command's name. */
const unknownCommand = /^error: unknown command '([^']*)/;
/** Commander's proposal in these messages: one or more names with few other letters. */
const proposal = /\n\(Did you mean (?:one of )?(.*)\?\)/;
/** A word that can hardly be anything but an option. */
const optionName = /^--[a-z][a-z_-]*$/i;
/** Commander's message for words beyond the arguments of a command. */
const tooMany = /^error: too many arguments/;

/** The options that take what a command works on. */
const inputs = ["--input", "--eval_file", "--train_file"];

/** Adds a remedy to the errors of each command about words. */
export function explainArgumentErrors(command: Command): void {
  command.configureOutput({ outputError: (text, write) => write(explained(command, text)) });
  for (const inner of command.commands) explainArgumentErrors(inner);
}

function explained(command: Command, error: string): string {
  const option = unknownOption.exec(error)?.[1];
  if (option !== undefined && !optionName.test(option) && command.registeredArguments.length > 0) {
    return `${error}  If it is a text, put -- before it: ${fullName(command)} … -- "${option}"\n`;
  }
  if (option !== undefined) return withNames(error, meantBy(option, optionsOf(command)), `${fullName(command)} --help shows the options.`);
  const name = unknownCommand.exec(error)?.[1];
  if (name !== undefined) return withNames(error, meantBy(name, commandsOf(command)), `${fullName(command)} --help shows the commands.`);
  if (!tooMany.test(error)) return error;
  const input = command.options.find(({ long }) => inputs.includes(long ?? ""));
  const way = input === undefined ? "" : `Give a file with ${input.flags}. `;
  return `${error}  ${way}${fullName(command)} --help shows what it takes.\n`;
}

/** The error with the names that are meant, unless Commander proposes one of them, or the only ones there are. */
function withNames(error: string, meant: readonly string[], help: string): string {
  const proposed = proposal.exec(error)?.[1]?.split(", ");
  if (meant.length === 0 || proposed?.some((name) => meant.includes(name))) return `${error}  ${help}\n`;
  return `${error.replace(proposal, "")}  Did you mean ${meant.slice(0, mostProposed).join(" or ")}? ${help}\n`;
}

/** The most names that a message proposes. */
const mostProposed = 3;

/** What other programs call commands and options that share no word with their names here. */
const otherNames: ReadonlyMap<string, readonly string[]> = new Map([
  ["embed", ["encode"]],
  ["embeddings", ["encode"]],
  ["infer", ["encode"]],
  ["test", ["evaluate"]],
  ["finetune", ["train"]],
  ["fine-tune", ["train"]],
  ["deduplicate", ["dedupe"]],
  ["--lr", ["--learning_rate"]],
  ["--pooling", ["--pooler", "--pooler_type"]],
  ["--sentences", ["--input"]],
  ["--texts", ["--input"]],
]);

const commandsOf = (command: Command) => command.commands.map((inner) => inner.name());
const optionsOf = (command: Command) => command.options.flatMap(({ long, hidden }) => (long == null || hidden ? [] : [long]));

function meantBy(name: string, names: readonly string[]): string[] {
  const others = otherNames.get(name.toLowerCase())?.filter((other) => names.includes(other)) ?? [];
  return others.length > 0 ? others : alike(names, name);
}

/**
 * The names that share most words with a name: Commander proposes names with few other letters, and what another command or program calls
 * `--max_seq_length` or `--pooler_type` has many.
 */
function alike(names: readonly string[], name: string): string[] {
  const wordsOf = (text: string) => text.replace(/^-+/, "").split(/[-_]/);
  const shared = (other: string) => wordsOf(name).filter((word) => wordsOf(other).some((its) => isSameWord(word, its))).length;
  const counted = names.map((other) => ({ other, count: shared(other) }));
  const most = Math.max(1, ...counted.map(({ count }) => count));
  return counted.filter(({ count }) => count === most).map(({ other }) => other);
}

/** Whether one of two words is the other, or its beginning of at least three letters. */
function isSameWord(a: string, b: string): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short === long || (short.length >= 3 && long.startsWith(short));
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}
