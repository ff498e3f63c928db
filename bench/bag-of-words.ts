/**
 * The bar for a sentence model: `npx tsx bench/bag-of-words.ts --text FILE --data_dir SENTEVAL` scores on STS the cosine of bags of words, each word weighted
 * by the logarithm of its rarity in a text with one sentence per line. It ignores word order and synonyms, and still beats small models.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { Command } from "commander";
import { openFolder } from "../src/io/folder-node.ts";
import type { Encode } from "../src/simcse/evaluation/embed-distinct.ts";
import { evaluateSts } from "../src/simcse/evaluation/senteval/evaluate-sts.ts";
import { stsTable } from "../src/simcse/evaluation/senteval/table.ts";
import { reportFailure } from "../tools/cli/failure.ts";

const wordsOf = (text: string) => text.toLowerCase().match(/\p{L}+|\p{N}+/gu) ?? [];

/** ln((sentences + 1) ÷ (sentences with the word + 1)), so that no word is infinitely rare. */
async function rarities(path: string): Promise<(word: string) => number> {
  const counts = new Map<string, number>();
  let sentences = 1;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    sentences++;
    for (const word of new Set(wordsOf(line))) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return (word) => Math.log(sentences / ((counts.get(word) ?? 0) + 1));
}

/** One column per word of the sentences that are encoded together. */
const bags =
  (rarity: (word: string) => number): Encode =>
  async (sentences) => {
    const columns = new Map<string, number>();
    for (const word of sentences.flatMap(wordsOf)) if (!columns.has(word)) columns.set(word, columns.size);
    const rows = new Float32Array(sentences.length * columns.size);
    sentences.forEach((sentence, row) => {
      for (const word of wordsOf(sentence)) rows[row * columns.size + columns.get(word)!]! += rarity(word);
    });
    return rows;
  };

const { text, data_dir } = new Command("bag-of-words")
  .description("Scores bags of words on the STS tasks. Prints a table.")
  .requiredOption("--text <file>", "the text that words are counted in")
  .requiredOption("--data_dir <dir>", "a SentEval tree")
  .parse()
  .opts<{ text: string; data_dir: string }>();

try {
  const encode = bags(await rarities(text));
  const folder = await openFolder(data_dir);
  for (const mode of ["test", "dev"] as const) console.log(stsTable(await evaluateSts({ encode, folder, mode })));
} catch (error) {
  reportFailure(error, { debug: true });
}
