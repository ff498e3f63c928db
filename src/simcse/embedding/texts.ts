/**
 * Checks the sentences that callers pass. A value that is not a text is refused with its position; otherwise it would get the vector of
 * `[object Object]`.
 */
import { OptionError } from "../../errors.ts";

const remedy = "Give a text, or texts as an array, another iterable or an async iterable.";

/** The name of an object's class if it is one of the language's own; the same in every realm, as Jest has classes of its own. */
export function className(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

/** A short description of a value for messages. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (ArrayBuffer.isView(value)) return `a ${className(value)} of ${value.byteLength} bytes`;
  if (typeof value === "string") return value === "" ? "an empty text" : "a text";
  return typeof value === "object"
    ? `an object with ${Object.keys(value).slice(0, 5).join(", ") || "no fields"}`
    : `the ${typeof value} ${String(value)}`;
}

/** Throws `OptionError` unless `value` can be iterated and is not a text. `what` is its name in messages. */
export function checkIterable(what: string, value: unknown): asserts value is Iterable<unknown> | AsyncIterable<unknown> {
  const iterable = typeof value === "object" && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
  if (!iterable) throw new OptionError(`${what} must be texts, but is ${describe(value)}.`, remedy);
}

/** Throws `OptionError` unless `value` is a text; `position` counts from 0. */
export function checkText(what: string, value: unknown, position: number): asserts value is string {
  if (typeof value !== "string") throw new OptionError(`${what}[${position}] must be a text, but is ${describe(value)}.`, remedy);
}

/** Whether `value` is an async iterable. */
export function isStream<T>(value: Iterable<T> | AsyncIterable<T>): value is AsyncIterable<T> {
  return Symbol.asyncIterator in value;
}
