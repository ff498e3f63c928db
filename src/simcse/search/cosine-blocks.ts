/**
 * Cosines of all rows of one matrix with all rows of another: on the GPU block by block, so that the whole matrix is never in memory. A
 * small matrix is computed on the host, because that takes less time than building the kernel.
 */
import { compile } from "../../autograd/program.ts";
import type { Device } from "../../gpu/device.ts";
import { f32 } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import type { Embeddings } from "../embedding/embeddings.ts";
import { floatEmbeddings } from "../embedding/given-vectors.ts";
import { checkedUnitLength } from "../embedding/unit-length.ts";
import { boundedCosine } from "./bounded-cosine.ts";

/** Rows and columns of a block: 16 MB, large enough to keep a GPU busy. */
export const blockSize = { rows: 1024, columns: 4096 } as const;

/** The columns of a narrower block are padded to a multiple of this, so that kernels read and write whole vectors. */
const columnStep = 64;

/** Products of numbers that the host computes in less time than it takes to build a kernel. */
const hostProducts = 2 ** 26;

/** A block of a matrix of cosines: element (i, j) is `cosines[i * stride + j]`, for row `firstRow + i` and column `firstColumn + j`. */
export interface CosineBlock {
  readonly firstRow: number;
  readonly firstColumn: number;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  /** Between −1 and 1, except for rounding. */
  readonly cosines: Float32Array;
}

/** Hooks of a long computation. */
export interface BlockHooks {
  /** Ends the work between two blocks; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of blocks done, and of all. */
  readonly onBlock?: ((done: number, all: number) => void) | undefined;
}

/**
 * Rows of unit length. Throws `ShapeError` for an incomplete row, `DataError` for a number that is not finite, naming its row; the first
 * one is row `firstRow`.
 */
export function unitRows(vectors: Embeddings, firstRow = 0): Embeddings {
  const { length, dimension, data } = floatEmbeddings(vectors);
  return { length, dimension, data: checkedUnitLength(data, dimension, (row) => `vector ${firstRow + row}`) };
}

/** The cosines of the rows of `left` with those of `right`, as f32 [right.length] for each row of `left`. Throws like `unitRows`. */
export async function cosineMatrix(device: Device, left: Embeddings, right: Embeddings, hooks: BlockHooks = {}): Promise<Float32Array[]> {
  const matrix = Array.from({ length: left.length }, () => new Float32Array(right.length));
  for await (const { firstRow, firstColumn, rows, columns, stride, cosines } of cosineBlocks(device, left, right, hooks)) {
    for (let i = 0; i < rows; i++) {
      const row = matrix[firstRow + i]!;
      for (let j = 0; j < columns; j++) row[firstColumn + j] = boundedCosine(cosines[i * stride + j]!);
    }
  }
  return matrix;
}

/**
 * Calls `visit` for each pair of different rows, the lower number first, whose cosine is at least `threshold()`, which may rise meanwhile.
 * Throws like `unitRows`.
 */
export async function visitPairs(
  device: Device,
  vectors: Embeddings,
  threshold: () => number,
  visit: (first: number, second: number, cosine: number) => void,
  hooks: BlockHooks = {},
): Promise<void> {
  for await (const { firstRow, firstColumn, rows, columns, stride, cosines } of cosineBlocks(device, vectors, vectors, hooks, true)) {
    let least = threshold();
    for (let i = 0; i < rows; i++) {
      for (let j = Math.max(0, firstRow + i + 1 - firstColumn); j < columns; j++) {
        const cosine = boundedCosine(cosines[i * stride + j]!);
        if (cosine < least) continue;
        visit(firstRow + i, firstColumn + j, cosine);
        least = threshold();
      }
    }
  }
}

/** The blocks of the matrix; only those with a column after the row if `aboveDiagonal`, which is for a matrix and itself. */
async function* cosineBlocks(
  device: Device,
  left: Embeddings,
  right: Embeddings,
  hooks: BlockHooks,
  aboveDiagonal = false,
): AsyncGenerator<CosineBlock> {
  const unit = unitRows(left);
  yield* unitBlocks(device, { left: unit, right: left === right ? unit : unitRows(right) }, hooks, aboveDiagonal ? 0 : null);
}

/** Rows of unit length that are compared with each other. */
export interface UnitPair {
  readonly left: Embeddings;
  readonly right: Embeddings;
}

/**
 * The blocks for rows of unit length, column by column. If the rows of `right` are also rows of `left`, from row `diagonal` on, blocks
 * whose columns all come before their rows are left out.
 */
export async function* unitBlocks(
  device: Device,
  pair: UnitPair,
  hooks: BlockHooks = {},
  diagonal: number | null = null,
): AsyncGenerator<CosineBlock> {
  const { left, right } = pair;
  const blocks = [...placesOf(left.length, right.length, diagonal)];
  const isSmall = left.length * right.length * left.dimension <= hostProducts;
  let done = 0;
  for await (const block of isSmall ? onHost(pair, blocks) : onDevice(device, pair, blocks)) {
    hooks.signal?.throwIfAborted();
    yield block;
    hooks.onBlock?.(++done, blocks.length);
  }
}

type Place = Omit<CosineBlock, "stride" | "cosines">;

/** Column by column, so that the right operand of the product changes rarely. */
function* placesOf(length: number, width: number, diagonal: number | null): Generator<Place> {
  for (let firstColumn = 0; firstColumn < width; firstColumn += blockSize.columns) {
    const columns = Math.min(blockSize.columns, width - firstColumn);
    const end = diagonal === null ? length : Math.min(length, diagonal + firstColumn + columns);
    for (let firstRow = 0; firstRow < end; firstRow += blockSize.rows)
      yield { firstRow, firstColumn, rows: Math.min(blockSize.rows, length - firstRow), columns };
  }
}

const part = ({ data, dimension }: Embeddings, first: number, rows: number) => data.subarray(first * dimension, (first + rows) * dimension);

function* onHost({ left, right }: UnitPair, places: readonly Place[]): Generator<CosineBlock> {
  const { dimension } = left;
  for (const place of places) {
    const { firstRow, firstColumn, rows, columns } = place;
    const [a, b] = [part(left, firstRow, rows), part(right, firstColumn, columns)];
    const cosines = new Float32Array(rows * columns);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let k = 0; k < dimension; k++) sum += a[i * dimension + k]! * b[j * dimension + k]!;
        cosines[i * columns + j] = sum;
      }
    }
    yield { ...place, stride: columns, cosines };
  }
}

/** The device computes the next block while the host reads the last one. */
async function* onDevice(device: Device, { left, right }: UnitPair, places: readonly Place[]): AsyncGenerator<CosineBlock> {
  const { rows } = blockSize;
  const columns = Math.min(blockSize.columns, Math.ceil(right.length / columnStep) * columnStep);
  using program = await compile(device, (tape) => {
    const a = tape.input("left", f32(tape.extent("rows", rows), left.dimension));
    const b = tape.input("right", f32(columns, left.dimension));
    return { cosines: matmul(a, b, "nt") };
  });
  const padded = new Float32Array(columns * left.dimension);
  let written = -1;
  const start = (place: Place): Promise<Float32Array> => {
    if (place.firstColumn !== written) padded.set(part(right, place.firstColumn, place.columns));
    program.run({
      inputs: { left: part(left, place.firstRow, place.rows), ...(place.firstColumn !== written && { right: padded }) },
      live: { rows: place.rows },
    });
    written = place.firstColumn;
    return program.read("cosines", { rows: place.rows });
  };
  let next = places.length > 0 ? start(places[0]!) : null;
  for (const [i, place] of places.entries()) {
    const cosines = await next!;
    next = i + 1 < places.length ? start(places[i + 1]!) : null;
    // The generator may be ended at the yield; a failed block is then nobody's.
    next?.catch(() => {});
    yield { ...place, stride: columns, cosines };
  }
}
