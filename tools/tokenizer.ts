/**
 * `simcse tokenizer train` learns a WordPiece vocabulary from text, for a model that is trained from scratch. `simcse tokenizer prune` keeps
 * the tokens of an existing vocabulary that a text uses most, and the rows of the model's word embedding that belong to them.
 */
import { join } from "node:path";
import { Command, Option } from "commander";
import { FileError } from "../src/errors.ts";
import type { NamedContent } from "../src/io/folder.ts";
import { openFolder, writeFileAtomically, writeFolderAtomically } from "../src/io/folder-node.ts";
import { fileOperation } from "../src/io/folders/errno-node.ts";
import { makeFolder } from "../src/io/folders/make-folder-node.ts";
import { countTokens, type PrunedTokenizer, pruneTokenizer } from "../src/io/tokenizer/prune.ts";
import { VocabularyLearner } from "../src/io/tokenizer/vocabulary.ts";
import { loadTokenizer, wordPieceTokenizer } from "../src/io/tokenizer.ts";
import { openWeights } from "../src/io/weights.ts";
import { formatCount } from "../src/show.ts";
import { findTransformer } from "../src/simcse/checkpoint/sentence-transformers.ts";
import { studentFiles } from "../src/simcse/checkpoint/student.ts";
import { cacheFlags, findModel, type ModelFlags, modelFlags, modelName } from "./cli/find-model.ts";
import { flag, wholeNumber, withOptions } from "./cli/options.ts";
import { say } from "./cli/say.ts";
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

interface PruneOptions extends TrainingFileOptions, ModelFlags {
  readonly output_dir: string;
  readonly vocab_size: number;
  readonly drop_unused_characters?: boolean;
  readonly overwrite_output_dir?: boolean;
}

const pruneOptions: readonly Option[] = [
  ...modelFlags,
  ...trainingFileOptions,
  new Option(
    "--output_dir <dir>",
    "folder for the smaller model, or for the tokenizer if the model folder has no weights",
  ).makeOptionMandatory(),
  new Option("--vocab_size <n>", "number of tokens to keep").argParser(wholeNumber(6)).makeOptionMandatory(),
  flag("drop_unused_characters", "also give up single characters that the texts do not use; a word with one becomes the unknown token"),
  flag("overwrite_output_dir", "replace an output folder that is not empty"),
];

const prune = withOptions(
  new Command("prune").description("keep the tokens that a text uses most, and their rows of the model's word embedding"),
  pruneOptions,
).action(runPruning);

export const tokenizerCommand = new Command("tokenizer").description("make a tokenizer").addCommand(train).addCommand(prune);

async function runTraining(given: TokenizerOptions): Promise<void> {
  const { output_dir, vocab_size, lower_case = true, overwrite_output_dir } = given;
  sourcesOf(given);
  await fileOperation("write", output_dir, () => makeFolder(output_dir));
  if (!overwrite_output_dir && (await (await openFolder(output_dir)).has("tokenizer.json"))) {
    throw new FileError(`${output_dir} already holds a tokenizer.`, "Choose another folder, or allow it with --overwrite_output_dir.");
  }
  const learner = new VocabularyLearner(vocab_size, lower_case);
  let sentences = 0;
  for await (const text of trainingTexts(given)) {
    learner.add(text);
    sentences++;
  }
  const vocabulary = learner.vocabulary();
  const { files } = wordPieceTokenizer(vocabulary, { lowerCase: lower_case });
  for (const [name, content] of files) await writeFileAtomically(join(output_dir, name), content);
  say(`${formatCount(vocabulary.length)} tokens from ${formatCount(sentences)} sentences, saved in ${output_dir}`);
}

async function runPruning(given: PruneOptions): Promise<void> {
  sourcesOf(given);
  const model = await findModel(modelName(given), given);
  const folder = (await findTransformer(model)) ?? model;
  const tokenizer = await loadTokenizer(folder);
  const counts = await countTokens(tokenizer, trainingTexts(given));
  const pruned = await pruneTokenizer(tokenizer, counts, given.vocab_size, { dropUnusedCharacters: given.drop_unused_characters });
  const hasWeights = (await openWeights(folder)) !== null;
  const files = hasWeights ? await studentFiles(model, { tokenizer: pruned }) : tokenizerFiles(pruned);
  await writeFolderAtomically(given.output_dir, files, { overwrite: given.overwrite_output_dir === true });
  say(
    `${formatCount(pruned.oldIds.length)} of ${formatCount(tokenizer.vocabSize)} tokens, ${covered(counts, pruned)}, saved in ${given.output_dir}`,
  );
}

function tokenizerFiles({ tokenizer }: PrunedTokenizer): NamedContent[] {
  return Array.from(tokenizer.files, ([name, content]) => ({ name, content }));
}

/** How much of the counted text consists of tokens that are kept. */
function covered(counts: Float64Array, { oldIds }: PrunedTokenizer): string {
  const all = counts.reduce((sum, count) => sum + count, 0);
  const kept = oldIds.reduce((sum, id) => sum + counts[id]!, 0);
  return `${((100 * kept) / all).toFixed(1)}% of the text's ${formatCount(all)}`;
}
