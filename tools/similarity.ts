/** `simcse similarity`: cosine similarities: of two texts, of one text and several, or of the rows of two files (all, or the best). */
import { Command, Option } from "commander";
import { OptionError } from "../src/errors.ts";
import type { Embeddings } from "../src/simcse/embedding/embeddings.ts";
import { embeddingsOf } from "../src/simcse/embedding/given-embeddings.ts";
import { mostResults, VectorIndex } from "../src/simcse/search/vector-index.ts";
import type { SimCSE } from "../src/simcse/simcse.ts";
import { namedModel } from "./cli/find-model.ts";
import { interruptSignal } from "./cli/interrupt.ts";
import { type ModelOptions, modelOptions, openModel } from "./cli/open-model.ts";
import { numberBetween, wholeNumber, withOptions } from "./cli/options.ts";
import { type RecordOptions, readRecords, textColumnOptions } from "./cli/records.ts";
import { isMatrix, readVectors } from "./cli/vector-input.ts";
import { printLines } from "./cli/vector-output.ts";

interface SimilarityOptions extends ModelOptions, Omit<RecordOptions, "input"> {
  readonly queries?: string;
  readonly keys?: string;
  readonly top_k?: number;
  readonly threshold?: number;
}

const options: readonly Option[] = [
  ...modelOptions,
  new Option("--queries <file>", "in place of a text: a file of sentences, or a .npy file of vectors"),
  new Option("--keys <file>", "file to compare each query with: sentences or vectors"),
  new Option("--top_k <n>", "print only the n most similar keys of each query, as JSON with their row numbers").argParser(
    wholeNumber(1, mostResults),
  ),
  new Option("--threshold <cosine>", "print only keys at least this similar to each query, as JSON with their row numbers").argParser(
    numberBetween(-1, 1),
  ),
  ...textColumnOptions,
];

export const similarityCommand = withOptions(
  new Command("similarity")
    .description("cosine similarity of texts: one number per line, or with --queries one JSON array per line")
    .argument("[text]", "a text")
    .argument("[others...]", "texts to compare it with"),
  options,
).action(async (text: string | undefined, others: string[], given: SimilarityOptions) => {
  namedModel(given);
  const [queries, keys] = [
    await side(text === undefined ? [] : [text], given.queries, "queries", given),
    await side(others, given.keys, "keys", given),
  ];
  await using open = await openModel(given);
  const { simcse } = open;
  const signal = interruptSignal();
  const [left, right] = [await embeddingsOf(queries, simcse.encoder, { signal }), await embeddingsOf(keys, simcse.encoder, { signal })];
  const isFiltered = given.top_k !== undefined || given.threshold !== undefined;
  if (isFiltered)
    return await printLines(
      given.top_k === undefined ? similarKeys(simcse, left, right, given.threshold!) : bestKeys(simcse, left, right, given),
    );
  await printLines(text === undefined ? rows(simcse, left, right) : numbers((await simcse.similarity(left, right))[0]!));
});

/** Number of queries whose cosines are in memory at once. */
const queriesAtOnce = 256;

/** The cosines of each query with all keys, computed lazily. */
async function* cosines(simcse: SimCSE, { length, dimension, data }: Embeddings, keys: Embeddings): AsyncGenerator<Float32Array> {
  for (let start = 0; start < length; start += queriesAtOnce) {
    const end = Math.min(start + queriesAtOnce, length);
    yield* await simcse.similarity({ length: end - start, dimension, data: data.subarray(start * dimension, end * dimension) }, keys);
  }
}

interface ScoredKey {
  readonly key: number;
  readonly score: number;
}

const resultLine = (query: number, results: readonly ScoredKey[]) => `${JSON.stringify({ query, results })}\n`;

/** The keys that reach the threshold, the most similar first. */
async function* similarKeys(simcse: SimCSE, queries: Embeddings, keys: Embeddings, threshold: number): AsyncGenerator<string> {
  let query = 0;
  for await (const row of cosines(simcse, queries, keys)) {
    const results: ScoredKey[] = [];
    row.forEach((score, key) => {
      if (score >= threshold) results.push({ key, score });
    });
    yield resultLine(
      query++,
      results.sort((a, b) => b.score - a.score || a.key - b.key),
    );
  }
}

/** The most similar keys, found on the GPU. */
async function* bestKeys(
  simcse: SimCSE,
  queries: Embeddings,
  keys: Embeddings,
  { top_k, threshold }: SimilarityOptions,
): AsyncGenerator<string> {
  using index = new VectorIndex(simcse.model.device, simcse.dimension);
  index.add(keys.data);
  const found = await index.search(queries.data, { topK: top_k!, threshold });
  for (const [query, results] of found.entries()) {
    yield resultLine(
      query,
      results.map(({ row, score }) => ({ key: row, score })),
    );
  }
}

/** One side of the comparison: texts of the command line, or a file. */
async function side(
  texts: readonly string[],
  file: string | undefined,
  name: string,
  given: SimilarityOptions,
): Promise<readonly string[] | Embeddings> {
  if (texts.length > 0 && file === undefined) return texts;
  if (texts.length > 0 || file === undefined) {
    throw new OptionError(
      `There are ${texts.length > 0 ? "texts as well as" : "neither texts nor"} --${name}.`,
      "Give two texts or more, or --queries and --keys.",
    );
  }
  if (isMatrix(file)) return readVectors(file);
  const sentences: string[] = [];
  for await (const { sentence } of readRecords({ ...given, input: file })) sentences.push(sentence);
  return sentences;
}

async function* rows(simcse: SimCSE, queries: Embeddings, keys: Embeddings): AsyncGenerator<string> {
  for await (const row of cosines(simcse, queries, keys)) yield `${JSON.stringify(Array.from(row))}\n`;
}

async function* numbers(row: Float32Array): AsyncGenerator<string> {
  for (const value of row) yield `${value}\n`;
}
