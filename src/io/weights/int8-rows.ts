/**
 * Weights with matrices in 8 bits: `model.int8.safetensors`. A matrix I8 [rows, columns] has beside it, under its name with `.scale`, one
 * F32 factor per row. Other tensors are as usual. The file has a name of its own, so that no other program takes the integers for weights.
 *
 * Matrices are read as f32. Scales have 17 significant bits, so that every product of a scale and a byte is exact in f32, and rounding the read
 * values to 8 bits again gives the same bytes and scales.
 */
import { FormatError } from "../../errors.ts";
import { quoted, show } from "../../show.ts";
import type { Folder } from "../folder.ts";
import { openSafetensors } from "./safetensors.ts";
import { TensorFile, type ToF32, type Weights } from "./tensor-file.ts";
import type { TensorInfo } from "./tensor-info.ts";

/** What follows a matrix's name in the name of its scales. */
export const SCALE_SUFFIX = ".scale";

/** The largest byte; −128 is not used. */
const LARGEST = 127;

/** A matrix rounded to 8 bits: its elements divided by the scale of their row. */
export interface Int8Rows {
  /** i8 [rows, columns] */
  readonly data: Int8Array;
  /** f32 [rows] */
  readonly scales: Float32Array;
}

/** Rounds the `rows` rows of a matrix to 8 bits. The largest element of a row becomes ±127, and a row of zeros has the scale 0. */
export function roundRows(values: Float32Array, rows: number): Int8Rows {
  const width = values.length / rows;
  const data = new Int8Array(values.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    let largest = 0;
    for (let i = row * width; i < (row + 1) * width; i++) largest = Math.max(largest, Math.abs(values[i]!));
    scales[row] = largest / LARGEST;
  }
  roundUp(scales);
  for (let i = 0; i < values.length; i++) data[i] = Math.round(values[i]! / (scales[Math.floor(i / width)]! || 1));
  return { data, scales };
}

/** Bits of an f32 that the factor 127 needs. */
const FACTOR_BITS = 7;

/** Rounds numbers that are not negative up to those whose lowest bits are zero. */
function roundUp(values: Float32Array): void {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const low = 2 ** FACTOR_BITS - 1;
  for (let i = 0; i < words.length; i++) words[i] = (words[i]! + low) & ~low;
}

/** Opens a file with matrices in 8 bits. Throws like `openSafetensors`, and FormatError for such a matrix without its scales. */
export async function openInt8Rows(folder: Folder, file: string): Promise<Weights> {
  const { path, tensors } = await openSafetensors(folder, file);
  const matrices = new Map<string, TensorInfo>();
  const scales = new Map<string, TensorInfo>();
  for (const [name, { dtype, shape }] of tensors) {
    if (dtype !== "I8") continue;
    const scale = tensors.get(name + SCALE_SUFFIX);
    if (scale?.dtype !== "F32" || scale.shape.length !== 1 || scale.shape[0] !== shape[0]) {
      const found = scale === undefined ? "missing" : `${scale.dtype} of shape ${show(scale.shape)}`;
      throw new FormatError(
        `${path}: tensor ${quoted(name)} is I8 of shape ${show(shape)}; its scales ${quoted(name + SCALE_SUFFIX)}, F32 [${shape[0]}], are ${found}`,
        "Convert the model again with --dtype int8.",
      );
    }
    scales.set(name + SCALE_SUFFIX, scale);
  }
  for (const [name, info] of tensors) if (!scales.has(name)) matrices.set(name, info);
  return new Int8RowsFile(folder, file, matrices, new TensorFile(folder, file, scales));
}

class Int8RowsFile extends TensorFile {
  readonly #scales: TensorFile;

  constructor(folder: Folder, file: string, tensors: ReadonlyMap<string, TensorInfo>, scales: TensorFile) {
    super(folder, file, tensors);
    this.#scales = scales;
  }

  protected override async toF32(name: string): Promise<ToF32> {
    const { dtype, shape } = this.info(name);
    if (dtype !== "I8") return super.toF32(name);
    const scales = await this.#scales.readF32(name + SCALE_SUFFIX);
    const width = shape.slice(1).reduce((count, size) => count * size, 1);
    return (bytes, offset) => scaled(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length), scales, width, offset);
  }
}

/** Elements of a matrix from `offset` on, times the scales of their rows. */
function scaled(data: Int8Array, scales: Float32Array, width: number, offset: number): Float32Array {
  const values = new Float32Array(data.length);
  for (let i = 0; i < data.length; ) {
    const row = Math.floor((offset + i) / width);
    const end = Math.min(data.length, (row + 1) * width - offset);
    for (const scale = scales[row]!; i < end; i++) values[i] = data[i]! * scale;
  }
  return values;
}
