/** Vectors of unit length on the host. A vector of zeros stays as it is, as in `kernels/normalize.ts`. */

/** f32 [rows, dimension]: each row of `data` divided by its Euclidean norm; norms are summed in f64. */
export function toUnitLength(data: Float32Array, dimension: number): Float32Array {
  const unit = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += dimension) {
    let squares = 0;
    for (let i = start; i < start + dimension; i++) squares += data[i]! * data[i]!;
    const norm = Math.sqrt(squares) || 1;
    for (let i = start; i < start + dimension; i++) unit[i] = data[i]! / norm;
  }
  return unit;
}
