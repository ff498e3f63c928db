/**
 * Derivatives of a float64 function by central differences at two distances, extrapolated (Richardson): the error falls with h⁴, and for
 * functions of order one it is near 1e-11, far below what f32 can show.
 */

export type ScalarFunction = (x: Float64Array) => number;

const h = 1e-3;

/** f′(x) of a function of one number. */
export function slope(f: (x: number) => number, x: number): number {
  const difference = (distance: number) => (f(x + distance) - f(x - distance)) / (2 * distance);
  return (4 * difference(h / 2) - difference(h)) / 3;
}

/** ∂value/∂x[index]. */
export function derivative(value: ScalarFunction, x: Float64Array, index: number): number {
  const moved = x.slice();
  const along = (xi: number) => {
    moved[index] = xi;
    return value(moved);
  };
  return slope(along, x[index]!);
}

/** Σ direction[i] · ∂value/∂x[i]. */
export function directionalDerivative(value: ScalarFunction, x: Float64Array, direction: Float64Array): number {
  return slope((t) => value(x.map((v, i) => v + t * direction[i]!)), 0);
}

/** Σ weights·f(x): one number out of any function, whose gradient is the operation's gradient for `weights`. */
export function weighted(weights: ArrayLike<number>, f: (x: Float64Array) => ArrayLike<number>): ScalarFunction {
  return (x) => {
    const y = f(x);
    let sum = 0;
    for (let i = 0; i < y.length; i++) sum += weights[i]! * y[i]!;
    return sum;
  };
}
