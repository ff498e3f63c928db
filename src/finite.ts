/** Finds a number that is not finite: one of them in a model or a vector spoils everything computed from it. */

/** The index of the first NaN or infinity; −1 if all `values` are finite. */
export function firstNonFinite(values: Float32Array): number {
  // 0 times a finite number is 0, and NaN otherwise. A search with a function is ten times as slow.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0;
  return sum === 0 ? -1 : values.findIndex((value) => !Number.isFinite(value));
}
