/**
 * Formats values for messages. Whatever a file or a caller gives, the text is short, takes bounded time and memory, never throws, and
 * contains no control characters that a terminal would act on.
 */

/** Characters of a value that a message shows by default. */
const usualLength = 80;
/** Depth to which nested lists and objects are shown; deeper ones are shown as … */
const deepest = 6;

/**
 * A value as JSON, cut to about `length` characters: text in quotation marks, lists and objects with as many entries as fit. Values without
 * a JSON form are named: `nothing`, `NaN`, `12n`, `Map`, `function f`.
 */
export function show(value: unknown, length = usualLength): string {
  const parts: string[] = [];
  let left = length;
  const put = (text: string) => {
    parts.push(text.length > left ? `${text.slice(0, Math.max(0, left))}…` : text);
    left -= text.length;
  };
  const walk = (it: unknown, depth: number): void => {
    if (left <= 0) return;
    if (typeof it === "string") put(quoted(it, left));
    else if (typeof it !== "object" || it === null) put(named(it));
    else if (depth === deepest) put("…");
    else if (Array.isArray(it)) entries("[", it, (item) => walk(item, depth + 1), "]");
    else if (isPlain(it)) {
      const field = ([key, item]: readonly [string, unknown]) => {
        put(`${quoted(key, left)}: `);
        walk(item, depth + 1);
      };
      entries("{", fieldsOf(it), field, "}");
    } else put(constructorName(it));
  };
  const entries = <T>(open: string, items: Iterable<T>, each: (item: T) => void, close: string) => {
    put(open);
    let first = true;
    for (const item of items) {
      if (left <= 0) return;
      if (!first) put(", ");
      first = false;
      each(item);
    }
    if (left > 0) put(close);
  };
  walk(value, 0);
  return printable(parts.join(""));
}

/** A text in quotation marks, cut to `length` characters, with control characters escaped. */
export function quoted(text: string, length = 200): string {
  return printable(JSON.stringify(text.length > length ? `${text.slice(0, length)}…` : text));
}

/** A number for people: 1,234,567. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** A number of things: `1 file`, `2,000 files`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/**
 * A text that can be printed on a terminal: control characters (except line breaks and tabs) and characters that change the direction of
 * writing are written as `\u001b`.
 */
export function printable(text: string): string {
  return text.replace(obeyed, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const obeyed = /(?![\n\t])[\p{Cc}\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/gu;

function named(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `function ${value.name}`;
  return String(value);
}

function isPlain(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** One field at a time, because an object may have millions. */
function* fieldsOf(value: Readonly<Record<string, unknown>>): Generator<readonly [string, unknown]> {
  for (const key in value) if (Object.hasOwn(value, key)) yield [key, value[key]];
}

function constructorName(value: object): string {
  const made: unknown = value.constructor;
  return typeof made === "function" && made.name !== "" ? made.name : "an object";
}
