/** Numbers that tests and the scripts of test/golden/ make from the same integers (uniform.py), so that none is stored. */

/** Integers of a 32-bit linear congruential generator (Numerical Recipes). */
export function integers(seed: number, count: number): Uint32Array {
  let state = seed;
  return Uint32Array.from({ length: count }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state;
  });
}

/** Multiples of 2⁻²⁰ in [−1, 1): the upper bits of the integers. */
export const uniform = (seed: number, count: number): number[] =>
  Array.from(integers(seed, count), (state) => (state >>> 11) / 2 ** 20 - 1);
