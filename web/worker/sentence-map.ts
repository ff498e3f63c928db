/**
 * Sentences as points of the plane: their vectors' two principal components, found on the GPU by subspace iteration (Golub and Van Loan
 * 2013, section 7.3). Each map starts from the components of the one before, so that points move instead of jumping.
 */
import {
  compile,
  concat,
  type Device,
  f32,
  matmul,
  mean,
  mul,
  normalize,
  type Program,
  slice,
  sub,
  sum,
  type Value,
} from "simcse-webgpu/browser";

/** Enough from a random start for the plane to stand still; later maps need fewer and get the same. */
const ITERATIONS = 12;

/** Draws maps of so many vectors of one dimension. */
export class SentenceMapper {
  /** The two components, one after another [2, dimension]. */
  #components: Float32Array;

  private constructor(
    readonly program: Program,
    readonly dimension: number,
  ) {
    // Any start that is not at right angles to both components.
    this.#components = Float32Array.from({ length: 2 * dimension }, (_, i) => Math.sin(1 + i * 12.9898));
  }

  static async create(device: Device, count: number, dimension: number): Promise<SentenceMapper> {
    const program = await compile(device, (tape) => {
      const x = tape.input("vectors", f32(count, dimension));
      const centred = sub(x, mean(x, 0, { keepDims: true }));
      let components: Value = tape.input("components", f32(2, dimension));
      for (let i = 0; i < ITERATIONS; i++) components = orthonormal(matmul(matmul(components, centred, "nt"), centred, "nn"));
      return { components, points: matmul(centred, components, "nt") };
    });
    return new SentenceMapper(program, dimension);
  }

  /** The points [count, 2] of vectors [count, dimension]. */
  async map(vectors: Float32Array): Promise<Float32Array> {
    this.program.run({ inputs: { vectors, components: this.#components } });
    const [components, points] = [await this.program.read("components"), await this.program.read("points")];
    this.#components = Float32Array.from(components);
    return Float32Array.from(points);
  }

  close(): void {
    this.program.close();
  }
}

/** Two rows of unit length at right angles (Gram and Schmidt). */
function orthonormal(rows: Value): Value {
  const first = normalize(slice(rows, 0, 0, 1));
  const second = slice(rows, 0, 1, 2);
  const along = sum(mul(first, second), 1, { keepDims: true });
  return concat([first, normalize(sub(second, mul(first, along)))], 0);
}
