/**
 * The safetensors format, read and written: 8 bytes of header length (little-endian), a JSON header, the tensors' bytes.
 * https://huggingface.co/docs/safetensors
 *
 * Opening a file reads and checks its header (safetensors-header.ts); a tensor's bytes are read when they are asked for. Files in several
 * parts (`model.safetensors.index.json`) are not put together here.
 */
import { FormatError, OptionError, ShapeError } from "../errors.ts";
import { DTYPE_BITS, DTYPES, type Dtype, TO_F32 } from "./dtypes.ts";
import { type Folder, pathIn } from "./folder.ts";
import { isShape, parseHeader, quoted, type SafetensorsHeader, type TensorInfo, tensorBytes } from "./safetensors-header.ts";

/** An open safetensors file. All methods throw FormatError for a tensor that the file does not have. */
export interface Safetensors extends SafetensorsHeader {
  /** What messages call the file. */
  readonly path: string;
  /** A tensor's bytes as they are in the file. */
  readBytes(name: string): Promise<Uint8Array>;
  /**
   * A tensor's elements in C order, converted from F16, BF16 or F64 where they are not F32. Throws FormatError for other dtypes, and for a
   * shape that is not `expectedShape` where one is given.
   */
  readF32(name: string, expectedShape?: readonly number[]): Promise<Float32Array>;
  /**
   * The same in chunks of at most `maxBytes` bytes of f32, each with the offset of its first element, so that a large tensor is never whole
   * in memory.
   */
  streamF32(name: string, maxBytes: number): AsyncIterable<{ offset: number; data: Float32Array }>;
}

/** A tensor to write. `data` is called once, when its turn comes, and gives the little-endian bytes of the elements in C order. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: () => Uint8Array | Promise<Uint8Array>;
}

const LENGTH_BYTES = 8;
/** The official implementation's limit. */
const MAX_HEADER_BYTES = 100_000_000;
/** The official writer's: every tensor then starts at a multiple of 8 bytes or of its own element's size. */
const HEADER_ALIGNMENT = 8;

/** What people most often have in the place of a safetensors file, by its first bytes. */
const MISTAKEN: readonly (readonly [start: string, what: string, remedy: string])[] = [
  ["version ", "a Git LFS pointer and not the file itself", "Get the file with `git lfs pull`, or download it."],
  ["PK\u0003\u0004", "a zip archive, as torch.save writes them", "Save the model with safetensors."],
  ["<!DOCTYP", "a web page", "Get the file again: the address led to a page about it."],
];

/**
 * Opens a safetensors file. Throws FileError when the file is missing, and FormatError, naming the file, the tensor, and what was expected
 * and found, when it is not a safetensors file, is cut short, or has a header that does not describe it.
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
  const start = new TextDecoder("latin1").decode(first);
  for (const [beginning, what, remedy] of MISTAKEN) {
    if (start.startsWith(beginning)) return new FormatError(`${path} is ${what}`, remedy);
  }
  const limit = headerBytes > MAX_HEADER_BYTES ? `the format allows ${MAX_HEADER_BYTES}` : `the whole file holds ${fileSize}`;
  return new FormatError(
    `${path}: its first 8 bytes announce a header of ${headerBytes} bytes, ${limit}`,
    "Get the file again: it is cut short, damaged, or not a safetensors file.",
  );
}

class SafetensorsFile implements Safetensors {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #folder: Folder;
  readonly #file: string;

  constructor(folder: Folder, file: string, header: SafetensorsHeader) {
    this.path = pathIn(folder, file);
    this.metadata = header.metadata;
    this.tensors = header.tensors;
    this.#folder = folder;
    this.#file = file;
  }

  async readBytes(name: string): Promise<Uint8Array> {
    const { start, end } = this.#info(name);
    return this.#folder.read(this.#file, start, end);
  }

  async readF32(name: string, expectedShape?: readonly number[]): Promise<Float32Array> {
    const { shape } = this.#info(name);
    if (expectedShape !== undefined && (shape.length !== expectedShape.length || shape.some((size, i) => size !== expectedShape[i]))) {
      throw new FormatError(
        `${this.path}: tensor ${quoted(name)} has the shape [${shape.join(", ")}], expected [${expectedShape.join(", ")}]`,
        "Check that the weights and the config.json belong to the same model.",
      );
    }
    const toF32 = this.#toF32(name);
    return toF32(await this.readBytes(name));
  }

  async *streamF32(name: string, maxBytes: number): AsyncGenerator<{ offset: number; data: Float32Array }> {
    const { dtype, start, end } = this.#info(name);
    const toF32 = this.#toF32(name);
    const chunkElements = Math.floor(maxBytes / Float32Array.BYTES_PER_ELEMENT);
    if (!(chunkElements >= 1)) throw new OptionError(`chunks of ${maxBytes} bytes hold no element`, "Allow at least 4 bytes.");
    const elementBytes = DTYPE_BITS[dtype] / 8;
    const count = (end - start) / elementBytes;
    for (let offset = 0; offset < count; offset += chunkElements) {
      const stop = Math.min(offset + chunkElements, count);
      const bytes = await this.#folder.read(this.#file, start + offset * elementBytes, start + stop * elementBytes);
      yield { offset, data: toF32(bytes) };
    }
  }

  #info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (info !== undefined) return info;
    throw new FormatError(
      `${this.path} has no tensor ${quoted(name)} among its ${this.tensors.size}`,
      "Check that the weights are of the model that the config.json describes.",
    );
  }

  #toF32(name: string): (bytes: Uint8Array) => Float32Array {
    const { dtype } = this.#info(name);
    const toF32 = TO_F32[dtype];
    if (toF32 !== undefined) return toF32;
    throw new FormatError(
      `${this.path}: tensor ${quoted(name)} holds ${dtype}, expected one of ${Object.keys(TO_F32).join(", ")}`,
      "Convert the tensor to F32 and save the file again.",
    );
  }
}

/**
 * A safetensors file, in chunks. Tensors are laid out as the official writer does it (larger elements first, then by name), so that each is
 * aligned, and the same tensors always give the same bytes. The default metadata is what transformers looks for in a PyTorch model's file;
 * empty metadata is left out.
 *
 * Throws FormatError for a name used twice or reserved, ShapeError for what is no shape, and, while the chunks are read, ShapeError for data
 * that does not fill its shape.
 */
export function encodeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): AsyncIterable<Uint8Array> {
  const laidOut = tensors.toSorted((a, b) => DTYPES.indexOf(b.dtype) - DTYPES.indexOf(a.dtype) || (a.name < b.name ? -1 : 1));
  // Written by hand: an object would put names that look like numbers first.
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
