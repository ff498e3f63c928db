/** `simcse index`: makes an index of sentences, adds to it, removes from it, lists it, exports it. */
import { existsSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { Command, Option } from "commander";
import { DataError, FileError, OptionError } from "../src/errors.ts";
import { diskSource } from "../src/io/examples-node.ts";
import type { Folder } from "../src/io/folder.ts";
import { checkFilePlace, openFolder, removePartialsOf, writeFileAtomically } from "../src/io/folder-node.ts";
import { openTable } from "../src/io/text/table.ts";
import { type Precision, precisions } from "../src/kernels/search/precision.ts";
import type { Embeddings } from "../src/simcse/embedding/embeddings.ts";
import { exportIndex, type IndexFormat, indexFormats } from "../src/simcse/search/export-index.ts";
import { indexedSentences, indexWithout, openStoredIndex } from "../src/simcse/search/index-file.ts";
import { type Filter, metadataMatcher } from "../src/simcse/search/metadata.ts";
import type { SentenceId, SentenceIndex, SentenceToIndex } from "../src/simcse/search/sentence-index.ts";
import { filterOption } from "./cli/filter.ts";
import { type ModelFlags, modelFlags } from "./cli/find-model.ts";
import { interruptSignal } from "./cli/interrupt.ts";
import { type ModelOptions, modelOptions, openModel } from "./cli/open-model.ts";
import { flag, withOptions } from "./cli/options.ts";
import { checkOutputs } from "./cli/output-files.ts";
import { takeLock } from "./cli/process-lock.ts";
import { startCounter } from "./cli/progress.ts";
import { joined } from "./cli/record-vectors.ts";
import { type RecordOptions, readRecords, recordOptions, type TextRecord } from "./cli/records.ts";
import { say } from "./cli/say.ts";
import { companions, isMatrix, readVectors } from "./cli/vector-input.ts";
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

interface RemoveOptions extends ModelFlags {
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

const vectorColumnOption = new Option(
  "--vector_column <name>",
  "column or field of --input with each sentence's vector, in place of encoding",
);

const buildCommand = withOptions(new Command("build").description("build an index of sentences"), [
  ...modelOptions,
  ...recordOptions,
  indexOption("file to write the index to"),
  vectorsOption,
  vectorColumnOption,
  new Option("--precision <precision>", "number format to search in; int8 and binary take less memory")
    .choices([...precisions])
    .default("f32"),
  new Option("--no-rescore", "int8 and binary: keep no f16 vectors to score the best results again"),
]).action(async (given: BuildOptions) => {
  await checkIndexPlace(given);
  await using _ = await lockIndex(given.index);
  await using open = await openModel(given);
  const signal = interruptSignal();
  const counter = startCounter("sentences");
  const { precision, rescore } = given;
  try {
    const { sentences, vectors } = await source(given);
    await open.simcse.buildIndex(sentences, { precision, rescore, signal, onProgress: counter.update, vectors });
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
  vectorColumnOption,
  flag("upsert", "replace sentences whose id is already in the index"),
]).action(async (given: AddOptions) => {
  await checkIndexPlace(given);
  await using _ = await lockIndex(given.index);
  await using open = await openModel(given);
  const signal = interruptSignal();
  await open.simcse.loadIndex(given.index);
  const counter = startCounter("sentences");
  try {
    const { sentences, vectors } = await source(given);
    await open.simcse.addToIndex(withIdsOf(open.simcse.index, sentences), {
      signal,
      onProgress: counter.update,
      upsert: given.upsert,
      vectors,
    });
  } finally {
    counter.stop();
  }
  await open.simcse.saveIndex(given.index);
});

/**
 * Locks an index that is built, or read, changed and written again: what another process writes meanwhile would be lost. What killed ones left
 * of it is removed.
 */
async function lockIndex(path: string): Promise<AsyncDisposable> {
  const lock = join(dirname(resolve(path)), `.${basename(path)}.lock`);
  const held = await takeLock(
    lock,
    (holder) => new FileError(`${path} is being changed: ${holder}.`, `Wait for it; if that process is not simcse, remove ${lock}.`),
  );
  await removePartialsOf(path);
  return held;
}

/** Throws unless the index may be written, and is none of the files that it is made of. */
const checkIndexPlace = ({ index, input, vectors }: SourceOptions) =>
  checkOutputs(
    { "--index": index },
    { "--input": input, "--vectors": vectors, ...(isMatrix(input) && { [`the records of ${input}`]: companions.records(input) }) },
  );

type Sentences = Iterable<SentenceToIndex> | AsyncIterable<SentenceToIndex>;

/** The id by which an index has a sentence. On a command line and in a .csv file every id is a text, in JSON the same id may be a number. */
function idIn(index: Pick<SentenceIndex, "has">, id: SentenceId): SentenceId {
  const other = typeof id === "number" ? String(id) : /^\d+$/.test(id) ? Number(id) : id;
  return !index.has(id) && index.has(other) ? other : id;
}

async function* withIdsOf(index: SentenceIndex, sentences: Sentences): AsyncGenerator<SentenceToIndex> {
  for await (const item of sentences) yield item.id === undefined ? item : { ...item, id: idIn(index, item.id) };
}

/** The model's options, which this command once needed: scripts may still name them. */
const unusedModelFlags = modelFlags.map(({ flags, description }) => new Option(flags, description).hideHelp());

const removeCommand = withOptions(
  new Command("remove")
    .description("remove sentences from an index by their ids; needs no model")
    .argument("<ids...>", "ids as search prints them"),
  [...unusedModelFlags, indexOption("the index file, which is replaced")],
).action(async (words: string[], { index }: RemoveOptions) => {
  await checkFilePlace(index);
  await using _ = await lockIndex(index);
  const folder = await folderOf(index);
  const ids = new Set<SentenceId>();
  for await (const { id } of indexedSentences(folder, basename(index))) ids.add(id);
  const wanted = words.map((id) => idIn(ids, id));
  const missing = wanted.filter((id) => !ids.has(id));
  if (missing.length > 0)
    throw new OptionError(`The index has no sentence with the id ${missing.join(", ")}.`, "Give ids as `simcse search` prints them.");
  await writeFileAtomically(index, await indexWithout(folder, basename(index), new Set(wanted)));
});

const listCommand = withOptions(
  new Command("list").description("print the sentences, ids and metadata of an index as JSON lines; needs no model"),
  [indexOption("the index"), filterOption],
).action(async (given: ListOptions) => {
  const matches = metadataMatcher(given.filter ?? {});
  await printLines(lines(given.index));

  async function* lines(path: string): AsyncGenerator<string> {
    for await (const { id, sentence, metadata } of indexedSentences(await folderOf(path), basename(path)))
      if (given.filter === undefined || matches(metadata)) yield `${JSON.stringify({ id, sentence, metadata })}\n`;
  }
});

interface ExportOptions {
  readonly index: string;
  readonly output: string;
  readonly format?: IndexFormat;
}

/** The endings of each format's files. */
const endings: Readonly<Record<string, IndexFormat>> = { ".parquet": "parquet", ".npy": "npy", ".faiss": "faiss" };

const exportCommand = withOptions(
  new Command("export").description("write the vectors, sentences, ids and metadata of an index for other programs; needs no model"),
  [
    indexOption("the index"),
    new Option(
      "--output <file>",
      "file to write; npy and faiss also get x.records.jsonl, with the sentence of each row",
    ).makeOptionMandatory(),
    new Option("--format <format>", "parquet; npy, for NumPy; or faiss, an IndexFlatIP (default: by the name of --output)").choices(
      indexFormats,
    ),
  ],
).action(async ({ index: path, output, format = endings[extname(output).toLowerCase()] }: ExportOptions) => {
  if (format === undefined)
    throw new OptionError(`--output ${output} has an unknown format.`, "Give --format, or a file that ends in .parquet, .npy or .faiss.");
  const records = format === "parquet" ? {} : { [`the records of ${output},`]: companions.records(output) };
  await checkOutputs({ "--output": output, ...records }, { "--index": path });
  const index = await openStoredIndex(await folderOf(path), basename(path));
  for (const { name, content } of await exportIndex(index, format, basename(output)))
    await writeFileAtomically(join(dirname(output), name), content);
});

const folderOf = (path: string): Promise<Folder> => openFolder(dirname(resolve(path)));

/** The sentences of the input, and their vectors if they are given. */
async function source(options: SourceOptions): Promise<{ sentences: Sentences; vectors?: Embeddings | undefined }> {
  const given = isMatrix(options.input) ? await withRecords(options) : options;
  const { vectors, vector_column } = given;
  if (vector_column === undefined)
    return { sentences: items(given), vectors: vectors === undefined ? undefined : await readVectors(vectors) };
  if (vectors !== undefined) throw new OptionError("--vectors and --vector_column both give vectors.", "Leave out one of them.");
  const sentences: SentenceToIndex[] = [];
  const rows: Float32Array[] = [];
  for await (const { vector, ...item } of items(given)) {
    sentences.push(item);
    rows.push(vector!);
    if (vector!.length !== rows[0]!.length)
      throw new DataError(
        `row ${rows.length} of ${given.input} has a vector of ${vector!.length} numbers, row 1 has ${rows[0]!.length}.`,
        "Give vectors of one model.",
      );
  }
  const dimension = rows[0]?.length ?? 0;
  return { sentences, vectors: { length: rows.length, dimension, data: joined(rows, rows.length * dimension) } };
}

/** For x.npy as the input, x.records.jsonl as the input and x.npy as its vectors. `simcse encode` and `simcse index export` write both. */
async function withRecords(given: SourceOptions): Promise<SourceOptions> {
  const { input } = given;
  const records = companions.records(input);
  if (!existsSync(records))
    throw new OptionError(
      `${input} holds vectors, and an index needs their sentences.`,
      `Give the sentences as --input, and --vectors ${input}.`,
    );
  const fields = new Set(Object.keys(await firstObject(records)));
  return {
    ...given,
    input: records,
    vectors: given.vectors ?? input,
    ...(fields.has("id") && { id_column: given.id_column ?? "id" }),
    // The first sentence may be one without metadata.
    metadata_columns: given.metadata_columns ?? ["metadata"],
  };
}

/** The first row of JSON lines. */
async function firstObject(path: string): Promise<object> {
  for await (const { fields } of (await openTable(await diskSource(path), { format: "jsonl" })).rows) return fields;
  return {};
}

/** The records of the input. Throws `DataError` naming both rows if an id occurs twice; reports the number of empty sentences on standard error. */
async function* items(given: SourceOptions): AsyncGenerator<TextRecord> {
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
    say(
      `warning: ${empty.length} of ${row} sentences are empty (row ${empty.slice(0, 5).join(", ")}${empty.length > 5 ? ", …" : ""}); searches will find them`,
    );
}

export const indexCommand = new Command("index")
  .description("build, change and export an index of sentences to search")
  .addCommand(buildCommand)
  .addCommand(addCommand)
  .addCommand(removeCommand)
  .addCommand(listCommand)
  .addCommand(exportCommand);
