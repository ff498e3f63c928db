/** Numbers by their rank. */

/** The number that a share of them is below: half of them for 0.5. */
export function quantile(numbers: readonly number[], share: number): number {
  return numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))]!;
}

export const median = (numbers: readonly number[]): number => quantile(numbers, 0.5);
