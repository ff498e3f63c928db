/**
 * Options of library calls. Unknown names are refused. If a misspelt option were ignored silently, the result would look right but not be
 * what the caller wanted.
 *
 *     const searchOptions: OptionNames<SearchOptions> = { topK: true, threshold: true };
 *     checkOptions("search", options, searchOptions);
 */
import { closestMatch } from "leven";
import { OptionError } from "./errors.ts";
import { show } from "./show.ts";

/** The names of the options in `T`. TypeScript refuses a table that lacks one or has one too many. */
export type OptionNames<T> = { readonly [Name in keyof T]-?: true };

/** The most letters that may differ between a name and its suggestion. */
const mostDifferences = 3;

/**
 * Throws `OptionError` unless `given` is an object whose keys are all in `names`; it suggests the nearest name. `call` is the function's
 * name in messages.
 */
export function checkOptions<T>(call: string, given: T, names: OptionNames<T>): void {
  const known = Object.keys(names);
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new OptionError(
      `The options of ${call} must be an object, but are ${given === null ? "null" : Array.isArray(given) ? "an array" : `a ${typeof given}`}.`,
      `Give an object with any of ${known.join(", ")}.`,
    );
  }
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(names, name));
  if (unknown === undefined) {
    checkKinds(call, given);
    return;
  }
  const near = nearestName(unknown, known);
  throw new OptionError(
    `${call} has no option ${show(unknown)}.`,
    `${near === undefined ? "" : `Did you mean ${near}? `}It takes ${known.join(", ")}.`,
  );
}

const isFunction = (value: unknown) => typeof value === "function";
const isBoolean = (value: unknown) => typeof value === "boolean";

/** Options that mean the same in every call, and that would fail late with another kind of value. */
const kinds: Readonly<Record<string, { readonly fits: (value: unknown) => boolean; readonly wanted: string }>> = {
  signal: { fits: (value) => isFunction((value as Partial<AbortSignal>).throwIfAborted), wanted: "an AbortSignal" },
  ...Object.fromEntries(["normalize", "training", "upsert", "rescore"].map((name) => [name, { fits: isBoolean, wanted: "true or false" }])),
  onProgress: { fits: isFunction, wanted: "a function" },
  onProblem: { fits: isFunction, wanted: "a function" },
  evaluate: { fits: isFunction, wanted: "a function that scores the model" },
};

function checkKinds(call: string, given: object): void {
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    if (value === undefined || value === null || !Object.hasOwn(kinds, name)) continue;
    const { fits, wanted } = kinds[name]!;
    if (fits(value)) continue;
    throw new OptionError(`The option ${name} of ${call} must be ${wanted}, but is ${show(value)}.`, "Give such a value, or leave it out.");
  }
}

/**
 * Throws `OptionError` unless `value` is one of `known`; `what` says in messages what it is. A name from JavaScript that no table has would
 * otherwise end as a TypeError somewhere else.
 */
export function checkChoice<Choice extends string>(what: string, value: unknown, known: readonly Choice[]): asserts value is Choice {
  if ((known as readonly unknown[]).includes(value)) return;
  throw new OptionError(`There is no ${what} ${show(value)}.`, `Choose one of ${known.join(", ")}.`);
}

/** Throws `OptionError` for one text in the place of several: its letters would be taken for texts. */
export function checkSeveral(what: string, texts: unknown): void {
  if (typeof texts === "string") throw new OptionError(`${what} are one text.`, "Give a list of texts, or another iterable.");
}

/** Splits the options of a call that takes two kinds: those in `names`, and all others. One that is undefined is not given. */
export function splitOptions<First extends object, Second extends object>(
  given: First & Second,
  names: OptionNames<First>,
): [first: First, others: Second] {
  if (typeof given !== "object" || given === null) {
    throw new OptionError(`The options must be an object, but are ${show(given)}.`, "Give an object, or nothing.");
  }
  const isFirst = ([name]: [string, unknown]) => Object.hasOwn(names, name);
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return [Object.fromEntries(entries.filter(isFirst)) as First, Object.fromEntries(entries.filter((entry) => !isFirst(entry))) as Second];
}

/** The name in `known` that is probably meant by `name`: `topK` for `top_k`, `threshold` for `treshold`. Undefined if none is close. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const plain = new Map(known.map((one) => [plainName(one), one]));
  const near = closestMatch(plainName(name), [...plain.keys()], { maxDistance: Math.min(mostDifferences, Math.floor(name.length / 2)) });
  return near === undefined ? undefined : plain.get(near);
}

const plainName = (name: string) => name.toLowerCase().replace(/[-_]/g, "");
