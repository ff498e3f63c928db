/** The dropout hash of `src/kernels/language/random.ts`, reimplemented from its description in u32 arithmetic. */

/** Chris Wellons' lowbias32. */
function mix(x: number): number {
  let h = x >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

export interface DropoutDraw {
  readonly seed: number;
  readonly step: number;
  readonly site: number;
  readonly probability: number;
}

/** 0 or 1/(1−p), for one element of the logical row `key`. */
function dropoutFactor({ seed, step, site, probability }: DropoutDraw, key: number, position: number): number {
  const place = mix(site + mix(step + mix(seed)));
  const stream = mix(key + Math.imul(0x9e3779b9, place));
  const drawn = mix(stream ^ Math.imul(position, 0x85ebca6b));
  return drawn >= Math.round(probability * 2 ** 32) ? 1 / (1 - probability) : 0;
}

/** Factors of f64 [keys, width], row by row. */
export function dropoutMask(draw: DropoutDraw, keys: ArrayLike<number>, width: number): Float64Array {
  return Float64Array.from({ length: keys.length * width }, (_, i) => dropoutFactor(draw, keys[Math.floor(i / width)]!, i % width));
}
