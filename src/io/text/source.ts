/**
 * Where a text or a table comes from: a file of a folder, or a stream such as standard input. Gzip is recognised by its first bytes and
 * unpacked.
 */
import { DataError } from "../../errors.ts";
import { checkFolder, type Folder, pathIn } from "../folder.ts";
import { mistakenFor } from "../mistaken-file.ts";
import { type OpenStream, orClosed, peeked } from "./peek.ts";

/** Bytes to read a text or a table from. */
export interface ByteSource {
  /** Its name in messages; the extension decides the format. */
  readonly name: string;
  /** The bytes, unpacked if they are gzip. A stream can be read once. */
  bytes(): AsyncIterable<Uint8Array>;
  /** Reads any part, for formats that are not read from front to back. A stream has none. */
  readonly file?: { readonly size: () => Promise<number>; readonly read: (start: number, end: number) => Promise<Uint8Array> };
}

/** Bytes read from a file at once: enough that the cost of a read does not matter. */
const READ_BYTES = 1 << 20;

/** A file of a folder. */
export function fileSource(folder: Folder, file: string): ByteSource {
  checkFolder(folder);
  const name = pathIn(folder, file);
  return {
    name,
    bytes: () => unpacked(filePieces(folder, file), name),
    file: { size: () => folder.size(file), read: (start, end) => folder.read(file, start, end) },
  };
}

/** A stream of bytes, such as `file.stream()` of a file that a visitor chose; `name` is its name in messages. */
export function streamSource(stream: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>, name: string): ByteSource {
  return { name, bytes: () => unpacked(Symbol.asyncIterator in stream ? stream : pulled(stream), name) };
}

/** The pieces of a stream, which cannot be iterated in Safari. */
async function* pulled(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function* filePieces(folder: Folder, file: string): AsyncGenerator<Uint8Array> {
  const size = await folder.size(file);
  for (let start = 0; start < size; start += READ_BYTES) {
    yield await folder.read(file, start, Math.min(start + READ_BYTES, size));
  }
}

/** Some mistaken files are texts themselves, and would be read as sentences. */
function checkNotMistaken(first: Uint8Array, name: string): void {
  const mistaken = mistakenFor(first);
  if (mistaken === undefined) return;
  throw new DataError(
    `${name} is ${mistaken.what}`,
    "Give the text or the table itself: get it with `git lfs pull`, download it again, or unpack the archive.",
  );
}

const isGzip = (bytes: Uint8Array) => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** What reads a packed stream ahead also closes it, without waiting: the piece that it waits for may never come. */
async function* unpacked(pieces: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const { first, all } = await peeked(pieces);
  if (first === undefined) return;
  await orClosed(all, () => checkNotMistaken(first, name));
  yield* isGzip(first) ? onceUnpacked(gunzip(all, name), name) : all;
}

/** Servers and programs that pack what is packed already make files whose content would look like no text. */
async function* onceUnpacked(pieces: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const { first, all } = await peeked(pieces);
  try {
    if (first !== undefined && isGzip(first)) throw new DataError(`${name} is packed with gzip twice.`, "Unpack it once: gunzip.");
    yield* all;
  } finally {
    await all.return();
  }
}

/** An error that does not come from the archive, such as one of the disk, passes through. */
async function* gunzip(packed: OpenStream<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  let failure: { readonly error: unknown } | null = null;
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done, value } = await packed.next();
        if (done) controller.close();
        else controller.enqueue(new Uint8Array(value));
      } catch (error) {
        failure = { error };
        controller.error(error);
      }
    },
    cancel: async () => void (await packed.return()),
  });
  try {
    yield* pulled(source.pipeThrough(new DecompressionStream("gzip")));
  } catch (cause) {
    if (failure !== null) throw (failure as { readonly error: unknown }).error;
    throw new DataError(`${name} is not a whole gzip file: ${(cause as Error).message}`, "It may be cut short: get it again.", { cause });
  }
}
