/** Where the files of a task are in the user's folder. */
import { type Folder, pathIn } from "../../../io/folder.ts";
import { type TextLines, textLines } from "./text-lines.ts";

/** A task that cannot be scored, with the first missing file. */
export interface Missing {
  readonly missing: string;
}

/** Where SentEval's data may be below the user's folder: `STS/` directly, or in SentEval's or its `data` folder. */
const ROOTS = ["", "downstream/", "data/downstream/"];

/** The lines of each of `files` by name, or the first missing file. An incomplete task is not read at all. */
export async function readSources(folder: Folder, files: readonly string[]): Promise<ReadonlyMap<string, TextLines> | Missing> {
  const paths: string[] = [];
  for (const file of files) {
    const path = await locate(folder, file);
    if (path === null) return { missing: pathIn(folder, file) };
    paths.push(path);
  }
  const texts = new Map<string, TextLines>();
  for (const [i, path] of paths.entries()) texts.set(files[i]!, textLines(pathIn(folder, path), await folder.read(path)));
  return texts;
}

async function locate(folder: Folder, file: string): Promise<string | null> {
  for (const root of ROOTS) if (await folder.has(root + file)) return root + file;
  return null;
}
