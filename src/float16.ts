/** IEEE 754 binary16 on the host: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits. */

/** f16 values of f32 values, rounded to nearest, ties to even, as hardware does: infinite beyond 65,504, zero below 2⁻²⁵. */
export function toHalves(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  const float = new Float32Array(1);
  const word = new Uint32Array(float.buffer);
  for (let i = 0; i < values.length; i++) {
    float[0] = values[i]!;
    const bits = word[0]!;
    const sign = (bits >>> 16) & 0x8000;
    const magnitude = bits & 0x7fff_ffff;
    halves[i] = sign | halfOf(magnitude);
  }
  return halves;
}

const infinity = 0x7f80_0000;
/** 65,520, the first f32 that rounds to infinity. */
const overflow = 0x477f_f000;
/** 2⁻¹⁴, the smallest normal f16 value. */
const smallestNormal = 0x3880_0000;
/** 2⁻²⁵, half of the smallest f16 value, which rounds to the even zero. */
const underflow = 0x3300_0000;

/** The bits of an f16 value, from the bits of an f32 value that is not negative. */
function halfOf(bits: number): number {
  if (bits > infinity) return 0x7e00;
  if (bits >= overflow) return 0x7c00;
  if (bits >= smallestNormal) return roundedShift(bits - (112 << 23), 13);
  if (bits <= underflow) return 0;
  // A subnormal f16 counts units of 2⁻²⁴: the fraction with its hidden bit, shifted by the missing exponent.
  return roundedShift((bits & 0x7f_ffff) | 0x80_0000, 126 - (bits >>> 23));
}

/** `value` / 2^shift, rounded to the nearest, ties to even. */
function roundedShift(value: number, shift: number): number {
  const half = 1 << (shift - 1);
  const odd = (value >>> shift) & 1;
  return (value + half - 1 + odd) >>> shift;
}

/** The f32 values of f16 values, exactly. */
export function fromHalves(halves: Uint16Array): Float32Array {
  const words = new Uint32Array(halves.length);
  const values = new Float32Array(words.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i]!;
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 0) {
      // Zero and subnormals: fraction · 2^-24, exact in f32.
      values[i] = fraction * 2 ** -24;
      words[i]! |= sign;
    } else {
      // Infinity and NaN keep an exponent of all ones; the others change from bias 15 to bias 127.
      words[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
    }
  }
  return values;
}
