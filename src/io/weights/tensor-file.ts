/**
 * Weights in any file format: `Weights` is the interface that models are loaded from, and `TensorFile` reads the tensors of one file from
 * the places that its format (safetensors, torch's zip or pickle) gives. Tensors are read on demand, and large ones in chunks.
 */
import { FormatError, OptionError } from "../../errors.ts";
import { quoted, show } from "../../show.ts";
import { type Folder, pathIn } from "../folder.ts";
import { inRowOrder } from "../formats/strided.ts";
import { DTYPE_BITS, type Dtype, TO_F32 } from "./dtypes.ts";
import { type TensorInfo, tensorBytes } from "./tensor-info.ts";

/** Named tensors. All methods throw FormatError for a tensor that does not exist. */
export interface Weights {
  /** The name in messages of the file, or of the index of several. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, { readonly dtype: Dtype; readonly shape: readonly number[] }>;
  /** A tensor's elements in C order, little-endian, in its own dtype. */
  readBytes(name: string): Promise<Uint8Array>;
  /**
   * A tensor's elements in C order, converted from F16, BF16 or F64 if they are not F32. Throws FormatError for other dtypes, and for a
   * shape other than `expectedShape` if that is given. An F64 beyond f32's range becomes infinite.
   */
  readF32(name: string, expectedShape?: readonly number[]): Promise<Float32Array>;
  /**
   * The same in chunks of at most `maxBytes` bytes of f32, each with the offset of its first element, so that a large tensor is never
   * completely in memory.
   */
  streamF32(name: string, maxBytes: number): AsyncIterable<{ offset: number; data: Float32Array }>;
}

/** Bytes of a tensor, from its element `offset` on, as f32. */
export type ToF32 = (bytes: Uint8Array, offset: number) => Float32Array;

/** The tensors of one file. */
export class TensorFile implements Weights {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #folder: Folder;
  readonly #file: string;

  constructor(folder: Folder, file: string, tensors: ReadonlyMap<string, TensorInfo>) {
    this.path = pathIn(folder, file);
    this.tensors = tensors;
    this.#folder = folder;
    this.#file = file;
  }

  async readBytes(name: string): Promise<Uint8Array> {
    const info = this.info(name);
    const bytes = await this.#folder.read(this.#file, info.start, info.end);
    return info.strides === undefined ? bytes : inRowOrder(bytes, DTYPE_BITS[info.dtype] / 8, info.shape, info.strides);
  }

  async readF32(name: string, expectedShape?: readonly number[]): Promise<Float32Array> {
    const { shape } = this.info(name);
    if (expectedShape !== undefined && (shape.length !== expectedShape.length || shape.some((size, i) => size !== expectedShape[i]))) {
      throw new FormatError(
        `${this.path}: tensor ${quoted(name)} has the shape ${show(shape)}, expected ${show(expectedShape)}`,
        "Check that the weights and the config.json belong to the same model.",
      );
    }
    const [toF32, bytes] = await Promise.all([this.toF32(name), this.readBytes(name)]);
    return toF32(bytes, 0);
  }

  async *streamF32(name: string, maxBytes: number): AsyncGenerator<{ offset: number; data: Float32Array }> {
    const { dtype, shape, start, strides } = this.info(name);
    const toF32 = await this.toF32(name);
    const chunkElements = Math.floor(maxBytes / Float32Array.BYTES_PER_ELEMENT);
    if (!(chunkElements >= 1)) throw new OptionError(`chunks of ${maxBytes} bytes hold no element`, "Allow at least 4 bytes.");
    const elementBytes = DTYPE_BITS[dtype] / 8;
    const count = tensorBytes(dtype, shape)! / elementBytes;
    const ordered = strides === undefined ? null : await this.readBytes(name);
    for (let offset = 0; offset < count; offset += chunkElements) {
      const [from, to] = [offset, Math.min(offset + chunkElements, count)].map((element) => element * elementBytes) as [number, number];
      const bytes = ordered?.subarray(from, to) ?? (await this.#folder.read(this.#file, start + from, start + to));
      yield { offset, data: toF32(bytes, offset) };
    }
  }

  protected info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (info !== undefined) return info;
    throw noSuchTensor(this, name);
  }

  /** How a tensor becomes f32. Throws FormatError for a dtype that is not floating-point. */
  protected async toF32(name: string): Promise<ToF32> {
    const { dtype } = this.info(name);
    const toF32 = TO_F32[dtype];
    if (toF32 !== undefined) return toF32;
    throw new FormatError(
      `${this.path}: tensor ${quoted(name)} holds ${dtype}, expected one of ${Object.keys(TO_F32).join(", ")}`,
      "Convert the tensor to F32 and save the file again.",
    );
  }
}

/** The error for a missing tensor. */
export function noSuchTensor({ path, tensors }: Pick<Weights, "path" | "tensors">, name: string): FormatError {
  return new FormatError(
    `${path} has no tensor ${quoted(name)} among its ${tensors.size}`,
    "Check that the weights are of the model that the config.json describes.",
  );
}
