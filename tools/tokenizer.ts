/** `simcse tokenizer train`: learns a WordPiece vocabulary from text, for a model that is trained from scratch. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { FileError } from "../src/errors.ts";
import { openFolder, writeFileAtomically } from "../src/io/folder-node.ts";
import { fileOperation } from "../src/io/folders/errno-node.ts";
import { learnVocabulary } from "../src/io/tokenizer/vocabulary.ts";
import { wordPieceTokenizer } from "../src/io/tokenizer.ts";
import { cacheFlags } from "./cli/find-model.ts";
import { flag, wholeNumber, withOptions } from "./cli/options.ts";
import { sourcesOf, type TrainingFileOptions, trainingFileOptions, trainingTexts } from "./training/training-files.ts";

interface TokenizerOptions extends TrainingFileOptions {
  readonly output_dir: string;
  readonly vocab_size: number;
  readonly lower_case?: boolean;
  readonly overwrite_output_dir?: boolean;
}

const options: readonly Option[] = [
  ...trainingFileOptions,
  ...cacheFlags,
  new Option("--output_dir <dir>", "folder for tokenizer.json, vocab.txt and the other files").makeOptionMandatory(),
  new Option("--vocab_size <n>", "maximum size of the vocabulary").argParser(wholeNumber(6)).default(30522),
  flag("lower_case", "ignore case and accents (default: true)"),
  flag("overwrite_output_dir", "replace an existing tokenizer"),
];

const train = withOptions(new Command("train").description("learn a WordPiece vocabulary from text"), options).action(runTraining);

export const tokenizerCommand = new Command("tokenizer").description("make a tokenizer").addCommand(train);

async function runTraining(given: TokenizerOptions): Promise<void> {
  const { output_dir, vocab_size, lower_case = true, overwrite_output_dir } = given;
  sourcesOf(given);
  await fileOperation("write", output_dir, () => mkdir(output_dir, { recursive: true }));
  if (!overwrite_output_dir && (await (await openFolder(output_dir)).has("tokenizer.json"))) {
    throw new FileError(`${output_dir} already holds a tokenizer.`, "Choose another folder, or allow it with --overwrite_output_dir.");
  }
  const sentences: string[] = [];
  for await (const text of trainingTexts(given)) sentences.push(text);
  const vocabulary = learnVocabulary(sentences, vocab_size, { lowerCase: lower_case });
  const { files } = wordPieceTokenizer(vocabulary, { lowerCase: lower_case });
  for (const [name, content] of files) await writeFileAtomically(join(output_dir, name), content);
  process.stderr.write(
    `${vocabulary.length.toLocaleString("en-US")} tokens from ${sentences.length.toLocaleString("en-US")} sentences, saved in ${output_dir}\n`,
  );
}
