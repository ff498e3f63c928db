/** Sentences from a file on disk, streamed. */
import { basename, dirname, resolve } from "node:path";
import { openFolder } from "./folder-node.ts";
import { readSentences } from "./text.ts";

/**
 * The lines of a text file, read as they are asked for: `for await (const sentence of sentencesOf("corpus.txt"))`. Throws as `readSentences` of
 * text.ts does.
 */
export async function* sentencesOf(path: string): AsyncGenerator<string> {
  yield* readSentences(await openFolder(dirname(resolve(path))), basename(path));
}
