/** The second moments of vectors, Σ wᵢ xᵢxᵢᵀ, and the directions in which they are largest. */

/** Directions, and what they hold of the vectors. */
export interface Components {
  /** Orthonormal directions, each f64 [dimension], the largest moment first. */
  readonly directions: readonly Float64Array[];
  /** The part of the vectors' weighted squared length that lies in them, 0 to 1. */
  readonly kept: number;
}

/** A sum of weighted outer products, in f64. */
export class SecondMoments {
  readonly #dimension: number;
  /** The lower triangle. */
  readonly #rows: readonly Float64Array[];

  constructor(dimension: number) {
    this.#dimension = dimension;
    this.#rows = Array.from({ length: dimension }, () => new Float64Array(dimension));
  }

  /** Adds `weight` · xxᵀ for a vector x [dimension]. */
  add(vector: ArrayLike<number>, weight: number): void {
    for (let a = 0; a < this.#dimension; a++) {
      const factor = weight * vector[a]!;
      const row = this.#rows[a]!;
      for (let b = 0; b <= a; b++) row[b]! += factor * vector[b]!;
    }
  }

  /**
   * The `count` eigenvectors with the largest eigenvalues. By Eckart and Young no other `count` directions keep more of the vectors' squared
   * length. A direction's largest number is positive, so that the same vectors give the same directions.
   */
  async largest(count: number): Promise<Components> {
    const { EigenvalueDecomposition, Matrix } = await import("ml-matrix");
    const symmetric = this.#rows.map((row, a) => Float64Array.from(row, (moment, b) => (b <= a ? moment : this.#rows[b]![a]!)));
    const { realEigenvalues: values, eigenvectorMatrix } = new EigenvalueDecomposition(new Matrix(symmetric), { assumeSymmetric: true });
    const order = [...values.keys()].sort((a, b) => values[b]! - values[a]!).slice(0, count);
    const directions = order.map((column) => {
      const direction = eigenvectorMatrix.getColumn(column);
      const largest = direction.reduce((most, number) => (Math.abs(number) > Math.abs(most) ? number : most), 0);
      return Float64Array.from(direction, (number) => number * Math.sign(largest));
    });
    const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
    return { directions, kept: sum(order.map((column) => values[column]!)) / sum(values) };
  }
}
