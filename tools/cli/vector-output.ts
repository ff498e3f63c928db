/** The output of `simcse encode`: JSON lines or a NumPy matrix, written in constant memory, completely or not at all. */
import { once } from "node:events";
import { type FileHandle, open, rm } from "node:fs/promises";
import { extname } from "node:path";
import { OptionError } from "../../src/errors.ts";
import { writeFileAtomically } from "../../src/io/folder-node.ts";
import { fileOperation } from "../../src/io/folders/errno-node.ts";
import { type NpyElements, type NpyType, streamNpy } from "../../src/io/formats/npy.ts";
import { encodeUtf8 } from "../../src/io/text/utf8.ts";
import type { Precision } from "../../src/kernels/search/precision.ts";
import { printable } from "../../src/show.ts";
import type { Embeddings } from "../../src/simcse/embedding/embeddings.ts";
import type { Int8Ranges } from "../../src/simcse/embedding/int8-ranges.ts";
import { decodeRows, elementsIn, rowElements } from "../../src/simcse/embedding/precision.ts";
import type { TextRecord } from "./records.ts";
import { companions } from "./vector-input.ts";

/** Records and their vectors. */
export interface VectorChunk extends Embeddings<Precision> {
  readonly records: readonly TextRecord[];
}

/** The numbers of vectors that are written. */
export interface VectorForm {
  readonly precision: Precision;
  readonly dimension: number;
  /** Static int8: what the bytes stand for. Absent if rows of int8 have scales. */
  readonly ranges?: Int8Ranges | undefined;
}

export type VectorWriter = (chunks: AsyncIterable<VectorChunk>, form: VectorForm) => Promise<void>;

/**
 * A writer to a path. Beside a matrix x.npy it writes x.scales.npy, the scales of int8 rows, or x.ranges.npy; and, if there are ids or metadata,
 * x.records.jsonl with one line per row. Throws `OptionError` for a path of unknown format.
 */
export function vectorWriter(path: string): VectorWriter {
  if (path === "-") return (chunks, { precision }) => printLines(vectorLines(chunks, precision));
  const extension = extname(path).toLowerCase();
  if (extension === ".jsonl") return (chunks, { precision }) => writeFileAtomically(path, encodeUtf8(vectorLines(chunks, precision)));
  if (extension === ".npy") return (chunks, form) => writeNpy(path, chunks, form);
  throw new OptionError(`--output ${path} has an unknown format.`, "Give a file that ends in .npy or .jsonl, or - for standard output.");
}

/** Prints lines as fast as they are read; on a terminal, control characters are escaped, which JSON allows for any character. */
export async function printLines(lines: AsyncIterable<string>): Promise<void> {
  const shown = process.stdout.isTTY ? printable : (line: string) => line;
  for await (const line of lines) if (!process.stdout.write(shown(line))) await once(process.stdout, "drain");
}

/** Objects as JSON, each on a line. */
export function* jsonLines(items: Iterable<object>): Generator<string> {
  for (const item of items) yield `${JSON.stringify(item)}\n`;
}

async function* vectorLines(chunks: AsyncIterable<VectorChunk>, precision: Precision): AsyncGenerator<string> {
  for await (const { records, data, scales, dimension } of chunks) {
    const width = rowElements[precision](dimension);
    for (const [row, record] of records.entries()) {
      const stored = data.subarray(row * width, (row + 1) * width);
      // f16 values as numbers, not as bits.
      const embedding = Array.from(precision === "f16" ? decodeRows("f16", { data: stored }, dimension) : stored);
      yield `${JSON.stringify({ ...record, embedding, scale: scales?.[row] })}\n`;
    }
  }
}

const npyTypes: Readonly<Record<Precision, NpyType>> = { f32: "<f4", f16: "<f2", int8: "|i1", binary: "|u1" };

/**
 * The header states the number of rows, which is known only at the end. Until then rows, scales and records are in unnamed files. What an earlier
 * matrix of this name had beside it and this one has not is removed: it would be taken for this one's.
 */
async function writeNpy(path: string, chunks: AsyncIterable<VectorChunk>, { precision, dimension, ranges }: VectorForm): Promise<void> {
  const [rows, scaleRows, records] = [new Spool(`${path}.rows`), new Spool(`${path}.scales`), new Spool(`${path}.records`)];
  try {
    let length = 0;
    let hasRecords = false;
    for await (const chunk of chunks) {
      await rows.write(chunk.data);
      if (chunk.scales) await scaleRows.write(chunk.scales);
      hasRecords ||= chunk.records.some(({ id, metadata }) => id !== undefined || metadata !== undefined);
      if (hasRecords) for await (const piece of encodeUtf8(jsonLines(chunk.records))) await records.write(piece);
      length += chunk.length;
    }
    const isScaled = precision === "int8" && ranges === undefined;
    const beside = [
      { file: companions.records(path), content: hasRecords && records.pieces((bytes) => bytes) },
      { file: companions.scales(path), content: isScaled && streamNpy([length], scaleRows.pieces(elementsIn.f32), npyTypes.f32) },
      {
        file: companions.ranges(path),
        content: ranges !== undefined && streamNpy([2, dimension], [ranges.least, ranges.most], npyTypes.f32),
      },
    ];
    for (const { file, content } of beside) await (content ? writeFileAtomically(file, content) : rm(file, { force: true }));
    const shape = [length, rowElements[precision](dimension)];
    await writeFileAtomically(path, streamNpy(shape, rows.pieces<NpyElements>(elementsIn[precision]), npyTypes[precision]));
  } finally {
    for (const spool of [rows, scaleRows, records]) await spool.close();
  }
}

/** Bytes read back at once. */
const pieceBytes = 2 ** 20;

/** Bytes on disk, in an unlinked file that disappears with the process. Opened by the first write. */
class Spool {
  readonly #path: string;
  #handle: FileHandle | null = null;

  constructor(path: string) {
    this.#path = `${path}.${process.pid}.spool`;
  }

  async write({ buffer, byteOffset, byteLength }: ArrayBufferView): Promise<void> {
    this.#handle ??= await this.#open();
    const handle = this.#handle;
    await fileOperation("write", this.#path, () => handle.writeFile(new Uint8Array(buffer, byteOffset, byteLength)));
  }

  /** The written bytes, in pieces of whole elements. */
  async *pieces<T>(view: (bytes: Uint8Array<ArrayBuffer>) => T): AsyncGenerator<T> {
    const handle = this.#handle;
    for (let position = 0; handle !== null; ) {
      const bytes = new Uint8Array(pieceBytes);
      const { bytesRead } = await fileOperation("read", this.#path, () => handle.read(bytes, 0, pieceBytes, position));
      if (bytesRead === 0) return;
      position += bytesRead;
      yield view(bytes.subarray(0, bytesRead));
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    await rm(this.#path, { force: true });
  }

  async #open(): Promise<FileHandle> {
    const handle = await fileOperation("write", this.#path, () => open(this.#path, "wx+"));
    await rm(this.#path).catch(() => {}); // Windows keeps the name of an open file; `close` removes it.
    return handle;
  }
}
