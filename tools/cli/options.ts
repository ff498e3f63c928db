/** Parsers of option values, with errors that name the option. */
import { type Command, InvalidArgumentError, Option } from "commander";

/** A whole number of at least `least`, and at most `most`. */
export function wholeNumber(least: number, most = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`Give a whole number of at least ${least}${Number.isFinite(most) ? ` and at most ${most}` : ""}.`);
    return value;
  };
}

/** Whole numbers of at least `least`, separated by commas. */
export const wholeNumbers =
  (least: number) =>
  (text: string): number[] =>
    text.split(",").map(wholeNumber(least));

/** Names separated by commas; empty ones do not count. */
export function nameList(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** A number between two bounds; `open` excludes the lower one, `openAbove` the upper one. */
export function numberBetween(least: number, most: number, { open = false, openAbove = false } = {}): (text: string) => number {
  return (text) => {
    const value = Number(text);
    const above = open ? value > least : value >= least;
    const below = openAbove ? value < most : value <= most;
    const fits = text.trim() !== "" && Number.isFinite(value) && above && below;
    if (fits) return value;
    throw new InvalidArgumentError(
      `Give a number ${open ? "greater than" : "of at least"} ${least}${Number.isFinite(most) ? ` and ${openAbove ? "less than" : "at most"} ${most}` : ""}.`,
    );
  };
}

const truths: Readonly<Record<string, boolean>> = { true: true, "1": true, yes: true, false: false, "0": false, no: false };

/** A switch in Hugging Face's style: `--flag`, `--flag true`, `--flag False`. */
export function flag(name: string, description: string): Option {
  return new Option(`--${name} [true|false]`, description).argParser((text: string) => {
    const value = truths[text.toLowerCase()];
    if (value === undefined) throw new InvalidArgumentError("Give true or false.");
    return value;
  });
}

/** A switch with an optional value: `--name`, `--name path`; and, from an options file, `--name true` or `--name false`. */
export function flagOrValue(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string) => {
    const value = truths[text.toLowerCase()];
    return value ?? text;
  });
}

/** The same option under another name, hidden in the help; either sets the value of the first. */
export function alias(option: Option, name: string): Option {
  return new AliasOption(option, name);
}

class AliasOption extends Option {
  readonly #option: Option;

  constructor(option: Option, name: string) {
    super(option.flags.replace(/--\w+/, `--${name}`), option.description);
    this.#option = option;
    this.hidden = true;
    // commander takes --no-duplicates, for --no_duplicates, for the negation of --duplicates, which is true until it is given.
    this.negate = option.negate;
    if (option.parseArg) this.argParser(option.parseArg);
  }

  override attributeName(): string {
    return this.#option.attributeName();
  }
}

/** Adds options in order and returns the command. */
export function withOptions(command: Command, options: readonly Option[]): Command {
  for (const option of options) command.addOption(option);
  return command;
}
