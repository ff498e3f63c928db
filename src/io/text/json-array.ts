/** The elements of a JSON array, one at a time, so that a file of any size takes the memory of one element. */
import { DataError } from "../../errors.ts";
import { MAX_LINE_CHARACTERS } from "./lines.ts";

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPENING, CLOSING] = [new Set([0x5b, 0x7b]), new Set([0x5d, 0x7d])];

/**
 * The texts of a top-level array's elements, each to be parsed separately. Only brackets, commas and quotation marks are examined here.
 * Throws DataError if the text is not an array or ends inside it.
 */
export async function* splitJsonArray(texts: AsyncIterable<string>, name: string): AsyncGenerator<string> {
  const notArray = (found: string) =>
    new DataError(`${name} is no JSON array: ${found}`, "Give an array of objects, or one object a line.");
  let depth = 0;
  let inText = false;
  let escaped = false;
  let element = "";
  let count = 0;
  for await (const text of texts) {
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (escaped) escaped = false;
      else if (inText) {
        if (code === BACKSLASH) escaped = true;
        else if (code === QUOTE) inText = false;
      } else if (code === QUOTE) inText = true;
      else if (OPENING.has(code)) {
        if (depth === 0) {
          const before = (element + text.slice(from, at)).trim();
          if (count > 0 || before !== "" || text[at] !== "[") throw notArray(`there is "${(before || text[at]!).slice(0, 20)}" outside it`);
          element = "";
          from = at + 1;
        }
        depth++;
      } else if (CLOSING.has(code) || (code === COMMA && depth === 1)) {
        if (depth > 1 && CLOSING.has(code)) depth--;
        else {
          const last = code !== COMMA;
          const whole = element + text.slice(from, at);
          element = "";
          from = at + 1;
          if (last) depth--;
          if (depth < 0) throw notArray("it closes a bracket that it did not open");
          if (whole.trim() === "" && (!last || count > 0)) throw notArray(`element ${count + 1} is missing`);
          count++;
          if (whole.trim() !== "") yield whole;
        }
      }
    }
    element += text.slice(from);
    if (element.length > MAX_LINE_CHARACTERS) throw notArray("one of its elements is longer than any row of texts");
  }
  if (depth > 0 || count === 0) throw notArray("it ends before its last bracket");
  if (element.trim() !== "") throw notArray(`there is "${element.trim().slice(0, 20)}" behind it`);
}
