/** Real sentences for benchmarks: Wikipedia's, as ids of BERT's tokenizer. They are not part of the project. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { openFolder } from "../src/io/folder-node.ts";
import { readSentences } from "../src/io/text.ts";
import { loadTokenizer } from "../src/io/tokenizer.ts";
import { longest, type RealSentences } from "./encode.ts";

const data = resolve(process.env.SIMCSE_DATA ?? "../shared/data");

/** Says so where the data is missing. */
export const wikipedia: RealSentences = async (count) => {
  if (!existsSync(data)) {
    console.error(`No Wikipedia sentences: ${data} is not there (set SIMCSE_DATA).`);
    return null;
  }
  const tokenizer = await loadTokenizer(await openFolder(resolve(data, "tokenizers/bert-base-uncased")));
  const ids: number[][] = [];
  for await (const sentence of readSentences(await openFolder(resolve(data, "train")), "wiki100k_sentences.txt")) {
    ids.push(tokenizer.encode(sentence, longest));
    if (ids.length === count) break;
  }
  return ids;
};
