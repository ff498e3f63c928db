/** Sentences from a file on disk, streamed. */
import { basename, dirname, resolve } from "node:path";
import { OptionError } from "../errors.ts";
import { show } from "../show.ts";
import { openFolder } from "./folder-node.ts";
import { formatOf } from "./text/table.ts";
import { readSentences } from "./text.ts";

/**
 * The lines of a text file, read on demand: `for await (const sentence of sentencesOf("corpus.txt"))`. Throws like `readSentences` of
 * text.ts, and `OptionError` for a table (.csv, .jsonl, …), whose lines are no sentences.
 */
export async function* sentencesOf(path: string): AsyncGenerator<string> {
  if (typeof path !== "string") throw new OptionError(`The file to read is ${show(path)}.`, "Give the path of a text.");
  const format = formatOf(path);
  if (format !== null && format !== "lines") {
    throw new OptionError(
      `${path} is a table (${format}), and its lines are no sentences.`,
      "Read its texts with openExampleFile, or give a text with one sentence a line.",
    );
  }
  yield* readSentences(await openFolder(dirname(resolve(path))), basename(path));
}
