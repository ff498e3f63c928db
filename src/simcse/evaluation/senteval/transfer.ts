/**
 * The seven transfer tasks of SentEval as a table (which files, which format, which split) and their loading from a SentEval data folder.
 *
 * It reads and parses; training classifiers on what it returns is `evaluate-transfer.ts`.
 */
import type { Folder } from "../../../io/folder.ts";
import { type Missing, readSources } from "./senteval-folder.ts";
import type { TextLines } from "./text-lines.ts";
import { type LabelledExample, parseLabelColumn, parseLines, parseParaphrases, parseQuestions } from "./transfer-files.ts";

/** The transfer tasks, by SentEval's names. */
export type TransferTaskName = "MR" | "CR" | "SUBJ" | "MPQA" | "SST2" | "TREC" | "MRPC";

/** Which examples a split has. Tasks without `train` are cross-validated as a whole. */
export type TransferSplit = "all" | "train" | "dev" | "test";

/** A transfer task of SentEval: its classes, and the files of its splits. */
export interface TransferTask {
  readonly name: TransferTaskName;
  readonly classes: number;
  /** The files of each split, relative to the folder that contains `MR/` and the others, and how each becomes examples. */
  readonly sources: readonly {
    readonly split: TransferSplit;
    readonly file: string;
    readonly parse: (text: TextLines) => LabelledExample[];
  }[];
}

/** A task's examples by split, in file order. */
export type TransferData = Readonly<Partial<Record<TransferSplit, readonly LabelledExample[]>>>;

/** TREC's coarse classes in SentEval's order. */
const QUESTION_CLASSES = ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"];

/** All transfer tasks in the order of the published tables. */
export const TRANSFER_TASKS: readonly TransferTask[] = [
  binaryTask("MR", "MR/rt-polarity.pos", "MR/rt-polarity.neg"),
  binaryTask("CR", "CR/custrev.pos", "CR/custrev.neg"),
  binaryTask("SUBJ", "SUBJ/subj.objective", "SUBJ/subj.subjective"),
  binaryTask("MPQA", "MPQA/mpqa.pos", "MPQA/mpqa.neg"),
  {
    name: "SST2",
    classes: 2,
    sources: (["train", "dev", "test"] as const).map((split) => ({
      split,
      file: `SST/binary/sentiment-${split}`,
      parse: (text) => parseLabelColumn(text, 2),
    })),
  },
  {
    name: "TREC",
    classes: QUESTION_CLASSES.length,
    sources: [
      { split: "train", file: "TREC/train_5500.label", parse: (text) => parseQuestions(text, QUESTION_CLASSES) },
      { split: "test", file: "TREC/TREC_10.label", parse: (text) => parseQuestions(text, QUESTION_CLASSES) },
    ],
  },
  {
    name: "MRPC",
    classes: 2,
    sources: [
      { split: "train", file: "MRPC/msr_paraphrase_train.txt", parse: parseParaphrases },
      { split: "test", file: "MRPC/msr_paraphrase_test.txt", parse: parseParaphrases },
    ],
  },
];

/**
 * Reads a task's examples from `folder`, laid out as for `loadSts`. Returns `missing` with the path of the first missing file.
 * @throws DataError for a malformed line, naming file and line.
 */
export async function loadTransfer(folder: Folder, task: TransferTask): Promise<TransferData | Missing> {
  const texts = await readSources(
    folder,
    task.sources.map(({ file }) => file),
  );
  if ("missing" in texts) return texts;
  const data: Partial<Record<TransferSplit, LabelledExample[]>> = {};
  for (const { split, file, parse } of task.sources) data[split] = [...(data[split] ?? []), ...parse(texts.get(file)!)];
  return data;
}

/** One file of each class: the first is class 1. */
function binaryTask(name: TransferTaskName, one: string, zero: string): TransferTask {
  const source = (file: string, label: number) => ({ split: "all" as const, file, parse: (text: TextLines) => parseLines(text, label) });
  return { name, classes: 2, sources: [source(one, 1), source(zero, 0)] };
}
