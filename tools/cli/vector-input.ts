/** Reads vectors written by `simcse encode` or NumPy, which commands take in place of texts. */
import { existsSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { DataError } from "../../src/errors.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import { decodeNpy, type NpyArray } from "../../src/io/formats/npy.ts";
import type { Embeddings } from "../../src/simcse/embedding/encoder.ts";

/** Whether a file's name is that of a NumPy matrix. */
export const isMatrix = (path: string): boolean => extname(path).toLowerCase() === ".npy";

/** The file with the scales of an int8 matrix: x.scales.npy beside x.npy. */
export const scalesPath = (path: string): string => `${path.slice(0, -extname(path).length)}.scales.npy`;

/** f32 [rows, numbers] of a .npy file; int8 rows are multiplied by their scales. Throws `FormatError` or `DataError` for anything but a matrix. */
export async function readVectors(path: string): Promise<Embeddings> {
  const { shape, data } = await readNpy(path);
  if (shape.length !== 2) throw new DataError(`${path} has ${shape.length} dimensions; vectors have 2: [rows, numbers].`, "Save a matrix.");
  const [length, dimension] = shape as [number, number];
  // A file without scales may hold whole numbers of any other kind.
  if (!existsSync(scalesPath(path))) return { length, dimension, data };
  const scales = await readNpy(scalesPath(path));
  if (scales.data.length !== length)
    throw new DataError(
      `${scalesPath(path)} has ${scales.data.length} scales for the ${length} rows of ${path}.`,
      "Encode again: the files belong to two matrices.",
    );
  return { length, dimension, data: data.map((value, i) => value * scales.data[Math.floor(i / dimension)]!) };
}

async function readNpy(path: string): Promise<NpyArray> {
  const folder = await openFolder(dirname(resolve(path)));
  return decodeNpy(await folder.read(basename(path)), path);
}
