/** `simcse search`: the sentences of an index that are most similar to each query, one line of JSON a query. */
import { Command, Option } from "commander";
import { chunks } from "../src/simcse/embedding/chunks.ts";
import { mostResults, usualResults } from "../src/simcse/search/vector-index.ts";
import { interruptSignal } from "./cli/failure.ts";
import { modelName } from "./cli/find-model.ts";
import { type ModelOptions, modelOptions, openModel } from "./cli/open-model.ts";
import { numberBetween, wholeNumber, withOptions } from "./cli/options.ts";
import { type RecordOptions, readRecords, recordOptions, type TextRecord } from "./cli/records.ts";
import { printLines } from "./cli/vector-output.ts";

interface SearchCommandOptions extends ModelOptions, RecordOptions {
  readonly index: string;
  readonly top_k: number;
  readonly threshold?: number;
}

const options: readonly Option[] = [
  ...modelOptions,
  new Option("--index <file>", "index that `simcse index build` made").makeOptionMandatory(),
  new Option("--top_k <n>", `results a query, at most ${mostResults}`).argParser(wholeNumber(1, mostResults)).default(usualResults),
  new Option("--threshold <cosine>", "only results at least this similar (default: all)").argParser(numberBetween(-1, 1)),
  ...recordOptions,
];

export const searchCommand = withOptions(
  new Command("search")
    .description("find the most similar sentences of an index")
    .argument("[queries...]", "queries; without any they are read from --input"),
  options,
).action(async (queries: string[], given: SearchCommandOptions) => {
  modelName(given);
  await using open = await openModel(given);
  const signal = interruptSignal();
  await open.simcse.loadIndex(given.index);
  const asked = queries.length > 0 ? queries.map((sentence) => ({ sentence })) : readRecords(given);
  await printLines(answers(asked));

  async function* answers(source: Iterable<TextRecord> | AsyncIterable<TextRecord>): AsyncGenerator<string> {
    for await (const chunk of chunks<TextRecord>(source)) {
      signal.throwIfAborted();
      const found = await open.simcse.search(
        chunk.map(({ sentence }) => sentence),
        { topK: given.top_k, ...(given.threshold !== undefined && { threshold: given.threshold }) },
      );
      for (const [i, { sentence, id }] of chunk.entries()) {
        yield `${JSON.stringify({ query: sentence, ...(id !== undefined && { id }), results: found[i] })}\n`;
      }
    }
  }
});
