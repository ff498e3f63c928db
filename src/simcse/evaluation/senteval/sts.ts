/**
 * The seven STS tasks as a table (which subsets, which files, which format) and their loading from a SentEval data folder.
 *
 * It reads and parses; scoring a model on what it returns is `evaluate-sts.ts`.
 */
import type { Folder } from "../../../io/folder.ts";
import { type Missing, readSources } from "./senteval-folder.ts";
import { type PairColumns, parseInputAndGold, parsePairColumns, type StsPair } from "./sts-files.ts";
import type { TextLines } from "./text-lines.ts";

/** Which split is scored: the test sets of the published results, or the dev sets for tuning a run. */
export type StsMode = (typeof stsModes)[number];

export const stsModes = ["test", "dev"] as const;

/** The tasks of semantic textual similarity, by SentEval's names. */
export type StsTaskName = "STS12" | "STS13" | "STS14" | "STS15" | "STS16" | "STSBenchmark" | "SICKRelatedness";

/** One subset of a task: its files (relative to the folder that contains `STS/` and `SICK/`) and how they become pairs. */
export interface StsSource {
  readonly name: string;
  readonly files: readonly string[];
  readonly parse: (texts: readonly TextLines[]) => StsPair[];
}

/** A task and the subsets that each mode scores. STS12–16 have no dev set, so dev mode scores their test data too, like the original. */
export interface StsTask {
  readonly name: StsTaskName;
  readonly hasDevSet: boolean;
  readonly subsets: Readonly<Record<StsMode, readonly StsSource[]>>;
}

/** The pairs of one subset, in file order. */
export interface StsSubset {
  readonly name: string;
  readonly pairs: readonly StsPair[];
}

const STSB_COLUMNS: PairColumns = { a: 5, b: 6, score: 4, headerLines: 0 };
const SICK_COLUMNS: PairColumns = { a: 1, b: 2, score: 3, headerLines: 1 };

/** All STS tasks in the order of the published tables. STS13 is without SMT, which SentEval may not distribute. */
export const STS_TASKS: readonly StsTask[] = [
  semEvalTask("STS12", ["MSRpar", "MSRvid", "SMTeuroparl", "surprise.OnWN", "surprise.SMTnews"]),
  semEvalTask("STS13", ["FNWN", "headlines", "OnWN"]),
  semEvalTask("STS14", ["deft-forum", "deft-news", "headlines", "images", "OnWN", "tweet-news"]),
  semEvalTask("STS15", ["answers-forums", "answers-students", "belief", "headlines", "images"]),
  semEvalTask("STS16", ["answer-answer", "headlines", "plagiarism", "postediting", "question-question"]),
  splitTask("STSBenchmark", STSB_COLUMNS, { dev: "STS/STSBenchmark/sts-dev.csv", test: "STS/STSBenchmark/sts-test.csv" }),
  splitTask("SICKRelatedness", SICK_COLUMNS, { dev: "SICK/SICK_trial.txt", test: "SICK/SICK_test_annotated.txt" }),
];

/**
 * Reads the subsets of a task from `folder`, which holds `STS/` and `SICK/`, or whose `downstream/` or `data/downstream/` holds them.
 *
 * Returns the subsets with their pairs, or `missing` with the path of the first missing file of any subset: a task is scored completely or
 * not at all, because the score of a part cannot be compared.
 * @throws DataError for a malformed line, naming file and line.
 */
export async function loadSts(folder: Folder, task: StsTask, mode: StsMode): Promise<StsSubset[] | Missing> {
  const sources = task.subsets[mode];
  const texts = await readSources(
    folder,
    sources.flatMap(({ files }) => files),
  );
  if ("missing" in texts) return texts;
  return sources.map(({ name, files, parse }) => ({ name, pairs: parse(files.map((file) => texts.get(file)!)) }));
}

function semEvalTask(name: StsTaskName, sets: readonly string[]): StsTask {
  const folder = `STS/${name}-en-test`;
  const sources = sets.map(
    (set): StsSource => ({
      name: set,
      files: [`${folder}/STS.input.${set}.txt`, `${folder}/STS.gs.${set}.txt`],
      parse: ([input, gold]) => parseInputAndGold(input!, gold!),
    }),
  );
  return { name, hasDevSet: false, subsets: { test: sources, dev: sources } };
}

function splitTask(name: StsTaskName, columns: PairColumns, files: Readonly<Record<StsMode, string>>): StsTask {
  const source = (mode: StsMode): StsSource => ({
    name: mode,
    files: [files[mode]],
    parse: ([text]) => parsePairColumns(text!, columns),
  });
  return { name, hasDevSet: true, subsets: { test: [source("test")], dev: [source("dev")] } };
}
