/** Training examples from files on disk. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { DataError, FileError, OptionError } from "../errors.ts";
import { type ExampleOptions, type ExampleTable, openExamples } from "./examples.ts";
import { openFolder } from "./folder-node.ts";
import { type ByteSource, fileSource, streamSource } from "./text/source.ts";

/**
 * A file on disk as a source, or a pipe, such as a shell's `<(command)`; messages show the given path. Throws OptionError for an address, and
 * FileError for a folder.
 */
export async function diskSource(path: string): Promise<ByteSource> {
  const found = await stat(path).catch(() => null);
  if (found === null && /^[a-z][a-z0-9+.-]+:\/\//i.test(path))
    throw new OptionError(`${path} is an address, and files are read from the disk.`, "Download the file, and give its path.");
  if (found?.isDirectory()) throw new FileError(`${path} is a folder`, "Give the path of a file.");
  if (found?.isFIFO() || found?.isCharacterDevice()) return streamSource(createReadStream(path), path);
  return { ...fileSource(await openFolder(dirname(resolve(path))), basename(path)), name: path };
}

/** Opens a file of examples, like `openExamples` of examples.ts. */
export async function openExampleFile(path: string, options?: ExampleOptions): Promise<ExampleTable> {
  return openExamples(await diskSource(path), options);
}

/**
 * The texts of a training file's examples, in order: one (a sentence), two (a pair) or three (a pair and a hard negative) each. Throws like
 * `openExamples`, and DataError for a file of scored or labelled examples.
 */
export async function* readExamples(path: string, options?: ExampleOptions): AsyncGenerator<readonly string[]> {
  const { kind, examples } = await openExampleFile(path, options);
  if (kind !== "sentences" && kind !== "pairs" && kind !== "triplets") {
    throw new DataError(
      `${path} holds ${kind}, which are more than texts.`,
      "Read it with openExampleFile, or say with the option columns which texts to take.",
    );
  }
  for await (const { texts } of examples) yield texts;
}
