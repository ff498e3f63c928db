/**
 * NumPy's .npy format, version 1.0: what `numpy.load` opens. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 *
 * Writes arrays in C order: f32 as `<f4`, and embeddings of fewer bits as `<f2`, `|i1` or `|u1`. Reads numbers in C order, as f32; it does
 * not read packed bits.
 */

import { FormatError, ShapeError } from "../../errors.ts";
import { TO_F32 } from "../weights/dtypes.ts";
import { bytesOf } from "./bytes.ts";

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

/** How each element type becomes f32: doubles are rounded, the others are exact. */
const readers: Readonly<Record<string, readonly [elementBytes: number, toF32: (bytes: Uint8Array) => Float32Array]>> = {
  "<f4": [4, TO_F32.F32!],
  "<f2": [2, TO_F32.F16!],
  "<f8": [8, TO_F32.F64!],
  "|i1": [1, (bytes) => Float32Array.from(new Int8Array(bytes.buffer))],
};

/**
 * Reads a .npy file; `path` is its name in messages. Throws FormatError when it is not one, or its elements are not one of `readers` in C
 * order.
 */
export function decodeNpy(bytes: Uint8Array, path: string): NpyArray {
  const text = (start: number, end: number) => new TextDecoder("latin1").decode(bytes.subarray(start, end));
  if (bytes.length < PREFIX_BYTES || !isMagic(bytes))
    throw new FormatError(`${path} is not a .npy file`, "Give a file that numpy.save wrote.");
  if (bytes[6] !== 1) {
    throw new FormatError(`${path} is a .npy file of version ${bytes[6]}.${bytes[7]}, expected 1.0`, "Save it with numpy.save.");
  }
  const dataStart = PREFIX_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint16(8, true);
  const header = /^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \} *\n$/.exec(
    text(PREFIX_BYTES, dataStart),
  );
  if (header === null) throw new FormatError(`${path} has a .npy header that does not describe an array`, "Save it again with numpy.save.");
  const [, descr, fortranOrder, sizes] = header as unknown as [string, string, string, string];
  const reader = Object.hasOwn(readers, descr) ? readers[descr] : undefined;
  if (reader === undefined || fortranOrder !== "False") {
    const order = fortranOrder === "True" ? "Fortran" : "C";
    throw new FormatError(
      `${path} holds ${descr} in ${order} order, expected one of ${Object.keys(readers).join(", ")} in C order`,
      'Save numpy.ascontiguousarray(array, dtype="float32").',
    );
  }
  const shape = sizes
    .split(",")
    .filter((size) => size.trim() !== "")
    .map(Number);
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
  return { shape, data: toF32(data) };
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
