/**
 * The metadata of an index entry, and filters that select entries by it.
 *
 *     { lang: "de", year: { gte: 2020 }, topic: { in: ["sport", "music"] } }
 *
 * matches entries for which all three hold: the field equals a value, is in a range, is in a list. A field with an array matches if one of
 * its elements does. An entry without the field does not match. Numbers are compared with numbers, texts with texts (so dates as ISO 8601).
 */
import { OptionError } from "../../errors.ts";
import { isJsonObject } from "../../io/formats/json.ts";
import { nearestName } from "../../options.ts";
import { describe } from "../embedding/texts.ts";

/** A JSON value. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [field: string]: JsonValue };

/** A JSON object that belongs to a sentence. */
export type Metadata = { readonly [field: string]: JsonValue };

/** The values that a field can be compared with. */
export type FilterValue = null | boolean | number | string;

/** Conditions on one field; all of them must hold. */
export interface FilterRange {
  /** One of these values. */
  readonly in?: readonly FilterValue[];
  /** Greater than. */
  readonly gt?: number | string;
  /** Greater than or equal to. */
  readonly gte?: number | string;
  /** Less than. */
  readonly lt?: number | string;
  /** Less than or equal to. */
  readonly lte?: number | string;
}

/** By field: a value to equal, or conditions. All of them must hold; `{}` matches every entry. */
export type Filter = { readonly [field: string]: FilterValue | FilterRange };

type Condition = (value: JsonValue) => boolean;

/** For each condition, a function that checks its operand and returns the test. */
const conditions: { readonly [Name in keyof Required<FilterRange>]: (operand: unknown, field: string) => Condition } = {
  in: (operand, field) => {
    const values = new Set(listOf(operand, field));
    return (value) => values.has(value as FilterValue);
  },
  gt: ordered("gt", (value, operand) => value > operand),
  gte: ordered("gte", (value, operand) => value >= operand),
  lt: ordered("lt", (value, operand) => value < operand),
  lte: ordered("lte", (value, operand) => value <= operand),
};

/** Whether an entry's metadata matches `filter`. Throws `OptionError` for an invalid filter, naming the field. */
export function metadataMatcher(filter: Filter): (metadata: Metadata | undefined) => boolean {
  if (!isJsonObject(filter)) throw refusedFilter(`A filter must be an object of fields, but is ${describe(filter)}.`);
  const fields = Object.entries(filter).map(([field, wanted]) => ({ field, holds: fieldCondition(field, wanted) }));
  return (metadata) =>
    fields.every(({ field, holds }) => metadata !== undefined && Object.hasOwn(metadata, field) && holds(metadata[field]!));
}

/** Throws `OptionError` unless `value` is a JSON object. `what` is its name in messages. */
export function checkMetadata(what: string, value: unknown): asserts value is Metadata {
  const wrong = isJsonObject(value) && isPlain(value) ? notJson(value, what, 0) : `${what} must be a JSON object, but is ${named(value)}`;
  if (wrong !== null) throw new OptionError(`${wrong}.`, "Give an object of texts, numbers, booleans, null, arrays and objects of them.");
}

/** A copy that shares no object with `metadata`: the index's own must not change with the caller's, which many entries may be made from. */
export function copyOfMetadata(metadata: Metadata): Metadata {
  return copyOf(metadata) as Metadata;
}

function copyOf(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, copyOf(inner)]));
}

function fieldCondition(field: string, wanted: unknown): Condition {
  if (!isJsonObject(wanted)) return anyElement(equals(comparable(wanted, field)));
  const names = Object.keys(wanted);
  if (names.length === 0) throw refusedFilter(`The filter on ${JSON.stringify(field)} has no condition.`);
  const all = names.map((name) => {
    if (!Object.hasOwn(conditions, name)) {
      const near = nearestName(name, Object.keys(conditions));
      throw refusedFilter(
        `The filter on ${JSON.stringify(field)} has a condition ${JSON.stringify(name)}, which is not known${near ? `: did you mean ${near}?` : "."}`,
      );
    }
    return conditions[name as keyof FilterRange](wanted[name], field);
  });
  return anyElement((value) => all.every((holds) => holds(value)));
}

const equals =
  (wanted: FilterValue): Condition =>
  (value) =>
    value === wanted;

/** The same for an array, where one element must match. */
const anyElement =
  (holds: Condition): Condition =>
  (value) =>
    Array.isArray(value) ? value.some(holds) : holds(value);

function ordered(name: string, compare: (value: number | string, operand: number | string) => boolean) {
  return (operand: unknown, field: string): Condition => {
    if (typeof operand !== "string" && !(typeof operand === "number" && Number.isFinite(operand)))
      throw refusedFilter(`${name} of the filter on ${JSON.stringify(field)} must be a number or a text, but is ${describe(operand)}.`);
    return (value) => typeof value === typeof operand && compare(value as number | string, operand);
  };
}

function listOf(operand: unknown, field: string): FilterValue[] {
  if (!Array.isArray(operand))
    throw refusedFilter(`in of the filter on ${JSON.stringify(field)} must be an array, but is ${describe(operand)}.`);
  return operand.map((value) => comparable(value, field));
}

function comparable(value: unknown, field: string): FilterValue {
  const plain =
    value === null || typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
  if (plain) return value as FilterValue;
  throw refusedFilter(`The filter on ${JSON.stringify(field)} compares with ${describe(value)}.`);
}

const refusedFilter = (message: string) =>
  new OptionError(
    message,
    'Give fields with a value or conditions, such as { lang: "de", year: { gte: 2020 }, topic: { in: ["sport", "music"] } }.',
  );

/** JSON has no dates, maps and sets: they would change or vanish when the index is written. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A short description of a value, by its class if it has one. */
function named(value: unknown): string {
  const isOfClass = isJsonObject(value) && !isPlain(value);
  return isOfClass ? `a ${value.constructor.name}` : describe(value);
}

/** Deeper values would overflow the stack of later readers. */
const mostDepth = 64;

/** The part of a value that JSON cannot represent, or null. */
function notJson(value: unknown, what: string, depth: number): string | null {
  if (value === null || typeof value === "string" || typeof value === "boolean") return null;
  if (typeof value === "number") return Number.isFinite(value) ? null : `${what} is ${value}, which JSON does not have`;
  if (typeof value !== "object" || !(Array.isArray(value) || isPlain(value))) return `${what} is ${named(value)}, which JSON does not have`;
  if (depth === mostDepth) return `${what} is nested more than ${mostDepth} deep`;
  for (const [key, inner] of Object.entries(value)) {
    const wrong = notJson(inner, `${what}.${key}`, depth + 1);
    if (wrong !== null) return wrong;
  }
  return null;
}
