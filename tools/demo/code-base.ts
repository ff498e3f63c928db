/** Reads a folder of source files and takes from them what the demo searches and learns. */
import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join, relative, resolve, sep } from "node:path";
import { FileError } from "../../src/errors.ts";
import { stream } from "../../src/nn/random.ts";
import type { Entry, Extract } from "./entry.ts";
import { markdownEntries } from "./languages/markdown.ts";
import { pythonEntries } from "./languages/python.ts";
import { typescriptEntries } from "./languages/typescript.ts";

/** Languages by the file's extension. */
const languages: Readonly<Record<string, Extract>> = {
  ".md": markdownEntries,
  ".mdx": markdownEntries,
  ".ts": typescriptEntries,
  ".tsx": typescriptEntries,
  ".mts": typescriptEntries,
  ".js": typescriptEntries,
  ".mjs": typescriptEntries,
  ".jsx": typescriptEntries,
  ".py": pythonEntries,
};

/** The endings of the files that are read. */
export const readExtensions: readonly string[] = Object.keys(languages);

/** Folders of other people's code, of build results, and of code that shows or tests other code; hidden folders are left out too. */
const leftOut = new Set([
  ...["node_modules", "vendor", "venv", "site-packages", "dist", "out", "build", "target", "coverage", "__pycache__"],
  ...["test", "tests", "__tests__", "fixtures", "examples", "bench", "benchmarks"],
]);
const leftOutFile = /(\.d\.ts|\.min\.js|\.(test|spec)\.\w+|^test_.*\.py)$/;

/** Larger files are generated ones. */
const maxBytes = 400_000;

/** A description below this length names nothing, and a content below it shows nothing. */
const shortest = 12;

/** An entry and its file, relative to the folder. */
export interface FoundEntry extends Entry {
  readonly path: string;
}

/** What a folder holds. */
export interface CodeBase {
  /** The folder's absolute path. */
  readonly folder: string;
  readonly files: number;
  /** In the order of the files; no content twice. */
  readonly entries: readonly FoundEntry[];
}

/** Throws FileError for a folder that cannot be read. */
export async function readCodeBase(folder: string): Promise<CodeBase> {
  const root = resolve(folder);
  const found = await stat(root).catch(() => null);
  if (!found?.isDirectory()) throw new FileError(`${folder} is no folder.`, `Give a folder with files of ${readExtensions.join(", ")}.`);
  const contents = new Set<string>();
  const entries: FoundEntry[] = [];
  let files = 0;
  for await (const file of sourceFiles(root)) {
    const path = relative(root, file).split(sep).join("/");
    const source = (await readFile(file, "utf8")).replaceAll("\r\n", "\n");
    files++;
    for (const entry of languages[extname(file)]!(source, path)) {
      if (contents.has(entry.content) || entry.content.length < shortest) continue;
      contents.add(entry.content);
      const said = entry.description !== null && entry.description.length >= shortest ? entry.description : null;
      entries.push({ ...entry, description: said, path });
    }
  }
  return { folder: root, files, entries };
}

/** At most `most` entries, chosen by a hash of what they contain and left in their order, so that a large folder takes no longer. */
export function sampleEntries(entries: readonly FoundEntry[], most: number): readonly FoundEntry[] {
  if (entries.length <= most) return entries;
  const hashes = entries.map(({ content }) => stream(sampleSeed, content)(0));
  const limit = hashes.toSorted((a, b) => a - b)[most]!;
  return entries.filter((_, i) => hashes[i]! < limit);
}

/** The start value of hashes. */
const sampleSeed = 2;

/** The files of known languages below a folder, in the order of their names. */
async function* sourceFiles(folder: string): AsyncGenerator<string> {
  const items = await readdir(folder, { withFileTypes: true });
  for (const item of items.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, item.name);
    if (item.isDirectory() && !item.name.startsWith(".") && !leftOut.has(item.name)) yield* sourceFiles(path);
    else if (item.isFile() && extname(path) in languages && !leftOutFile.test(item.name) && (await stat(path)).size <= maxBytes) yield path;
  }
}
