/**
 * JSON from untrusted files. Two things that JSON.parse does not check are checked here: how deeply lists and objects are nested, so that
 * no later reader runs out of stack or memory, and duplicate keys in an object.
 */

/** Whether a value is an object of JSON, not a list. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `JSON.parse` for what Python writes too: NaN and Infinity, which JSON does not have, become null and a number beyond all others. */
export function parsePythonsJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const strict = withoutPythonsNumbers(text);
    if (strict === text) throw cause;
    return JSON.parse(strict);
  }
}

/** 16 digits are the fewest of a whole number that no JavaScript number may be exact for. */
const longInteger = /(?:^|[^\d.])\d{16,}(?![\d.eE])/;

/**
 * JSON with texts in place of whole numbers that no JavaScript number is exact for, such as 64-bit ids: `JSON.parse` would round them without a
 * word.
 */
export function withExactIntegers(json: string): string {
  if (!longInteger.test(json)) return json;
  return json.replace(/"(?:[^"\\]|\\.)*"?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs, (found) =>
    /^-?\d{16,}$/.test(found) && !Number.isSafeInteger(Number(found)) ? `"${found}"` : found,
  );
}

function withoutPythonsNumbers(json: string): string {
  return json.replace(/"(?:[^"\\]|\\.)*"?|(-?)\bInfinity\b|\bNaN\b/gs, (found, sign: string | undefined) => {
    if (found.startsWith('"')) return found;
    return found === "NaN" ? "null" : `${sign}1e999`;
  });
}

/** The deepest nesting of lists and objects. Configurations and headers have 5. A deeply nested list takes 100 bytes of memory per byte. */
export const deepestNesting = 200;

/** Whether `text` nests lists and objects deeper than `deepestNesting`. It need not be valid JSON. */
export function isNestedTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfString(text, at) - 1;
    else if (code === openList || code === openObject) {
      if (++depth > deepestNesting) return true;
    } else if (code === closeList || code === closeObject) depth--;
  }
  return false;
}

const [quote, backslash, openList, closeList, openObject, closeObject] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d];

/**
 * The first duplicate key of an object, in reading order, or undefined. JSON.parse silently keeps the last one; in a file's header, that is
 * an error to report. `json` must be valid: it is scanned, not checked.
 */
export function duplicateKey(json: string): string | undefined {
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === openObject || code === openList) open.push(null);
    else if (code === closeObject || code === closeList) open.pop();
    else if (code === quote) {
      const end = endOfString(json, at);
      if (isFollowedByColon(json, end)) {
        const key = JSON.parse(json.slice(at, end)) as string;
        const keys = open.at(-1) ?? new Set();
        if (keys.has(key)) return key;
        keys.add(key);
        open[open.length - 1] = keys;
      }
      at = end - 1;
    }
  }
  return undefined;
}

/** The index after the quote that ends the string whose opening quote is at `start`; the end of the text if there is none. */
function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json.charCodeAt(at) !== quote) at += json.charCodeAt(at) === backslash ? 2 : 1;
  return at + 1;
}

function isFollowedByColon(json: string, at: number): boolean {
  let next = at;
  while (next < json.length && " \t\n\r".includes(json[next]!)) next++;
  return json[next] === ":";
}
