/**
 * A part of a vector index: some ten thousand vectors, in stored form on the host and in searched form on the device, in one buffer that
 * every device can bind. The device's copy is updated when a search needs it.
 */
import type { Device } from "../../gpu/device.ts";
import type { Persistent } from "../../kernels/language/operation.ts";
import type { Precision } from "../../kernels/search/precision.ts";
import { blockRows, layInBlocks, type StoredVectors, vectorWords } from "../../kernels/search/vector-scores.ts";
import { decodeRows, type Encoded, encodeRows, type PrecisionArrays, rowElements } from "../embedding/precision.ts";

/** The most rows of a segment: their scores for a batch of queries take a few megabytes. */
const mostRows = 65_536;

/** Rows laid out for the device at a time. */
const uploadRows = 4096;

/** How many rows fit into the device's largest binding, in whole blocks. */
export function segmentRows(device: Device, precision: Precision, dimension: number): number {
  const { maxStorageBufferBindingSize, maxBufferSize } = device.capabilities.limits;
  const blockBytes = vectorWords(precision, dimension, blockRows) * 4;
  const blocks = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / blockBytes);
  return Math.min(mostRows, blocks * blockRows);
}

/** The precisions of an index's vectors on the host and on the device. */
export interface SegmentFormat {
  readonly dimension: number;
  /** The precision on the host and in files. */
  readonly stored: Precision;
  /** The precision on the device. */
  readonly searched: Precision;
}

const arrays: { readonly [P in Precision]: (length: number) => PrecisionArrays[P] } = {
  f32: (length) => new Float32Array(length),
  f16: (length) => new Uint16Array(length),
  int8: (length) => new Int8Array(length),
  binary: (length) => new Uint8Array(length),
};

/** As many vectors of an index as every device can bind at once. */
export class VectorSegment {
  rows = 0;
  #data: PrecisionArrays[Precision];
  #scales: Float32Array | null;
  /** The number of rows that the device's buffers have room for, and how many they contain. */
  #deviceCapacity = 0;
  #deviceRows = 0;
  #vectors: Persistent | null = null;
  #deviceScales: Persistent | null = null;

  constructor(
    readonly device: Device,
    readonly format: SegmentFormat,
    readonly capacity: number,
  ) {
    this.#data = arrays[format.stored](0);
    this.#scales = format.stored === "int8" ? new Float32Array(0) : null;
  }

  /** Elements of a stored row. */
  get #width(): number {
    return rowElements[this.format.stored](this.format.dimension);
  }

  /** Appends rows that are already in the stored precision; there must be room. */
  append({ data, scales }: Encoded): void {
    const rows = data.length / this.#width;
    this.#reserve(this.rows + rows);
    this.#data.set(data as never, this.rows * this.#width);
    if (scales) this.#scales!.set(scales, this.rows);
    this.rows += rows;
  }

  /** Keeps the first `rows` rows. */
  cut(rows: number): void {
    this.rows = rows;
    this.#deviceRows = Math.min(this.#deviceRows, rows);
  }

  /** Rows from `start` up to `end` exclusive, in stored form; views, not copies. */
  encoded(start = 0, end = this.rows): Encoded {
    const data = this.#data.subarray(start * this.#width, end * this.#width);
    return this.#scales ? { data, scales: this.#scales.subarray(start, end) } : { data };
  }

  /** f32 [dimension]: a stored row. */
  row(index: number): Float32Array {
    return decodeRows(this.format.stored, this.encoded(index, index + 1), this.format.dimension);
  }

  /** The rows on the device, brought up to date. Throws `CapacityError` when the device has no room. */
  async onDevice(): Promise<StoredVectors> {
    if (this.rows > this.#deviceCapacity) await this.#allocate();
    this.#upload();
    const { dimension, searched } = this.format;
    return {
      format: searched,
      width: dimension,
      rows: this.rows,
      vectors: this.#vectors!,
      scales: this.#deviceScales ?? undefined,
    };
  }

  /** Frees the device's memory. */
  close(): void {
    this.#vectors?.window.buffer.destroy();
    this.#deviceScales?.window.buffer.destroy();
  }

  #reserve(rows: number): void {
    const have = this.#data.length / this.#width;
    if (rows <= have) return;
    const capacity = Math.min(this.capacity, Math.max(rows, 2 * have));
    const grown = arrays[this.format.stored](capacity * this.#width);
    grown.set(this.#data as never);
    this.#data = grown;
    if (this.#scales) {
      const scales = new Float32Array(capacity);
      scales.set(this.#scales);
      this.#scales = scales;
    }
  }

  async #allocate(): Promise<void> {
    this.close();
    const { dimension, searched } = this.format;
    const capacity = Math.min(this.capacity, Math.max(blockRows, 2 ** Math.ceil(Math.log2(this.rows))));
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const words = { vectors: vectorWords(searched, dimension, capacity), ...(searched === "int8" && { scales: capacity }) };
    const tensors = Object.entries(words).map(([name, size]) => ({ label: `${name} of an index`, bytes: size * 4, usage }));
    const [vectors, scales] = await this.device.allocate(
      `${capacity} more vectors of ${dimension} numbers as ${searched}`,
      tensors,
      "Keep the index in a smaller precision (f16, int8, binary), or search on another adapter.",
    );
    const persistent = (name: string, dtype: "u32" | "f32", buffer: GPUBuffer): Persistent => ({
      name,
      dtype,
      shape: [buffer.size / 4],
      window: { buffer, offset: 0, size: buffer.size },
    });
    this.#vectors = persistent("vectors of an index", "u32", vectors!);
    this.#deviceScales = scales ? persistent("scales of an index", "f32", scales) : null;
    this.#deviceCapacity = capacity;
    this.#deviceRows = 0;
  }

  #upload(): void {
    const { dimension, stored, searched } = this.format;
    const blockWords = vectorWords(searched, dimension, blockRows);
    // From the start of the last incomplete block on the device.
    let start = Math.floor(this.#deviceRows / blockRows) * blockRows;
    if (this.#deviceRows === this.rows) return;
    for (; start < this.rows; start += uploadRows) {
      const end = Math.min(start + uploadRows, this.rows);
      const kept = this.encoded(start, end);
      const { data, scales } = stored === searched ? kept : encodeRows(searched, decodeRows(stored, kept, dimension), dimension);
      const blocks = new Uint32Array(vectorWords(searched, dimension, end - start));
      const rowBytes = rowElements[searched](dimension) * data.BYTES_PER_ELEMENT;
      layInBlocks(blocks, new Uint8Array(data.buffer, data.byteOffset, data.byteLength), rowBytes, 0);
      this.device.write(this.#vectors!.window.buffer, (start / blockRows) * blockWords * 4, blocks);
      if (scales) this.device.write(this.#deviceScales!.window.buffer, start * 4, scales);
    }
    this.#deviceRows = this.rows;
  }
}
