/** Where `simcse encode` writes: JSON lines or a NumPy matrix, in constant memory, whole or not at all. */
import { once } from "node:events";
import { type FileHandle, open, rm } from "node:fs/promises";
import { extname } from "node:path";
import { OptionError } from "../../src/errors.ts";
import { writeFileAtomically } from "../../src/io/folder-node.ts";
import { fileOperation } from "../../src/io/folders/errno-node.ts";
import { type NpyType, streamNpy } from "../../src/io/formats/npy.ts";
import type { Precision } from "../../src/kernels/search/precision.ts";
import type { Embeddings } from "../../src/simcse/embedding/encoder.ts";
import { rowElements } from "../../src/simcse/embedding/precision.ts";
import type { TextRecord } from "./records.ts";

/** Records and their vectors. */
export interface VectorChunk extends Embeddings<Precision> {
  readonly records: readonly TextRecord[];
}

export type VectorWriter = (chunks: AsyncIterable<VectorChunk>, precision: Precision, dimension: number) => Promise<void>;

/** Throws `OptionError` for a path whose format is not known. */
export function vectorWriter(path: string): VectorWriter {
  if (path === "-") return (chunks, precision) => printLines(jsonLines(chunks, precision));
  const extension = extname(path);
  if (extension === ".jsonl") return (chunks, precision) => writeFileAtomically(path, encodedLines(jsonLines(chunks, precision)));
  if (extension === ".npy") return (chunks, precision, dimension) => writeNpy(path, chunks, precision, dimension);
  throw new OptionError(
    `--output ${path} has a format that is not known.`,
    "Give a file that ends in .npy or .jsonl, or - for standard output.",
  );
}

/** Prints lines as fast as they are read. */
export async function printLines(lines: AsyncIterable<string>): Promise<void> {
  for await (const line of lines) if (!process.stdout.write(line)) await once(process.stdout, "drain");
}

async function* encodedLines(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const line of lines) yield encoder.encode(line);
}

async function* jsonLines(chunks: AsyncIterable<VectorChunk>, precision: Precision): AsyncGenerator<string> {
  for await (const { records, data, scales, dimension } of chunks) {
    const width = rowElements[precision](dimension);
    for (const [row, record] of records.entries()) {
      const embedding = Array.from(data.subarray(row * width, (row + 1) * width));
      yield `${JSON.stringify({ ...record, embedding, ...(scales && { scale: scales[row] }) })}\n`;
    }
  }
}

const npyTypes: Readonly<Record<Precision, NpyType>> = { f32: "<f4", f16: "<f2", int8: "|i1", binary: "|u1" };

/** The header says how many rows there are, which is known at the end: until then the rows are in a file without a name. */
async function writeNpy(path: string, chunks: AsyncIterable<VectorChunk>, precision: Precision, dimension: number): Promise<void> {
  const spool = `${path}.${process.pid}.rows`;
  const handle = await fileOperation("write", path, () => open(spool, "wx+"));
  try {
    await rm(spool).catch(() => {}); // Windows keeps the name of an open file; it is removed below.
    let rows = 0;
    for await (const { data, length } of chunks) {
      await fileOperation("write", path, () => handle.writeFile(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)));
      rows += length;
    }
    const shape = [rows, rowElements[precision](dimension)];
    await writeFileAtomically(path, streamNpy(shape, pieces(handle, path, precision), npyTypes[precision]));
  } finally {
    await handle.close();
    await rm(spool, { force: true });
  }
}

/** Bytes read back at once. */
const pieceBytes = 2 ** 20;

const views = { f32: Float32Array, f16: Uint16Array, int8: Int8Array, binary: Uint8Array } as const;

async function* pieces(handle: FileHandle, path: string, precision: Precision) {
  for (let position = 0; ; ) {
    const bytes = new Uint8Array(pieceBytes);
    const { bytesRead } = await fileOperation("read", path, () => handle.read(bytes, 0, pieceBytes, position));
    if (bytesRead === 0) return;
    position += bytesRead;
    const View = views[precision];
    yield new View(bytes.buffer, 0, bytesRead / View.BYTES_PER_ELEMENT);
  }
}
