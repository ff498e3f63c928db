/**
 * Sentences from a text: one per line, UTF-8, no header; an empty line is an empty sentence.
 *
 * Text is read in pieces, so a corpus of any size takes a few megabytes. A file that cannot be a text of sentences (bytes that are not
 * UTF-8, one endless line, an empty file) is an error that says where it is. Tables are read by text/table.ts.
 */
import { DataError } from "../errors.ts";
import type { Folder } from "./folder.ts";
import { splitLines } from "./text/lines.ts";
import { fileSource } from "./text/source.ts";
import { decodeUtf8 } from "./text/utf8.ts";

/**
 * The lines of a text file, without their ends (`\n`, `\r\n` or `\r`) and without a byte-order mark. A final line end adds no line. Throws FileError
 * when the file is missing, and DataError, naming the file and the byte or line, for a file that is not UTF-8 text, a line of more than
 * `MAX_LINE_CHARACTERS`, or a file without any line.
 */
export function readSentences(folder: Folder, file: string): AsyncIterable<string> {
  const { name, bytes } = fileSource(folder, file);
  return readLines(bytes(), name);
}

/**
 * The lines of a text that arrives as a stream of bytes, such as standard input; `name` is its name in messages. Throws like
 * `readSentences`.
 */
export async function* readLines(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string> {
  let count = 0;
  for await (const line of splitLines(decodeUtf8(stream, name), name)) {
    count++;
    yield line;
  }
  if (count === 0) throw new DataError(`${name} holds no line`, "Give a text with one sentence a line.");
}
