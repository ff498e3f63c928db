/** Reproducible test data, and the shapes that kernels are tested on. */

/** Uniform numbers in [0, 1) (mulberry32, Tommy Ettinger). */
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** f32 values of a normal distribution (Box & Muller). */
export function normals(count: number, seed: number, { mean = 0, deviation = 1 } = {}): Float32Array {
  const next = uniform(seed);
  return Float32Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    return mean + deviation * radius * Math.cos(2 * Math.PI * next());
  });
}

/** u32 values below a bound. */
export function integers(count: number, below: number, seed: number): Uint32Array {
  const next = uniform(seed);
  return Uint32Array.from({ length: count }, () => Math.floor(next() * below));
}

/** A live matrix [rows, columns] as it stands in memory laid out for `columnCapacity` columns; NaN where nothing is live. */
export function laidOut(data: Float32Array, columns: number, columnCapacity: number): Float32Array {
  const rows = columns === 0 ? 0 : data.length / columns;
  const memory = new Float32Array(rows * columnCapacity).fill(Number.NaN);
  for (let row = 0; row < rows; row++) memory.set(data.subarray(row * columns, (row + 1) * columns), row * columnCapacity);
  return memory;
}

/** The live part [rows, columns] of a matrix in such memory. */
export function livePart(memory: Float32Array, rows: number, columns: number, columnCapacity: number): Float32Array {
  const data = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) data.set(memory.subarray(row * columnCapacity, row * columnCapacity + columns), row * columns);
  return data;
}

export interface MatrixShape {
  readonly width: number;
  /** Rows that memory is laid out for. */
  readonly capacity: number;
  /** Live rows, tested one after another on one program. */
  readonly live: readonly number[];
}

const tall = { capacity: 1003, live: [1001, 57, 7, 1] };
const wide = { capacity: 59, live: [57, 7, 1] };

/** Odd widths go through scalar kernels, multiples of four through vector ones; no capacity fills a workgroup or is ever all live. */
export const shapes: readonly MatrixShape[] = [
  { width: 1, ...tall },
  { width: 7, ...tall },
  { width: 57, ...tall },
  { width: 1001, ...wide },
  { width: 4, ...tall },
  { width: 64, ...tall },
  { width: 1000, ...wide },
];
