/** Tasks by name, and synthetic SentEval files, for the tests of this room. */
import { type Folder, MemoryFolder } from "../../../../src/io/folder.ts";
import { STS_TASKS, type StsTask } from "../../../../src/simcse/evaluation/senteval/sts.ts";
import { TRANSFER_TASKS, type TransferTask } from "../../../../src/simcse/evaluation/senteval/transfer.ts";

export const stsTask = (name: string): StsTask => STS_TASKS.find((task) => task.name === name)!;
export const transferTask = (name: string): TransferTask => TRANSFER_TASKS.find((task) => task.name === name)!;

/** A folder of these paths and their text (UTF-8) or bytes. */
export function memoryFolder(files: Readonly<Record<string, string | Uint8Array>>): Folder {
  return new MemoryFolder("memory", Object.entries(files));
}

/** Files of a whole SemEval task with the same two files for every subset. */
export function semEvalFiles(task: string, sets: readonly string[], input: string, gold: string): Record<string, string> {
  return Object.fromEntries(
    sets.flatMap((set) => [
      [`STS/${task}-en-test/STS.input.${set}.txt`, input],
      [`STS/${task}-en-test/STS.gs.${set}.txt`, gold],
    ]),
  );
}
