/**
 * NumPy's .npy format: what `numpy.load` opens. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 *
 * Writes version 1.0, in C order: f32 as `<f4`, and embeddings of fewer bits as `<f2`, `|i1` or `|u1`. Reads numbers as f32, in every
 * version and in both orders of elements and of bytes; it does not read packed bits.
 */
import { FormatError, ShapeError } from "../../errors.ts";
import { decodeLatin1 } from "../text/latin1.ts";
import { TO_F32 } from "../weights/dtypes.ts";
import { bytesOf } from "./bytes.ts";
import { fortranStrides, inRowOrder } from "./strided.ts";

const MAGIC = "\u0093NUMPY";
/** Magic, two bytes of version, two bytes of header length. */
const PREFIX_BYTES = MAGIC.length + 4;
/** NumPy starts the data at a multiple of this, so that it can be mapped into memory. */
const DATA_ALIGNMENT = 64;

/** An array of f32 in C order. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** An array's element type: f32, f16, signed and unsigned bytes. */
export type NpyElements = Float32Array | Uint16Array | Int8Array | Uint8Array;

export type NpyType = "<f4" | "<f2" | "|i1" | "|u1";

/** A .npy file with the given shape. Throws ShapeError when the number of elements in `data` differs from the shape's. */
export function encodeNpy(shape: readonly number[], data: Float32Array): Uint8Array {
  if (data.length !== elementCount(shape)) throw wrongCount(shape, data.length);
  const header = npyHeader(shape, "<f4");
  const file = new Uint8Array(header.length + data.byteLength);
  file.set(header);
  file.set(bytesOf(data), header.length);
  return file;
}

/**
 * A .npy file with the given shape in chunks, from elements in C order in pieces of any size. Throws ShapeError at the end when the number
 * of elements differs from the shape's; a file written through `writeFileAtomically` is then not written.
 */
export async function* streamNpy(
  shape: readonly number[],
  pieces: Iterable<NpyElements> | AsyncIterable<NpyElements>,
  type: NpyType = "<f4",
): AsyncGenerator<Uint8Array> {
  yield npyHeader(shape, type);
  let count = 0;
  for await (const piece of pieces) {
    count += piece.length;
    yield bytesOf(piece);
  }
  if (count !== elementCount(shape)) throw wrongCount(shape, count);
}

/** How each element type becomes f32 from little-endian bytes: doubles are rounded, the others are exact. */
const readers: Readonly<Record<string, readonly [elementBytes: number, toF32: (bytes: Uint8Array) => Float32Array]>> = {
  f4: [4, TO_F32.F32!],
  f2: [2, TO_F32.F16!],
  f8: [8, TO_F32.F64!],
  i1: [1, (bytes) => Float32Array.from(new Int8Array(bytes.buffer))],
};

/**
 * Reads a .npy file; `path` is its name in messages. Throws FormatError when it is not one, or its elements are not one of `readers`.
 */
export function decodeNpy(bytes: Uint8Array, path: string): NpyArray {
  if (bytes.length < PREFIX_BYTES || !isMagic(bytes))
    throw new FormatError(`${path} is not a .npy file`, "Give a file that numpy.save wrote.");
  const { order, kind, isFortran, shape, dataStart } = parseNpyHeader(bytes, path);
  const reader = Object.hasOwn(readers, kind) ? readers[kind] : undefined;
  if (reader === undefined) {
    throw new FormatError(
      `${path} holds ${order}${kind}, expected one of ${Object.keys(readers).join(", ")}`,
      'Save the array with array.astype("float32").',
    );
  }
  const [elementBytes, toF32] = reader;
  const expected = elementCount(shape) * elementBytes;
  // Not `slice`: for a Node Buffer it does not copy.
  const data = new Uint8Array(bytes.subarray(dataStart));
  if (data.length !== expected) {
    throw new FormatError(
      `${path} has ${data.length} bytes of data, its shape [${shape.join(", ")}] takes ${expected}`,
      "Get the file again.",
    );
  }
  if (order === ">") for (let at = 0; at < data.length; at += elementBytes) data.subarray(at, at + elementBytes).reverse();
  return { shape, data: toF32(isFortran ? inRowOrder(data, elementBytes, shape, fortranStrides(shape)) : data) };
}

/** What a header says: byte order, element type, order of the elements, shape. */
interface NpyHeader {
  readonly order: string;
  readonly kind: string;
  readonly isFortran: boolean;
  readonly shape: readonly number[];
  readonly dataStart: number;
}

/** Reads the dictionary of a header, whose fields other programs than NumPy write in any order and with any spaces. */
function parseNpyHeader(bytes: Uint8Array, path: string): NpyHeader {
  const version = bytes[6]!;
  if (version < 1 || version > 3) {
    throw new FormatError(`${path} is a .npy file of version ${version}.${bytes[7]}, expected 1, 2 or 3`, "Save it with numpy.save.");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLong = version > 1 && bytes.length >= PREFIX_BYTES + 2;
  const start = PREFIX_BYTES + (isLong ? 2 : 0);
  const dataStart = start + (isLong ? view.getUint32(8, true) : view.getUint16(8, true));
  const text = decodeLatin1(bytes.subarray(start, dataStart));
  const field = (name: string, value: string) => new RegExp(`["']${name}["']\\s*:\\s*${value}\\s*[,}]`).exec(text);
  const descr = field("descr", `["']([<>|=])(\\w+)["']`);
  const fortran = field("fortran_order", "(True|False)");
  const sizes = field("shape", "\\(([\\dL, ]*)\\)");
  if (dataStart > bytes.length || !text.trimStart().startsWith("{") || descr === null || fortran === null || sizes === null) {
    throw new FormatError(`${path} has a .npy header that does not describe an array`, "Save it again with numpy.save.");
  }
  const shape = sizes[1]!
    .split(",")
    // Python 2 wrote 3 as 3L.
    .map((size) => size.trim().replace(/L$/, ""))
    .filter((size) => size !== "")
    .map(Number);
  return { order: descr[1]!, kind: descr[2]!, isFortran: fortran[1] === "True", shape, dataStart };
}

/** The bytes before the elements of an array. */
export function npyHeader(shape: readonly number[], type: NpyType): Uint8Array {
  // Python writes a tuple of one with a trailing comma.
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const dictionary = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const total = Math.ceil((PREFIX_BYTES + dictionary.length + 1) / DATA_ALIGNMENT) * DATA_ALIGNMENT;
  const text = `${MAGIC}\u0001\u0000\u0000\u0000${dictionary.padEnd(total - PREFIX_BYTES - 1)}\n`;
  const header = Uint8Array.from(text, (character) => character.charCodeAt(0));
  new DataView(header.buffer).setUint16(8, total - PREFIX_BYTES, true);
  return header;
}

function isMagic(bytes: Uint8Array): boolean {
  return [...MAGIC].every((character, i) => bytes[i] === character.charCodeAt(0));
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}

function wrongCount(shape: readonly number[], found: number): ShapeError {
  return new ShapeError(
    `an array of shape [${shape.join(", ")}] has ${elementCount(shape)} elements, ${found} were given`,
    "Give as many elements as the shape has.",
  );
}
