/** Splits a text into lines. A line ends with `\n`, `\r\n` or `\r`, like in Python's text files; a final line end adds no line. */
import { DataError } from "../../errors.ts";
import { formatCount } from "../../show.ts";

/** The most characters (UTF-16 units) of a line or a row. Longer ones are not sentences, and would fill the memory. */
export const MAX_LINE_CHARACTERS = 2 ** 24;

/** The lines of a text that arrives in pieces, without their ends. Throws DataError for a line of more than `MAX_LINE_CHARACTERS`. */
export async function* splitLines(texts: AsyncIterable<string>, name: string): AsyncGenerator<string> {
  let count = 0;
  /** The line that has not ended yet, in pieces: joined only once, so that a long line takes linear time. */
  let open: string[] = [];
  let openLength = 0;
  /** A `\r` at the very end may be half of a `\r\n`. */
  let held = "";
  for await (const piece of texts) {
    const isHeld = piece.endsWith("\r");
    const text = held + (isHeld ? piece.slice(0, -1) : piece);
    held = isHeld ? "\r" : "";
    const end = Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r")) + 1;
    const rest = text.slice(end);
    if (end > 0) {
      for (const line of linesOf(open.join("") + text.slice(0, end))) {
        count++;
        if (line.length > MAX_LINE_CHARACTERS) throw tooLong(name, count);
        yield line;
      }
      open = [];
      openLength = 0;
    }
    open.push(rest);
    openLength += rest.length;
    if (openLength > MAX_LINE_CHARACTERS) throw tooLong(name, count + 1);
  }
  yield* linesOf(open.join("") + held);
}

/** The lines of a whole text, without their ends. */
export function linesOf(text: string): string[] {
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function tooLong(name: string, line: number): DataError {
  return new DataError(
    `line ${line} of ${name} is longer than ${formatCount(MAX_LINE_CHARACTERS)} characters`,
    "Give one sentence a line: split the text into sentences, or remove the line.",
  );
}
