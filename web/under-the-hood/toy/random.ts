/**
 * A small seeded random stream for writing the toy corpus, so that the same seed gives the same text on every machine.
 * Not for training: dropout and shuffling use the engine's counter-based streams.
 */

const TWO_TO_32 = 0x1_0000_0000;

/** A deterministic stream of choices. */
export interface Random {
  /** A float in [0, 1). */
  next(): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  /** One item of a list that is not empty, all equally likely. */
  pick<T>(items: readonly T[]): T;
}

/**
 * mulberry32 (Tommy Ettinger, public domain): 32 bits of state, period 2^32, integer arithmetic only.
 *
 * @param seed an unsigned 32-bit integer
 */
export function mulberry32(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / TWO_TO_32;
  };
  return {
    next,
    chance: (probability) => next() < probability,
    pick: (items) => items[Math.floor(next() * items.length)]!,
  };
}
