/**
 * Random numbers on the host: initial weights and the order of examples. They are counter-based like the dropout masks: a number depends
 * only on its seed, its stream's name and its index. So adding a parameter changes no other.
 */

/** The lowbias32 mixer, as in the kernels. */
function mix(x: number): number {
  let h = x >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** An independent stream of 32-bit numbers for a seed and a name. */
export function stream(seed: number, name: string): (index: number) => number {
  let key = mix(seed);
  for (let i = 0; i < name.length; i++) key = mix(key ^ Math.imul(name.charCodeAt(i) + 1, 0x9e3779b1));
  return (index) => mix(key + mix(index ^ key));
}

/** `count` numbers of a normal distribution with mean 0 (Box & Muller 1958). */
export function normal(seed: number, name: string, count: number, standardDeviation: number): Float32Array {
  const draw = stream(seed, name);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = standardDeviation * Math.sqrt(-2 * Math.log((draw(i) + 1) / 2 ** 32));
    const angle = 2 * Math.PI * (draw(i + 1) / 2 ** 32);
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** The numbers 0 … count − 1 in a random order (Fisher–Yates). */
export function permutation(seed: number, name: string, count: number): Uint32Array {
  const draw = stream(seed, name);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor((draw(i) / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
