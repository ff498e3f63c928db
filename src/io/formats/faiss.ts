/**
 * Writes faiss' IndexFlatIP: vectors that are searched exactly by their inner product. `faiss.read_index` opens it.
 * https://github.com/facebookresearch/faiss/blob/main/faiss/impl/index_write.cpp
 */
import { ShapeError } from "../../errors.ts";
import { bytesOf } from "./bytes.ts";

/** The kind of index: flat, inner product. */
const KIND = "IxFI";
/** Two unused fields have this value in every file. */
const UNUSED = 1n << 20n;
const INNER_PRODUCT = 0;

/** The file in chunks, from f32 [rows, dimension] in pieces. Throws `ShapeError` at the end when the number of elements differs. */
export async function* streamFaissFlat(rows: number, dimension: number, pieces: AsyncIterable<Float32Array>): AsyncGenerator<Uint8Array> {
  yield header(rows, dimension);
  let count = 0;
  for await (const piece of pieces) {
    count += piece.length;
    yield bytesOf(piece);
  }
  if (count !== rows * dimension)
    throw new ShapeError(
      `${rows} vectors of ${dimension} numbers are ${rows * dimension} numbers; ${count} were given.`,
      "Give all of them.",
    );
}

/** Kind, dimension, rows, two unused fields, whether it is trained, metric; then the length of the numbers. */
function header(rows: number, dimension: number): Uint8Array {
  const bytes = new Uint8Array(45);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(KIND));
  view.setInt32(4, dimension, true);
  view.setBigInt64(8, BigInt(rows), true);
  view.setBigInt64(16, UNUSED, true);
  view.setBigInt64(24, UNUSED, true);
  view.setUint8(32, 1);
  view.setInt32(33, INNER_PRODUCT, true);
  view.setBigUint64(37, BigInt(rows) * BigInt(dimension), true);
  return bytes;
}
