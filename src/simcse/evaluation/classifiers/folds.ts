/** Splits of labelled rows for cross-validation, the same on every machine. */
import { permutation } from "../../../nn/random.ts";

/** The seed of everything random in an evaluation, as in SentEval. */
export const SENTEVAL_SEED = 1111;

/**
 * Splits `rows` into `count` disjoint shuffled parts, each with its share of every class (scikit-learn's StratifiedKFold). `labels` has the
 * classes of all rows of the data. `name` selects the random stream.
 */
export function stratifiedParts(rows: Uint32Array, labels: Uint32Array, count: number, seed: number, name: string): Uint32Array[] {
  const parts = Array.from({ length: count }, () => [] as number[]);
  const byClass = new Map<number, number[]>();
  for (const at of permutation(seed, name, rows.length)) {
    const row = rows[at]!;
    const members = byClass.get(labels[row]!);
    if (members === undefined) byClass.set(labels[row]!, [row]);
    else members.push(row);
  }
  // Dealt like cards, one class after the other: parts differ by at most one row, in each class and in total.
  let dealt = 0;
  for (const label of [...byClass.keys()].sort((a, b) => a - b)) for (const row of byClass.get(label)!) parts[dealt++ % count]!.push(row);
  return parts.map((part) => Uint32Array.from(part).sort());
}

/** `rows` without a random `share` of them, and that share. */
export function randomSplit(
  rows: Uint32Array,
  share: number,
  seed: number,
  name: string,
): { readonly kept: Uint32Array; readonly taken: Uint32Array } {
  const order = permutation(seed, name, rows.length).map((at) => rows[at]!);
  const size = Math.floor(share * rows.length);
  return { taken: order.slice(0, size).sort(), kept: order.slice(size).sort() };
}

/** The rows of all parts but one, ascending. */
export function allBut(parts: readonly Uint32Array[], left: number): Uint32Array {
  return Uint32Array.from(parts.flatMap((part, at) => (at === left ? [] : [...part]))).sort();
}
