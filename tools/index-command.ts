/** `simcse index`: makes an index of sentences, adds to it, removes from it, lists it. */

import { basename, dirname, resolve } from "node:path";
import { Command, Option } from "commander";
import { DataError, OptionError } from "../src/errors.ts";
import { openFolder } from "../src/io/folder-node.ts";
import { type Precision, precisions } from "../src/kernels/search/precision.ts";
import type { Embeddings } from "../src/simcse/embedding/encoder.ts";
import { indexedSentences } from "../src/simcse/search/index-file.ts";
import { type Filter, metadataMatcher } from "../src/simcse/search/metadata.ts";
import type { SentenceId, SentenceToIndex } from "../src/simcse/search/sentence-index.ts";
import { interruptSignal } from "./cli/failure.ts";
import { filterOption } from "./cli/filter.ts";
import { type ModelOptions, modelOptions, openModel } from "./cli/open-model.ts";
import { flag, withOptions } from "./cli/options.ts";
import { startCounter } from "./cli/progress.ts";
import { type RecordOptions, readRecords, recordOptions } from "./cli/records.ts";
import { isMatrix, readVectors } from "./cli/vector-input.ts";
import { printLines } from "./cli/vector-output.ts";

interface SourceOptions extends ModelOptions, RecordOptions {
  readonly index: string;
  readonly vectors?: string;
}

interface AddOptions extends SourceOptions {
  readonly upsert?: boolean;
}

interface BuildOptions extends SourceOptions {
  readonly precision: Precision;
  readonly rescore: boolean;
}

interface RemoveOptions extends ModelOptions {
  readonly index: string;
}

interface ListOptions {
  readonly index: string;
  readonly filter?: Filter;
}

const indexOption = (description: string) => new Option("--index <file>", description).makeOptionMandatory();

const vectorsOption = new Option(
  "--vectors <file>",
  ".npy file with the vectors of --input, as written by `simcse encode`, in place of encoding",
);

const buildCommand = withOptions(new Command("build").description("build an index of sentences"), [
  ...modelOptions,
  ...recordOptions,
  indexOption("file to write the index to"),
  vectorsOption,
  new Option("--precision <precision>", "number format to search in; int8 and binary take less memory")
    .choices([...precisions])
    .default("f32"),
  new Option("--no-rescore", "int8 and binary: keep no f16 vectors to score the best results again"),
]).action(async (given: BuildOptions) => {
  await using open = await openModel(given);
  const signal = interruptSignal();
  const counter = startCounter("sentences");
  const { precision, rescore } = given;
  try {
    await open.simcse.buildIndex(items(given), { precision, rescore, signal, onProgress: counter.update, ...(await knownVectors(given)) });
  } finally {
    counter.stop();
  }
  if (open.simcse.index.length === 0)
    throw new OptionError("There are no sentences to index.", "Give some with --input, or on standard input.");
  await open.simcse.saveIndex(given.index);
});

const addCommand = withOptions(new Command("add").description("add sentences to an index"), [
  ...modelOptions,
  ...recordOptions,
  indexOption("the index file, which is replaced"),
  vectorsOption,
  flag("upsert", "replace sentences whose id is already in the index"),
]).action(async (given: AddOptions) => {
  await using open = await openModel(given);
  const signal = interruptSignal();
  await open.simcse.loadIndex(given.index);
  const counter = startCounter("sentences");
  try {
    await open.simcse.addToIndex(items(given), {
      signal,
      onProgress: counter.update,
      ...(given.upsert && { upsert: true }),
      ...(await knownVectors(given)),
    });
  } finally {
    counter.stop();
  }
  await open.simcse.saveIndex(given.index);
});

const removeCommand = withOptions(
  new Command("remove").description("remove sentences from an index by their ids").argument("<ids...>", "ids as search prints them"),
  [...modelOptions, indexOption("the index file, which is replaced")],
).action(async (ids: string[], given: RemoveOptions) => {
  await using open = await openModel(given);
  await open.simcse.loadIndex(given.index);
  const { index } = open.simcse;
  // On a command line, running numbers are texts too.
  const wanted = ids.map((id) => (index.has(id) || !/^\d+$/.test(id) ? id : Number(id)));
  const missing = wanted.filter((id) => !index.has(id));
  if (missing.length > 0)
    throw new OptionError(`The index has no sentence with the id ${missing.join(", ")}.`, "Give ids as `simcse search` prints them.");
  await open.simcse.removeFromIndex(wanted);
  await open.simcse.saveIndex(given.index);
});

const listCommand = withOptions(
  new Command("list").description("print the sentences, ids and metadata of an index as JSON lines; needs no model"),
  [indexOption("the index"), filterOption],
).action(async (given: ListOptions) => {
  const matches = metadataMatcher(given.filter ?? {});
  await printLines(lines(given.index));

  async function* lines(path: string): AsyncGenerator<string> {
    for await (const { id, sentence, metadata } of indexedSentences(await openFolder(dirname(resolve(path))), basename(path)))
      if (given.filter === undefined || matches(metadata)) yield `${JSON.stringify({ id, sentence, ...(metadata && { metadata }) })}\n`;
  }
});

async function knownVectors({ vectors }: SourceOptions): Promise<{ vectors?: Embeddings }> {
  return vectors === undefined ? {} : { vectors: await readVectors(vectors) };
}

/** The records of the input. Throws `DataError` naming both rows if an id occurs twice; reports the number of empty sentences on standard error. */
async function* items(given: SourceOptions): AsyncGenerator<SentenceToIndex> {
  if (isMatrix(given.input))
    throw new OptionError(
      `${given.input} holds vectors, and an index needs their sentences.`,
      `Give the sentences as --input, and --vectors ${given.input}.`,
    );
  const rows = new Map<SentenceId, number>();
  const empty: number[] = [];
  let row = 0;
  for await (const record of readRecords(given)) {
    row++;
    if (record.sentence.trim() === "") empty.push(row);
    const before = record.id === undefined ? undefined : rows.get(record.id);
    if (before !== undefined)
      throw new DataError(
        `row ${row} of ${given.input} has the id ${JSON.stringify(record.id)}, as row ${before} has.`,
        "Give every row an id of its own.",
      );
    if (record.id !== undefined) rows.set(record.id, row);
    yield record;
  }
  if (empty.length > 0)
    process.stderr.write(
      `warning: ${empty.length} of ${row} sentences are empty (row ${empty.slice(0, 5).join(", ")}${empty.length > 5 ? ", …" : ""}); searches will find them\n`,
    );
}

export const indexCommand = new Command("index")
  .description("build and change an index of sentences to search")
  .addCommand(buildCommand)
  .addCommand(addCommand)
  .addCommand(removeCommand)
  .addCommand(listCommand);
