/** The folder with the STS and transfer tasks of SentEval, which --data_dir names. */
import { stat } from "node:fs/promises";
import { FileError } from "../../src/errors.ts";
import type { Folder } from "../../src/io/folder.ts";
import { openFolder } from "../../src/io/folder-node.ts";

/** Whether there is something at a path. */
export const isThere = async (path: string): Promise<boolean> => (await stat(path).catch(() => null)) !== null;

/** Opens the folder. Throws `FileError` if it is not there, or no folder. Its default is seldom there, and nobody named it. */
export async function openSentEval(path: string): Promise<Folder> {
  if (await isThere(path)) return openFolder(path);
  throw new FileError(
    `the folder ${path}, where the tasks of SentEval are looked for, does not exist`,
    "Get it with `simcse data download senteval` and name it with --data_dir; or evaluate on a file of your own with --eval_file.",
  );
}
