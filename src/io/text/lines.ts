/** Splits a text into lines. A line ends with `\n`, `\r\n` or `\r`, like in Python's text files; a final line end adds no line. */
import { DataError } from "../../errors.ts";

/** The most characters (UTF-16 units) of a line or a row. Longer ones are not sentences, and would fill the memory. */
export const MAX_LINE_CHARACTERS = 10_000_000;

/** The lines of a text that arrives in pieces, without their ends. Throws DataError for a line of more than `MAX_LINE_CHARACTERS`. */
export async function* splitLines(texts: AsyncIterable<string>, name: string): AsyncGenerator<string> {
  let count = 0;
  let pending = "";
  for await (const text of texts) {
    const block = pending + text;
    const end = endOfLastLine(block);
    pending = block.slice(end);
    for (const line of linesOf(block.slice(0, end))) {
      count++;
      if (line.length > MAX_LINE_CHARACTERS) throw tooLong(name, count);
      yield line;
    }
    if (pending.length > MAX_LINE_CHARACTERS + 1) throw tooLong(name, count + 1);
  }
  yield* linesOf(pending);
}

/** Where the line after the last complete one begins. A `\r` at the very end may be half of a `\r\n`. */
function endOfLastLine(block: string): number {
  const searched = block.endsWith("\r") ? block.length - 2 : block.length;
  return Math.max(block.lastIndexOf("\n"), searched < 0 ? -1 : block.lastIndexOf("\r", searched)) + 1;
}

function linesOf(block: string): string[] {
  if (block === "") return [];
  const lines = block.split(/\r\n|\n|\r/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function tooLong(name: string, line: number): DataError {
  return new DataError(
    `line ${line} of ${name} is longer than ${MAX_LINE_CHARACTERS.toLocaleString("en-US")} characters`,
    "Give one sentence a line: split the text into sentences, or remove the line.",
  );
}
