/** Sentences from a file on disk, streamed. */
import { basename, dirname, resolve } from "node:path";
import { openFolder } from "./folder-node.ts";
import { readSentences } from "./text.ts";

/**
 * The lines of a text file, read on demand: `for await (const sentence of sentencesOf("corpus.txt"))`. Throws like `readSentences` of
 * text.ts.
 */
export async function* sentencesOf(path: string): AsyncGenerator<string> {
  yield* readSentences(await openFolder(dirname(resolve(path))), basename(path));
}
