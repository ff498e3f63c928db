/** Real sentences for benchmarks: Wikipedia's, as texts and as ids of BERT's tokenizer. They are not part of the project. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { openFolder } from "../src/io/folder-node.ts";
import { readSentences } from "../src/io/text.ts";
import { loadTokenizer, type Tokenizer } from "../src/io/tokenizer.ts";
import { longest, type RealSentences } from "./encode.ts";

const data = resolve(process.env.SIMCSE_DATA ?? "../shared/data");

/** Says so where the data is missing. */
export const wikipedia: RealSentences = async (count) => {
  const texts = await wikipediaTexts(count);
  if (texts === null) return null;
  const tokenizer = await bertTokenizer();
  return texts.map((text) => tokenizer.encode(text, longest));
};

/** The first sentences as texts. Says so where the data is missing. */
export async function wikipediaTexts(count: number): Promise<readonly string[] | null> {
  if (!existsSync(data)) {
    console.error(`No Wikipedia sentences: ${data} is not there (set SIMCSE_DATA).`);
    return null;
  }
  const texts: string[] = [];
  for await (const sentence of readSentences(await openFolder(resolve(data, "train")), "wiki100k_sentences.txt")) {
    texts.push(sentence);
    if (texts.length === count) break;
  }
  return texts;
}

/** The tokenizer of BERT, uncased, beside the sentences. */
export const bertTokenizer = async (): Promise<Tokenizer> => loadTokenizer(await openFolder(resolve(data, "tokenizers/bert-base-uncased")));
