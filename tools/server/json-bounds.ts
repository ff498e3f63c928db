/**
 * Bounds on JSON before it is parsed: `JSON.parse` needs a second or more for 2 MB of nested arrays or keys, and blocks everything else meanwhile.
 * Plain texts and numbers are fast; only the size of the body bounds them.
 */
import { RequestError } from "./request-error.ts";
import { nextSlice } from "./slices.ts";

/** No valid request of this server nests as deep or has as many fields. */
const mostDepth = 64;
const mostFields = 4096;

/** Bytes scanned between two checks of the clock. */
const sliceBytes = 2 ** 17;

const [quote, backslash, colon, comma] = [0x22, 0x5c, 0x3a, 0x2c];
const opening: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const closing: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/** Throws `RequestError` for JSON that nests too deep, or has too many fields or, with `mostValues`, too many values. */
export async function checkJsonBounds(body: Uint8Array, mostValues: number): Promise<void> {
  let [depth, fields, values] = [0, 0, 1];
  let inText = false;
  for (let start = 0; start < body.length; start += sliceBytes) {
    await nextSlice();
    const end = Math.min(body.length, start + sliceBytes);
    for (let i = start; i < end; i++) {
      const byte = body[i]!;
      if (inText) {
        if (byte === quote && !isEscaped(body, i)) inText = false;
      } else if (byte === quote) inText = true;
      else if (byte === colon) fields++;
      else if (byte === comma) values++;
      else if (opening.has(byte)) depth++;
      else if (closing.has(byte)) depth--;
      if (depth > mostDepth) throw new RequestError(400, `The body nests more than ${mostDepth} deep.`);
    }
    if (fields > mostFields) throw new RequestError(400, `The body has more than ${mostFields} fields.`);
    if (values > mostValues) throw new RequestError(400, `The body has more than ${mostValues} values.`);
  }
}

/** Whether a quotation mark at `at` has an odd number of backslashes before it. */
function isEscaped(body: Uint8Array, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && body[before] === backslash) before--;
  return (at - 1 - before) % 2 === 1;
}
