/**
 * Reads and writes the safetensors format: 8 bytes of header length (little-endian), a JSON header, the tensors' bytes.
 * https://huggingface.co/docs/safetensors
 *
 * Opening a file reads and checks its header (safetensors-header.ts); a tensor's bytes are read on demand (tensor-file.ts).
 */
import { FormatError, ShapeError } from "../../errors.ts";
import { quoted } from "../../show.ts";
import { type Folder, pathIn } from "../folder.ts";
import { bytesOf } from "../formats/bytes.ts";
import { mistakenFor } from "../mistaken-file.ts";
import { DTYPES, type Dtype } from "./dtypes.ts";
import { parseHeader, type SafetensorsHeader } from "./safetensors-header.ts";
import { TensorFile, type Weights } from "./tensor-file.ts";
import { isShape, type TensorInfo, tensorBytes } from "./tensor-info.ts";

/** An open safetensors file. */
export interface Safetensors extends Weights {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** A tensor to write. `data` is called once, when the tensor is written, and returns the little-endian bytes of the elements in C order. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: () => Uint8Array | Promise<Uint8Array>;
}

/** A tensor to write as f32; `values` is called once, when it is written. */
export function f32Tensor(name: string, shape: readonly number[], values: () => Float32Array | Promise<Float32Array>): TensorToWrite {
  return { name, dtype: "F32", shape, data: async () => bytesOf(await values()) };
}

const LENGTH_BYTES = 8;
/** The official implementation's limit. */
const MAX_HEADER_BYTES = 100_000_000;
/** The official writer's alignment: every tensor then starts at a multiple of 8 bytes or of its own element's size. */
const HEADER_ALIGNMENT = 8;

/**
 * Opens a safetensors file. Throws FileError when the file is missing, and FormatError, naming the file, the tensor, and what was expected
 * and found, when it is not a safetensors file, is truncated, or has a header that does not match it.
 */
export async function openSafetensors(folder: Folder, file: string): Promise<Safetensors> {
  const path = pathIn(folder, file);
  const fileSize = await folder.size(file);
  if (fileSize < LENGTH_BYTES) {
    throw new FormatError(`${path} holds ${fileSize} bytes: too few for a safetensors file`, "Get the file again.");
  }
  const first = await folder.read(file, 0, LENGTH_BYTES);
  const headerBytes = Number(new DataView(first.buffer, first.byteOffset).getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES || LENGTH_BYTES + headerBytes > fileSize) throw headerTooLong(path, first, headerBytes, fileSize);
  const dataStart = LENGTH_BYTES + headerBytes;
  const header = parseHeader(path, await folder.read(file, LENGTH_BYTES, dataStart), dataStart, fileSize);
  return new SafetensorsFile(folder, file, header);
}

function headerTooLong(path: string, first: Uint8Array, headerBytes: number, fileSize: number): FormatError {
  const mistaken = mistakenFor(first);
  if (mistaken !== undefined) return new FormatError(`${path} is ${mistaken.what}`, mistaken.remedy);
  const limit = headerBytes > MAX_HEADER_BYTES ? `the format allows ${MAX_HEADER_BYTES}` : `the whole file holds ${fileSize}`;
  return new FormatError(
    `${path}: its first 8 bytes announce a header of ${headerBytes} bytes, ${limit}`,
    "Get the file again: it is cut short, damaged, or not a safetensors file.",
  );
}

class SafetensorsFile extends TensorFile implements Safetensors {
  readonly metadata: Readonly<Record<string, string>>;

  constructor(folder: Folder, file: string, { metadata, tensors }: SafetensorsHeader) {
    super(folder, file, tensors);
    this.metadata = metadata;
  }
}

/**
 * A safetensors file, in chunks. Tensors are laid out like by the official writer (larger elements first, then by name), so that each is
 * aligned and the same tensors always give the same bytes. The default metadata is what transformers expects in a PyTorch model's file;
 * empty metadata is left out.
 *
 * Throws FormatError for a duplicate or reserved name, ShapeError for an invalid shape, and, while the chunks are read, ShapeError for data
 * whose size differs from its shape.
 */
export function encodeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): AsyncIterable<Uint8Array> {
  const laidOut = tensors.toSorted((a, b) => DTYPES.indexOf(b.dtype) - DTYPES.indexOf(a.dtype) || (a.name < b.name ? -1 : 1));
  // Built by hand, because an object would put names that look like numbers first.
  const fields = Object.keys(metadata).length === 0 ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  const names = new Set(["__metadata__"]);
  let offset = 0;
  for (const { name, dtype, shape } of laidOut) {
    if (names.has(name)) throw new FormatError(`the tensor name ${quoted(name)} is taken`, "Give every tensor a name of its own.");
    names.add(name);
    const bytes = isShape(shape) ? tensorBytes(dtype, shape) : undefined;
    if (bytes === undefined)
      throw new ShapeError(`tensor ${quoted(name)} cannot have the shape [${shape}] of ${dtype}`, "Correct its shape.");
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, offset + bytes] })}`);
    offset += bytes;
  }
  return chunks(`{${fields.join(",")}}`, laidOut);
}

async function* chunks(header: string, tensors: readonly TensorToWrite[]): AsyncGenerator<Uint8Array> {
  const text = new TextEncoder().encode(header);
  const padded = Math.ceil(text.length / HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
  const start = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(padded), true);
  start.set(text, LENGTH_BYTES);
  yield start;
  for (const { name, dtype, shape, data } of tensors) {
    const bytes = await data();
    const expected = tensorBytes(dtype, shape);
    if (bytes.length !== expected) {
      throw new ShapeError(
        `tensor ${quoted(name)} of ${dtype} and shape [${shape}] takes ${expected} bytes, its data has ${bytes.length}`,
        "Give the bytes of all its elements.",
      );
    }
    yield bytes;
  }
}
