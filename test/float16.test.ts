/** f16: every value survives a round trip, and numbers between two become the nearest, ties to even. */
import { expect, it } from "vitest";
import { toHalves } from "../src/float16.ts";
import { TO_F32 } from "../src/io/weights/dtypes.ts";

const all = Uint16Array.from({ length: 0x1_0000 }, (_, bits) => bits);
const values = TO_F32.F16!(new Uint8Array(all.buffer));

it("gives every half back", () => {
  const back = toHalves(values);
  for (const bits of all) {
    if (Number.isNaN(values[bits]!)) expect(back[bits]! & 0x7c00).toBe(0x7c00);
    else expect(back[bits]).toBe(bits);
  }
});

it("rounds to the nearest, ties to even", () => {
  for (let bits = 0; bits < 0x7bff; bits++) {
    const [low, high] = [values[bits]!, values[bits + 1]!];
    const middle = (low + high) / 2;
    const even = bits % 2 === 0 ? bits : bits + 1;
    const nudge = (high - low) / 8;
    expect([...toHalves(Float32Array.of(middle - nudge, middle, middle + nudge, -middle))]).toEqual([bits, even, bits + 1, even | 0x8000]);
  }
});

it("goes to infinity from 65,520 on, and to zero below half of the smallest", () => {
  expect([...toHalves(Float32Array.of(65_519.996, 65_520, 1e30, 2 ** -25, 2 ** -25 * 1.001, -(2 ** -26)))]).toEqual([
    0x7bff, 0x7c00, 0x7c00, 0, 1, 0x8000,
  ]);
});
