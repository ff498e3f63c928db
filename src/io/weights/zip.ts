/**
 * The directory of a zip archive whose members are stored uncompressed, as torch writes them: where each member's bytes are in the file.
 *
 * Compressed and encrypted members are refused when they are requested, so no member is larger than the archive. The members' checksums are
 * not compared: tensors are read piece by piece in any order, and computing CRC-32 in JavaScript, as Node 20 and browsers would have to,
 * would take a large share of the loading time. safetensors has no checksums either; the hub's checksums cover whole files and are compared
 * after a download. ZIP64 is supported. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import { FormatError } from "../../errors.ts";
import { quoted } from "../../show.ts";
import { type Folder, pathIn } from "../folder.ts";

/** A range of bytes in a file: from `start` up to `end` exclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

interface Member {
  readonly flags: number;
  readonly method: number;
  readonly size: number;
  readonly headerStart: number;
}

const SIGNATURE = { local: 0x04034b50, directory: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50 } as const;
const SIZE = { local: 30, directory: 46, end: 22, end64: 56, locator64: 20 } as const;
const MAX_COMMENT_BYTES = 0xffff;
/** A directory takes some 100 bytes per member; the largest checkpoints have thousands of members. */
const MAX_DIRECTORY_BYTES = 64 * 2 ** 20;
const ZIP64_FIELD = 0x0001;
const IN_ZIP64 = 0xffffffff;

export const GET_AGAIN = "Get the file again: it is damaged or was not downloaded to the end.";

/**
 * Reads the directory. Throws FormatError, naming the file, when it is not a zip archive, is truncated, or has an inconsistent directory.
 */
export async function openZip(folder: Folder, file: string): Promise<ZipArchive> {
  const path = pathIn(folder, file);
  const size = await folder.size(file);
  const { count, start, end } = await findDirectory(folder, file, path, size);
  const bytes = await folder.read(file, start, end);
  return new ZipArchive(folder, file, start, parseDirectory(path, bytes, count));
}

export class ZipArchive {
  readonly path: string;
  readonly #folder: Folder;
  readonly #file: string;
  readonly #directoryStart: number;
  readonly #members: ReadonlyMap<string, Member>;

  constructor(folder: Folder, file: string, directoryStart: number, members: ReadonlyMap<string, Member>) {
    this.path = pathIn(folder, file);
    this.#folder = folder;
    this.#file = file;
    this.#directoryStart = directoryStart;
    this.#members = members;
  }

  /** The members' names, in the order of the directory. */
  get names(): string[] {
    return [...this.#members.keys()];
  }

  /** Where a member's bytes are. Throws FormatError when there is no such member, or it is not stored uncompressed inside the file. */
  async locate(name: string): Promise<ByteRange> {
    const fault = (what: string, remedy = GET_AGAIN) => new FormatError(`${this.path}: its member ${quoted(name)} ${what}`, remedy);
    const member = this.#members.get(name);
    if (member === undefined) throw fault("is missing");
    const { flags, method, size, headerStart } = member;
    if ((flags & 1) !== 0) throw fault("is encrypted", "Save the model again, without encryption.");
    if (method !== 0)
      throw fault("is compressed, and torch stores weights as they are", "Unpack the archive, and pack it again with `zip -0`.");
    const headerEnd = headerStart + SIZE.local;
    if (headerEnd > this.#directoryStart) throw fault("begins outside the file");
    const header = viewOf(await this.#folder.read(this.#file, headerStart, headerEnd));
    if (header.getUint32(0, true) !== SIGNATURE.local) throw fault("is not where the directory says");
    const start = headerEnd + header.getUint16(26, true) + header.getUint16(28, true);
    if (start + size > this.#directoryStart) throw fault(`of ${size} bytes ends outside the file`);
    return { start, end: start + size };
  }
}

/** The record at the end of the file that says where the directory is. It is searched backwards, because a comment may follow it. */
async function findDirectory(folder: Folder, file: string, path: string, size: number): Promise<ByteRange & { count: number }> {
  const tailStart = Math.max(0, size - SIZE.end - MAX_COMMENT_BYTES - SIZE.locator64);
  const tail = viewOf(await folder.read(file, tailStart));
  for (let at = tail.byteLength - SIZE.end; at >= 0; at--) {
    if (tail.getUint32(at, true) !== SIGNATURE.end || at + SIZE.end + tail.getUint16(at + 20, true) !== tail.byteLength) continue;
    const locator = at - SIZE.locator64;
    const isZip64 = locator >= 0 && tail.getUint32(locator, true) === SIGNATURE.locator64;
    const endStart = isZip64 ? countOf(path, tail, locator + 8) : tailStart + at;
    const directory = isZip64
      ? await zip64End(folder, file, path, endStart, tailStart + locator)
      : { count: tail.getUint16(at + 10, true), bytes: tail.getUint32(at + 12, true), start: tail.getUint32(at + 16, true) };
    const end = directory.start + directory.bytes;
    if (end > endStart) throw new FormatError(`${path}: its directory lies outside the file`, GET_AGAIN);
    if (directory.bytes > MAX_DIRECTORY_BYTES) {
      throw new FormatError(`${path}: its directory takes ${directory.bytes} bytes, at most ${MAX_DIRECTORY_BYTES} are read`, GET_AGAIN);
    }
    return { count: directory.count, start: directory.start, end };
  }
  throw new FormatError(`${path} is cut short: the directory at the end of a zip archive is missing`, GET_AGAIN);
}

async function zip64End(folder: Folder, file: string, path: string, start: number, limit: number) {
  const fault = new FormatError(`${path}: its ZIP64 directory is not where the end of the file says`, GET_AGAIN);
  if (start + SIZE.end64 > limit) throw fault;
  const view = viewOf(await folder.read(file, start, start + SIZE.end64));
  if (view.getUint32(0, true) !== SIGNATURE.end64) throw fault;
  return { count: countOf(path, view, 32), bytes: countOf(path, view, 40), start: countOf(path, view, 48) };
}

function parseDirectory(path: string, bytes: Uint8Array, count: number): Map<string, Member> {
  const fault = (what: string) => new FormatError(`${path}: its directory ${what}`, GET_AGAIN);
  const view = viewOf(bytes);
  const members = new Map<string, Member>();
  let at = 0;
  while (at < bytes.length) {
    if (at + SIZE.directory > bytes.length || view.getUint32(at, true) !== SIGNATURE.directory) throw fault("is damaged");
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [number, number, number];
    const nameEnd = at + SIZE.directory + nameBytes;
    const extraEnd = nameEnd + extraBytes;
    if (extraEnd + commentBytes > bytes.length) throw fault("is damaged");
    const name = new TextDecoder().decode(bytes.subarray(at + SIZE.directory, nameEnd));
    if (members.has(name)) throw fault(`names ${quoted(name)} twice`);
    const sizes = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
    const [size, , headerStart] = withZip64(path, sizes, new DataView(bytes.buffer, bytes.byteOffset + nameEnd, extraBytes));
    members.set(name, {
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      size: size!,
      headerStart: headerStart!,
    });
    at = extraEnd + commentBytes;
  }
  if (members.size !== count) throw fault(`has ${members.size} members where ${count} are announced`);
  return members;
}

/** Sizes and offset of a member. Those that do not fit 32 bits are, in order, in the extra field of ZIP64. */
function withZip64(path: string, sizes: readonly number[], extra: DataView): number[] {
  if (!sizes.includes(IN_ZIP64)) return [...sizes];
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const end = at + 4 + extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) === ZIP64_FIELD && end <= extra.byteLength) {
      let field = at + 4;
      return sizes.map((size) => {
        if (size !== IN_ZIP64) return size;
        if (field + 8 > end) throw new FormatError(`${path}: its directory lacks a ZIP64 size`, GET_AGAIN);
        field += 8;
        return countOf(path, extra, field - 8);
      });
    }
    at = end;
  }
  throw new FormatError(`${path}: its directory lacks a ZIP64 size`, GET_AGAIN);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A 64-bit count. Throws FormatError for one that no file can have. */
function countOf(path: string, view: DataView, at: number): number {
  const count = Number(view.getBigUint64(at, true));
  if (Number.isSafeInteger(count)) return count;
  throw new FormatError(`${path}: its directory holds the size ${count}`, GET_AGAIN);
}
