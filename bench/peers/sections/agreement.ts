/** Whether numbers of different implementations agree. */

/** The greatest absolute difference; Infinity if the lengths differ or a number is missing. */
export function greatestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let greatest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= greatest)) greatest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return greatest;
}

/** Collects disagreements, for the end of the run. */
export class Disagreements {
  readonly found: string[] = [];

  /** The difference in the format of the tables, marked if it exceeds `tolerance`. */
  check(what: string, difference: number, tolerance: number): string {
    const text = difference.toExponential(1);
    if (difference <= tolerance) return text;
    this.found.push(`${what} differs by ${text}, more than ${tolerance}`);
    return `**${text}**`;
  }
}
