/**
 * Whether the data of SentEval's tasks is complete. An interrupted download or a damaged archive may leave files that read well and lack
 * most of their lines; scores on them look fine and compare with nothing.
 */
import type { Folder } from "../../../io/folder.ts";
import { formatCount } from "../../../show.ts";
import { loadSts, type StsMode, type StsTask, type StsTaskName } from "./sts.ts";
import { loadTransfer, type TransferTask, type TransferTaskName } from "./transfer.ts";

/** Examples of each part of a task. */
type Sizes = Readonly<Record<string, number>>;

/** The sizes in SentEval, on which the published scores were measured (Conneau and Kiela 2018, and its files). */
const publishedSizes: Readonly<Record<StsTaskName | TransferTaskName, Sizes>> = {
  STS12: { test: 3108 },
  STS13: { test: 1500 },
  STS14: { test: 3750 },
  STS15: { test: 3000 },
  STS16: { test: 1186 },
  STSBenchmark: { dev: 1500, test: 1379 },
  SICKRelatedness: { dev: 500, test: 4927 },
  MR: { all: 10662 },
  CR: { all: 3775 },
  SUBJ: { all: 10000 },
  MPQA: { all: 10606 },
  SST2: { train: 67349, dev: 872, test: 1821 },
  TREC: { train: 5452, test: 500 },
  MRPC: { train: 4076, test: 1725 },
};

/** Tasks whose data is read. */
export interface TasksToRead {
  readonly sts?: readonly StsTask[];
  readonly transfer?: readonly TransferTask[];
  readonly mode: StsMode;
}

/**
 * A sentence for each task whose data is there and has another size than SentEval's. Reads the data of all tasks, so that a damaged file is
 * found before the first one is scored.
 *
 * @throws DataError for malformed data.
 */
export async function unusualSizes(folder: Folder, { sts = [], transfer = [], mode }: TasksToRead): Promise<string[]> {
  const notes: string[] = [];
  for (const task of sts) {
    const subsets = await loadSts(folder, task, mode);
    if ("missing" in subsets) continue;
    const pairs = subsets.reduce((sum, { pairs }) => sum + pairs.length, 0);
    notes.push(...notesOn(task.name, { [task.hasDevSet ? mode : "test"]: pairs }));
  }
  for (const task of transfer) {
    const data = await loadTransfer(folder, task);
    if ("missing" in data) continue;
    notes.push(...notesOn(task.name, Object.fromEntries(Object.entries(data).map(([part, { length }]) => [part, length]))));
  }
  return notes;
}

function notesOn(name: StsTaskName | TransferTaskName, sizes: Sizes): string[] {
  const unusual = Object.entries(sizes).filter(([part, size]) => size !== publishedSizes[name][part]);
  return unusual.map(([part, size]) => {
    const what = part === "all" ? "data" : `${part} data`;
    return `${name}: its ${what} has ${formatCount(size)} examples, SentEval's has ${formatCount(publishedSizes[name][part]!)}. Its score does not compare with published ones; if the data should be SentEval's, fetch it again.`;
  });
}
