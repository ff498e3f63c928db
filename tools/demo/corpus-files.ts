/**
 * The demo corpus as text, for people to read: the contents of the files under corpus/. write-corpus.ts writes them; nothing reads
 * them back, since programs call corpus.ts.
 */
import { heldOutPairs, trainingSentences } from "./corpus.ts";

/** Contents by file name: one sentence per line, and the pairs tab-separated under a header. */
export const corpusFiles = (): Record<"sentences.txt" | "pairs.tsv", string> => ({
  "sentences.txt": lines(trainingSentences()),
  "pairs.tsv": lines(["score\ta\tb", ...heldOutPairs().map(({ score, a, b }) => `${score}\t${a}\t${b}`)]),
});

function lines(rows: readonly string[]): string {
  return `${rows.join("\n")}\n`;
}
