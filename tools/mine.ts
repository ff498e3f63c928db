/** `simcse data mine`: hard negatives for pairs, found with a model, as a file of triplets to train on. */
import { Command, Option } from "commander";
import { DataError } from "../src/errors.ts";
import { openExampleFile } from "../src/io/examples-node.ts";
import { plural } from "../src/show.ts";
import { collected } from "../src/simcse/embedding/chunks.ts";
import { sideEncoders } from "../src/simcse/evaluation/side-encoders.ts";
import { type MinedTriplet, mineHardNegatives } from "../src/simcse/search/hard-negatives.ts";
import { type ColumnFlags, columnOptions, columnsOf } from "./cli/column-options.ts";
import { exampleWriter } from "./cli/example-file.ts";
import { namedModel } from "./cli/find-model.ts";
import { type ModelOptions, modelOptions, openModel } from "./cli/open-model.ts";
import { numberBetween, wholeNumber, withOptions } from "./cli/options.ts";
import { checkOutputs } from "./cli/output-files.ts";
import { startProgress } from "./cli/progress.ts";
import { say } from "./cli/say.ts";

interface MineOptions extends ModelOptions, ColumnFlags {
  readonly train_file: string;
  readonly output: string;
  readonly corpus_file?: string;
  readonly num_negatives: number;
  readonly skip: number;
  readonly depth: number;
  readonly margin: number;
  readonly max_score: number;
}

const cosine = numberBetween(-2, 2);

const options: readonly Option[] = [
  ...modelOptions,
  new Option("--train_file <file>", "pairs of texts that belong together: .csv, .tsv, .jsonl, .json, .parquet").makeOptionMandatory(),
  ...columnOptions,
  new Option("--output <file>", "file for the triplets: .csv or .jsonl").makeOptionMandatory(),
  new Option("--corpus_file <file>", "texts to choose negatives from, in addition to the second texts of the pairs"),
  new Option("--num_negatives <n>", "negatives for each pair").argParser(wholeNumber(1)).default(1),
  new Option("--skip <n>", "skip this many of the best candidates: they may be correct but unlabelled")
    .argParser(wholeNumber(0))
    .default(0),
  new Option("--depth <n>", "number of candidates to consider after those").argParser(wholeNumber(1)).default(50),
  new Option("--margin <x>", "minimum distance of a negative's cosine below the positive's").argParser(cosine).default(0.05),
  new Option("--max_score <x>", "maximum cosine of a negative").argParser(cosine).default(1),
];

export const mineCommand = withOptions(
  new Command("mine").description("use a model to find hard negatives for pairs, and write triplets for training"),
  options,
).action(async (given: MineOptions) => {
  namedModel(given);
  const write = exampleWriter("--output", given.output, columns);
  await checkOutputs({ "--output": given.output }, { "--train_file": given.train_file, "--corpus_file": given.corpus_file });
  const pairs = await readPairs(given);
  const corpus = given.corpus_file === undefined ? [] : await readTexts(given.corpus_file);
  await using open = await openModel(given);
  const { simcse } = open;
  const distinct = new Set([...pairs.flat(), ...corpus]).size;
  const progress = startProgress(distinct, "encoding");
  let encoded = 0;
  try {
    const { triplets, without } = await mineHardNegatives(pairs, {
      device: open.device,
      ...sideEncoders(simcse.encoder.texts, (prompt) => async (texts) => {
        const before = encoded;
        const onProgress = (done: number) => progress.update(before + done, "");
        encoded += texts.length;
        return (await simcse.encode(texts, { ...prompt, onProgress })).data;
      }),
      corpus,
      negatives: given.num_negatives,
      skip: given.skip,
      depth: given.depth,
      margin: given.margin,
      maxScore: given.max_score,
    });
    progress.stop();
    if (triplets.length === 0) {
      throw new DataError(
        `No negative was found for any of the ${pairs.length} pairs of ${given.train_file}.`,
        "Look deeper (--depth), lower --margin, or give more texts with --corpus_file.",
      );
    }
    await write(triplets.map(textsOf));
    say(`${plural(triplets.length, "triplet")} in ${given.output}${without > 0 ? `; none for ${plural(without, "pair")}` : ""}`);
  } finally {
    progress.stop();
  }
});

async function readPairs(given: MineOptions): Promise<(readonly [string, string])[]> {
  const table = await openExampleFile(given.train_file, columnsOf(given));
  if (table.kind !== "pairs") {
    throw new DataError(
      `${given.train_file} holds ${table.kind}; negatives are found for pairs.`,
      "Give two columns of texts that belong together, or name them: --columns sent0=question,sent1=answer.",
    );
  }
  const pairs: (readonly [string, string])[] = [];
  for await (const { texts } of table.examples) pairs.push([texts[0]!, texts[1]!]);
  return pairs;
}

async function readTexts(path: string): Promise<string[]> {
  return collected((await openExampleFile(path)).texts);
}

/** The original's column names, which `simcse train` reads. */
const columns = ["sent0", "sent1", "hard_neg"] as const;
const textsOf = ({ anchor, positive, negative }: MinedTriplet) => [anchor, positive, negative];
