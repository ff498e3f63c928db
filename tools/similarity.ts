/** `simcse similarity`: how alike texts are, as cosines: of two texts, of a text and several, or of each row of a file. */
import { basename, dirname, extname, resolve } from "node:path";
import { Command, Option } from "commander";
import { DataError, OptionError } from "../src/errors.ts";
import { openFolder } from "../src/io/folder-node.ts";
import { decodeNpy } from "../src/io/formats/npy.ts";
import type { Embeddings } from "../src/simcse/embedding/encoder.ts";
import { modelName } from "./cli/find-model.ts";
import { type ModelOptions, modelOptions, openModel } from "./cli/open-model.ts";
import { withOptions } from "./cli/options.ts";
import { type RecordOptions, readRecords, textColumnOptions } from "./cli/records.ts";
import { printLines } from "./cli/vector-output.ts";

interface SimilarityOptions extends ModelOptions, Omit<RecordOptions, "input"> {
  readonly queries?: string;
  readonly keys?: string;
}

const options: readonly Option[] = [
  ...modelOptions,
  new Option("--queries <file>", "instead of a text: a file of sentences, or .npy of vectors"),
  new Option("--keys <file>", "what each query is compared with: likewise"),
  ...textColumnOptions,
];

export const similarityCommand = withOptions(
  new Command("similarity")
    .description("cosine similarity of texts: a number a line, or with --queries a JSON array a line")
    .argument("[text]", "a text")
    .argument("[others...]", "what it is compared with"),
  options,
).action(async (text: string | undefined, others: string[], given: SimilarityOptions) => {
  modelName(given);
  const [queries, keys] = [
    await side(text === undefined ? [] : [text], given.queries, "queries", given),
    await side(others, given.keys, "keys", given),
  ];
  await using open = await openModel(given);
  const matrix = await open.simcse.similarity(queries, keys);
  await printLines(text === undefined ? rows(matrix) : numbers(matrix[0]!));
});

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
  if (extname(file) === ".npy") return vectors(file);
  const sentences: string[] = [];
  for await (const { sentence } of readRecords({ ...given, input: file })) sentences.push(sentence);
  return sentences;
}

async function vectors(path: string): Promise<Embeddings> {
  const folder = await openFolder(dirname(resolve(path)));
  const { shape, data } = decodeNpy(await folder.read(basename(path)), path);
  if (shape.length !== 2) throw new DataError(`${path} has ${shape.length} dimensions; vectors have 2: [rows, numbers].`, "Save a matrix.");
  return { length: shape[0]!, dimension: shape[1]!, data };
}

async function* rows(matrix: readonly Float32Array[]): AsyncGenerator<string> {
  for (const row of matrix) yield `${JSON.stringify(Array.from(row))}\n`;
}

async function* numbers(row: Float32Array): AsyncGenerator<string> {
  for (const value of row) yield `${value}\n`;
}
