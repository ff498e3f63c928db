/**
 * A saved index in the formats of other programs. Vectors are f32 and have unit length, so that their inner product is their cosine.
 *
 *     parquet   a row per sentence: id, sentence, metadata (JSON), embedding (a list of numbers)
 *     npy       a matrix for NumPy, and x.records.jsonl beside it with the sentence, id and metadata of each row
 *     faiss     an IndexFlatIP, whose ids are the rows of x.records.jsonl beside it
 */
import { DataError } from "../../errors.ts";
import type { NamedContent } from "../../io/folder.ts";
import { streamFaissFlat } from "../../io/formats/faiss.ts";
import { streamNpy } from "../../io/formats/npy.ts";
import { type ParquetColumns, streamParquet } from "../../io/formats/parquet.ts";
import { encodeUtf8 } from "../../io/text/utf8.ts";
import { checkChoice } from "../../options.ts";
import { toUnitLength } from "../embedding/unit-length.ts";
import type { StoredIndex, StoredPart } from "./index-file.ts";
import type { IndexedSentence } from "./sentence-index.ts";

/** A format of `exportIndex`. */
export type IndexFormat = "parquet" | "npy" | "faiss";

/** How an index becomes each format. */
const formats: Readonly<Record<IndexFormat, (index: StoredIndex, file: string) => Promise<NamedContent[]>>> = {
  parquet: async (index, file) => {
    const columns = await columnsOf(index);
    return [{ name: file, content: streamParquet(columns, groups(index, columns)) }];
  },
  npy: async (index, file) => [
    { name: recordsFile(file), content: records(index) },
    { name: file, content: streamNpy([index.length, index.dimension], vectors(index)) },
  ],
  faiss: async (index, file) => [
    { name: recordsFile(file), content: records(index) },
    { name: file, content: streamFaissFlat(index.length, index.dimension, vectors(index)) },
  ],
};

/** The names of the formats. */
export const indexFormats = Object.keys(formats) as readonly IndexFormat[];

/**
 * The files of an index in a format: `file`, and records beside it where the format has no place for them. Texts are read as they are
 * written. Throws `OptionError` for an unknown format.
 */
export async function exportIndex(index: StoredIndex, format: IndexFormat, file: string): Promise<NamedContent[]> {
  checkChoice("format of an exported index", format, indexFormats);
  return formats[format](index, file);
}

/** x.records.jsonl for x.npy, as `simcse encode` names it. */
const recordsFile = (file: string) => `${file.replace(/\.[^./\\]*$/, "")}.records.jsonl`;

async function* vectors(index: StoredIndex): AsyncGenerator<Float32Array> {
  for await (const part of index.parts()) yield toUnitLength(part.vectors, index.dimension);
}

async function* records(index: StoredIndex): AsyncGenerator<Uint8Array> {
  const line = ({ id, sentence, metadata }: IndexedSentence) => `${JSON.stringify({ sentence, id, metadata })}\n`;
  for await (const { entries } of index.parts()) yield* encodeUtf8(entries.map(line));
}

/** Rows of a row group: few enough to be lists of numbers in memory. */
const groupRows = 8192;

/** Parquet's columns have one type: ids are whole numbers if all are, and else texts. */
async function columnsOf(index: StoredIndex): Promise<ParquetColumns> {
  const ids = { number: 0, string: 0 };
  const texts = new Set<string>();
  for await (const { entries } of index.parts()) {
    for (const { id } of entries) {
      ids[typeof id as keyof typeof ids]++;
      texts.add(String(id));
    }
  }
  if (texts.size < index.length)
    throw new DataError("Two ids of the index are the same text, one of them as a number.", "Export to npy or faiss, which keep both.");
  return { id: ids.string === 0 ? "integer" : "text", sentence: "text", metadata: "json", embedding: "vector" };
}

async function* groups(index: StoredIndex, { id: idType }: ParquetColumns): AsyncGenerator<Record<string, unknown[]>> {
  const { dimension } = index;
  for await (const { entries, vectors } of index.parts()) {
    const unit = toUnitLength(vectors, dimension);
    for (let start = 0; start < entries.length; start += groupRows)
      yield group({ entries: entries.slice(start, start + groupRows), vectors: unit.subarray(start * dimension) }, dimension, idType!);
  }
}

function group({ entries, vectors }: StoredPart, dimension: number, idType: string): Record<string, unknown[]> {
  return {
    id: entries.map(({ id }) => (idType === "integer" ? BigInt(id) : String(id))),
    sentence: entries.map(({ sentence }) => sentence),
    metadata: entries.map(({ metadata }) => metadata),
    embedding: entries.map((_, i) => Array.from(vectors.subarray(i * dimension, (i + 1) * dimension))),
  };
}
