/** Reads vectors written by `simcse encode` or NumPy, which commands take in place of texts. */

import { existsSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { DataError } from "../../src/errors.ts";
import { firstNonFinite } from "../../src/finite.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import { decodeNpy, type NpyArray } from "../../src/io/formats/npy.ts";
import type { Embeddings } from "../../src/simcse/embedding/embeddings.ts";
import { dequantizeInt8 } from "../../src/simcse/embedding/int8-ranges.ts";

/** Whether a file's name is that of a NumPy matrix. */
export const isMatrix = (path: string): boolean => extname(path).toLowerCase() === ".npy";

const beside = (path: string, ending: string) => `${path.slice(0, -extname(path).length)}.${ending}`;

/** What else belongs to the matrix x.npy. */
export const companions = {
  /** x.scales.npy, f32 [rows]: what each row of int8 is multiplied by. */
  scales: (path: string): string => beside(path, "scales.npy"),
  /** x.ranges.npy, f32 [2, numbers]: the least and the greatest value of each number, in static int8. */
  ranges: (path: string): string => beside(path, "ranges.npy"),
  /** x.records.jsonl: the sentence of each row, with its id and metadata. */
  records: (path: string): string => beside(path, "records.jsonl"),
} as const;

/** The files that may be written or removed beside a matrix, by what they are; none for another file. */
export function companionsOf(path: string): Readonly<Record<string, string>> {
  return isMatrix(path)
    ? Object.fromEntries(Object.entries(companions).map(([kind, file]) => [`the ${kind} of ${path},`, file(path)]))
    : {};
}

/**
 * f32 [rows, numbers] of a .npy file; int8 is read with its scales or ranges. Throws `FormatError` or `DataError` for anything but a matrix
 * of finite numbers.
 */
export async function readVectors(path: string): Promise<Embeddings> {
  const vectors = await readMatrix(path);
  const bad = firstNonFinite(vectors.data);
  if (bad === -1) return vectors;
  const row = Math.floor(bad / vectors.dimension);
  throw new DataError(
    `Row ${row} of ${path} is not finite: its number ${bad % vectors.dimension} is ${vectors.data[bad]}.`,
    "Encode its text again, or leave the row out; rows are counted from 0.",
  );
}

async function readMatrix(path: string): Promise<Embeddings> {
  const { shape, data } = await readNpy(path);
  const [length, dimension] = shape;
  if (length === undefined || dimension === undefined || shape.length > 2 || dimension === 0)
    throw new DataError(
      `${path} has the shape [${shape.join(", ")}]; vectors are a matrix [rows, numbers].`,
      "Save a matrix; one vector is one row of it: numpy.save(path, vector[None, :]).",
    );
  const [scalesFile, rangesFile] = [companions.scales(path), companions.ranges(path)];
  if (existsSync(rangesFile)) {
    const { data: ranges } = await readNpy(rangesFile);
    if (ranges.length !== 2 * dimension)
      throw unrelated(`${rangesFile} has ${ranges.length} numbers for the ${dimension} columns of ${path}.`);
    return { length, dimension, data: dequantizeInt8(data, { least: ranges.slice(0, dimension), most: ranges.slice(dimension) }) };
  }
  // A file without scales may hold whole numbers of any other kind.
  if (!existsSync(scalesFile)) return { length, dimension, data };
  const scales = await readNpy(scalesFile);
  if (scales.data.length !== length) throw unrelated(`${scalesFile} has ${scales.data.length} scales for the ${length} rows of ${path}.`);
  return { length, dimension, data: data.map((value, i) => value * scales.data[Math.floor(i / dimension)]!) };
}

const unrelated = (message: string) => new DataError(message, "Encode again: the files belong to two matrices.");

async function readNpy(path: string): Promise<NpyArray> {
  const folder = await openFolder(dirname(resolve(path)));
  return decodeNpy(await folder.read(basename(path)), path);
}
