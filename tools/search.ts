/** `simcse search`: the sentences of an index that are most similar to each query, one line of JSON per query. */
import { Command, Option } from "commander";
import { chunks } from "../src/simcse/embedding/chunks.ts";
import type { Embeddings } from "../src/simcse/embedding/embeddings.ts";
import type { Filter } from "../src/simcse/search/metadata.ts";
import type { SearchOptions, SearchResult } from "../src/simcse/search/sentence-index.ts";
import { mostResults, usualResults } from "../src/simcse/search/vector-index.ts";
import type { SimCSE } from "../src/simcse/simcse.ts";
import { filterOption } from "./cli/filter.ts";
import { interruptSignal } from "./cli/interrupt.ts";
import { type ModelOptions, modelOptions, openModel } from "./cli/open-model.ts";
import { numberBetween, wholeNumber, withOptions } from "./cli/options.ts";
import { type RecordOptions, readRecords, recordOptions, type TextRecord } from "./cli/records.ts";
import { say } from "./cli/say.ts";
import { isMatrix, readVectors } from "./cli/vector-input.ts";
import { printLines } from "./cli/vector-output.ts";

interface SearchCommandOptions extends ModelOptions, RecordOptions {
  readonly index: string;
  readonly top_k: number;
  readonly threshold?: number;
  readonly filter?: Filter;
}

const options: readonly Option[] = [
  ...modelOptions,
  new Option("--index <file>", "index file from `simcse index build`").makeOptionMandatory(),
  new Option("--top_k <n>", `results per query, at most ${mostResults}`).argParser(wholeNumber(1, mostResults)).default(usualResults),
  new Option("--threshold <cosine>", "only results at least this similar (default: all)").argParser(numberBetween(-1, 1)),
  filterOption,
  ...recordOptions,
];

export const searchCommand = withOptions(
  new Command("search")
    .description("find the most similar sentences of an index")
    .argument("[queries...]", "queries; if none are given they are read from --input, which may be a .npy file of vectors"),
  options,
).action(async (queries: string[], given: SearchCommandOptions) => {
  await using open = await openModel(given);
  const signal = interruptSignal();
  await open.simcse.loadIndex(given.index);
  const { top_k: topK, filter } = given;
  const search: SearchOptions = { topK, threshold: lowestCosine, signal, filter };
  const asked = queries.length > 0 ? queries.map((sentence) => ({ sentence })) : isMatrix(given.input) ? null : readRecords(given);
  await printLines(
    answers(
      asked === null ? vectorQueries(open.simcse, await readVectors(given.input), search) : textQueries(open.simcse, asked, search),
      given,
    ),
  );
});

/** Searches without the threshold and applies it here, so that the best score below it can be reported. */
const lowestCosine = -1;

/** A query as it is printed, and its results. */
interface Answer {
  readonly query: Partial<TextRecord>;
  readonly results: readonly SearchResult[];
}

async function* textQueries(
  simcse: SimCSE,
  records: Iterable<TextRecord> | AsyncIterable<TextRecord>,
  search: SearchOptions,
): AsyncGenerator<Answer> {
  for await (const chunk of chunks<TextRecord>(records)) {
    const found = await simcse.search(
      chunk.map(({ sentence }) => sentence),
      search,
    );
    for (const [i, query] of chunk.entries()) yield { query, results: found[i]! };
  }
}

async function* vectorQueries(simcse: SimCSE, vectors: Embeddings, search: SearchOptions): AsyncGenerator<Answer> {
  for (const results of await simcse.search(vectors, search)) yield { query: {}, results };
}

/** At most this many queries below the threshold are named one by one. */
const mostNamed = 5;

/** One line per query, with its number from 0. Queries whose best result is below the threshold are named on standard error. */
async function* answers(all: AsyncIterable<Answer>, { threshold }: SearchCommandOptions): AsyncGenerator<string> {
  let number = 0;
  let without = 0;
  for await (const { query, results } of all) {
    const kept = threshold === undefined ? results : results.filter(({ score }) => score >= threshold);
    const [best] = results;
    if (kept.length === 0 && best !== undefined && ++without <= mostNamed)
      say(`query ${number}: the best result has ${Number(best.score.toFixed(6))}, below --threshold ${threshold}`);
    const { sentence, id, metadata } = query;
    yield `${JSON.stringify({ number: number++, query: sentence, id, metadata, results: kept })}\n`;
  }
  if (without > mostNamed) say(`${without} of ${number} queries have no result of at least --threshold ${threshold}`);
}
