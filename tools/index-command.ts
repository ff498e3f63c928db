/** `simcse index`: makes an index of sentences, adds to it, removes from it. */
import { Command, Option } from "commander";
import { OptionError } from "../src/errors.ts";
import { type Precision, precisions } from "../src/kernels/search/precision.ts";
import type { IndexedSentence } from "../src/simcse/search/sentence-index.ts";
import { interruptSignal } from "./cli/failure.ts";
import { modelName } from "./cli/find-model.ts";
import { type ModelOptions, modelOptions, openModel } from "./cli/open-model.ts";
import { withOptions } from "./cli/options.ts";
import { startCounter } from "./cli/progress.ts";
import { type RecordOptions, readRecords, recordOptions } from "./cli/records.ts";

interface AddOptions extends ModelOptions, RecordOptions {
  readonly index: string;
}

interface BuildOptions extends AddOptions {
  readonly precision: Precision;
  readonly rescore: boolean;
}

interface RemoveOptions extends ModelOptions {
  readonly index: string;
}

const indexOption = (description: string) => new Option("--index <file>", description).makeOptionMandatory();

const buildCommand = withOptions(new Command("build").description("make an index of sentences"), [
  ...modelOptions,
  ...recordOptions,
  indexOption("where to write it"),
  new Option("--precision <precision>", "how vectors are searched; int8 and binary take less memory")
    .choices([...precisions])
    .default("f32"),
  new Option("--no-rescore", "int8 and binary: keep no halves to score the best again with"),
]).action(async (given: BuildOptions) => {
  modelName(given);
  await using open = await openModel(given);
  const signal = interruptSignal();
  const counter = startCounter("sentences");
  const { precision, rescore } = given;
  try {
    await open.simcse.buildIndex(items(given), { precision, rescore, signal, onProgress: counter.update });
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
  indexOption("the index, which is replaced"),
]).action(async (given: AddOptions) => {
  modelName(given);
  await using open = await openModel(given);
  const signal = interruptSignal();
  await open.simcse.loadIndex(given.index);
  const counter = startCounter("sentences");
  try {
    await open.simcse.addToIndex(items(given), { signal, onProgress: counter.update });
  } finally {
    counter.stop();
  }
  await open.simcse.saveIndex(given.index);
});

const removeCommand = withOptions(
  new Command("remove").description("remove sentences from an index by their ids").argument("<ids...>", "ids as search prints them"),
  [...modelOptions, indexOption("the index, which is replaced")],
).action(async (ids: string[], given: RemoveOptions) => {
  await using open = await openModel(given);
  await open.simcse.loadIndex(given.index);
  const { index } = open.simcse;
  // On a command line a running number is a text too.
  const wanted = ids.map((id) => (index.has(id) || !/^\d+$/.test(id) ? id : Number(id)));
  const missing = wanted.filter((id) => !index.has(id));
  if (missing.length > 0)
    throw new OptionError(`The index has no sentence with the id ${missing.join(", ")}.`, "Give ids as `simcse search` prints them.");
  await open.simcse.removeFromIndex(wanted);
  await open.simcse.saveIndex(given.index);
});

async function* items(given: RecordOptions): AsyncGenerator<string | IndexedSentence> {
  for await (const { id, sentence } of readRecords(given)) yield id === undefined ? sentence : { id, sentence };
}

export const indexCommand = new Command("index")
  .description("make an index of sentences to search, and change it")
  .addCommand(buildCommand)
  .addCommand(addCommand)
  .addCommand(removeCommand);
