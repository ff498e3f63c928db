/** The input of commands that compare texts with each other: records with their vectors, encoded with a model or read from a .npy file. */
import { Option } from "commander";
import { DataError } from "../../src/errors.ts";
import type { Device } from "../../src/gpu/device.ts";
import { chunks } from "../../src/simcse/embedding/chunks.ts";
import type { Embeddings } from "../../src/simcse/embedding/embeddings.ts";
import type { SimCSE } from "../../src/simcse/simcse-node.ts";
import { openAdapter } from "../setup/open-adapter.ts";
import { type ModelOptions, modelOptions, openModel } from "./open-model.ts";
import { type RecordOptions, readRecords, recordOptions, type TextRecord } from "./records.ts";
import { isMatrix, readVectors } from "./vector-input.ts";

export interface RecordVectorOptions extends ModelOptions, RecordOptions {
  readonly vectors?: string;
}

/** `--input` may be a .npy file itself; its rows then have no texts. */
export const recordVectorOptions: readonly Option[] = [
  ...modelOptions,
  ...recordOptions,
  new Option("--vectors <file>", ".npy file with the vectors of --input, as written by `simcse encode`, in place of encoding"),
];

/** A record; rows of a .npy file have no sentence. */
export type RowRecord = Partial<TextRecord>;

/** Some records and their vectors, f32 [records, dimension]. */
export interface RecordVectors {
  readonly records: readonly RowRecord[];
  readonly data: Float32Array;
}

/** Records and their vectors in chunks, and the device to compare them on. */
export interface OpenRecordVectors extends AsyncDisposable {
  readonly device: Device;
  readonly dimension: number;
  readonly chunks: AsyncIterable<RecordVectors>;
}

interface Hooks {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number) => void;
}

/** Opens the input with a model, or without one if there are vectors already. Throws `DataError` unless each record has one. */
export async function openRecordVectors(given: RecordVectorOptions, hooks: Hooks): Promise<OpenRecordVectors> {
  const file = isMatrix(given.input) ? given.input : given.vectors;
  if (file === undefined) {
    const open = await openModel(given);
    return {
      device: open.device,
      dimension: open.simcse.dimension,
      chunks: encoded(given, open.simcse, hooks),
      [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
    };
  }
  const vectors = await readVectors(file);
  const device = await openAdapter({ adapter: given.adapter });
  return {
    device,
    dimension: vectors.dimension,
    chunks: file === given.input ? rowsOf(vectors) : withVectors(given, vectors, file),
    [Symbol.asyncDispose]: async () => device.close(),
  };
}

/** All of the records, with their vectors in one matrix. */
export async function allRecordVectors({ dimension, chunks }: OpenRecordVectors): Promise<{ records: RowRecord[]; vectors: Embeddings }> {
  const records: RowRecord[] = [];
  const parts: Float32Array[] = [];
  for await (const chunk of chunks) {
    // Not push(...chunk.records): the rows of a matrix are one chunk, and a call cannot have a million arguments.
    for (const record of chunk.records) records.push(record);
    parts.push(chunk.data);
  }
  return { records, vectors: { length: records.length, dimension, data: joined(parts, records.length * dimension) } };
}

/** Arrays one after another. */
export function joined(parts: readonly Float32Array[], length: number): Float32Array {
  const data = new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return data;
}

async function* encoded(given: RecordOptions, { encoder }: SimCSE, hooks: Hooks): AsyncGenerator<RecordVectors> {
  for await (const { items, data } of encoder.streamItems(readRecords(given), ({ sentence }) => sentence, hooks))
    yield { records: items, data };
}

async function* rowsOf({ length, data }: Embeddings): AsyncGenerator<RecordVectors> {
  yield { records: Array.from({ length }, () => ({})), data };
}

async function* withVectors(given: RecordOptions, { length, dimension, data }: Embeddings, file: string): AsyncGenerator<RecordVectors> {
  let done = 0;
  for await (const records of chunks<TextRecord>(readRecords(given))) {
    const end = done + records.length;
    if (end > length) throw unlike(length, "more", given, file);
    yield { records, data: data.subarray(done * dimension, end * dimension) };
    done = end;
  }
  if (done < length) throw unlike(length, `${done}`, given, file);
}

const unlike = (vectors: number, texts: string, { input }: RecordOptions, file: string) =>
  new DataError(`${file} has ${vectors} vectors, and ${input} has ${texts} texts.`, "Give the vectors of these texts, in their order.");
