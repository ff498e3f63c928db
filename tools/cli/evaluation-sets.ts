/** The option --eval_file: your own evaluation sets, from files and folders. */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { Option } from "commander";
import { DataError, OptionError } from "../../src/errors.ts";
import type { ExampleOptions } from "../../src/io/examples.ts";
import { openExampleFile } from "../../src/io/examples-node.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import type { EvaluationSet } from "../../src/simcse/evaluation/sets/evaluation-set.ts";
import { beirSet, evaluationSet, isBeirFolder } from "../../src/simcse/evaluation/sets/read-set.ts";

export interface EvaluationSetFlags {
  readonly eval_file?: readonly string[];
  readonly corpus_file?: string;
}

export const evaluationSetOptions: readonly Option[] = [
  new Option(
    "--eval_file <file...>",
    "evaluate on files of your own: pairs with a score or a 0/1 label, pairs of a query and a relevant text, triplets, texts with a label; or a folder in BEIR's layout",
  ),
  new Option("--corpus_file <file>", "with pairs in --eval_file: additional texts to search"),
];

/**
 * Reads every set that the options name, with the columns given in `reading`. Texts of --corpus_file are searched in each set of pairs. Throws
 * `OptionError` if two sets would have the same name, or if no set is searched.
 */
export async function openEvaluationSets(
  { eval_file = [], corpus_file }: EvaluationSetFlags,
  reading: ExampleOptions,
): Promise<EvaluationSet[]> {
  const corpus = corpus_file === undefined ? [] : await textsOf(corpus_file);
  const sets: EvaluationSet[] = [];
  for (const path of eval_file) {
    const name = nameOf(path);
    if (sets.some((set) => set.name === name)) {
      throw new OptionError(`--eval_file: two of them are called ${name}, and so would their metrics be.`, "Rename one of the files.");
    }
    sets.push(await openSet(path, name, corpus, reading));
  }
  if (corpus_file !== undefined && !sets.some(({ kind }) => kind === "retrieval")) {
    throw new OptionError(
      `--corpus_file ${corpus_file} has texts to search, and no file of --eval_file has queries.`,
      "Leave it out, or give pairs of a query and a relevant text.",
    );
  }
  return sets;
}

async function openSet(path: string, name: string, corpus: readonly string[], reading: ExampleOptions): Promise<EvaluationSet> {
  if ((await stat(path).catch(() => null))?.isDirectory()) {
    const folder = await openFolder(path);
    if (await isBeirFolder(folder)) return beirSet(folder, name);
    throw new OptionError(
      `--eval_file ${path} is a folder without corpus.jsonl.`,
      "Give a file, or a folder in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/test.tsv.",
    );
  }
  const table = await openExampleFile(path, reading);
  return evaluationSet(table, name, table.kind === "pairs" ? corpus : []);
}

/** Throws `DataError` for a table with several texts a row: which of them is searched cannot be known. */
async function textsOf(path: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const example of (await openExampleFile(path)).examples) {
    if (example.texts.length > 1)
      throw new DataError(`--corpus_file ${path} has ${example.texts.length} texts in a row.`, "Give a file with one text a row.");
    texts.push(example.texts[0]!);
  }
  return texts;
}

/** A file's name without its endings, for the names of metrics. */
function nameOf(path: string): string {
  return basename(path).replace(/(\.[a-z]+)(\.gz)?$/i, "");
}
