/** f16: every value survives a round trip, and numbers between two become the nearest, ties to even. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { toHalves } from "../src/float16.ts";
import { bytesOf } from "../src/io/formats/bytes.ts";
import { TO_F32 } from "../src/io/weights/dtypes.ts";

const toF32 = (halves: Uint16Array) => TO_F32.F16!(bytesOf(halves));
const all = Uint16Array.from({ length: 2 ** 16 }, (_, half) => half);
const isNaNHalf = (half: number) => (half & 0x7fff) > 0x7c00;

it("every half becomes itself again", () => {
  const back = toHalves(toF32(all));
  const wrong = all.filter((half) => (isNaNHalf(half) ? !isNaNHalf(back[half]!) : back[half] !== half));
  expect([...wrong]).toEqual([]);
});

it("floats become the nearest half, the even one of two as near", () => {
  const finite = all.filter((half) => half < 0x7c00);
  const values = toF32(finite);
  const between: [number, number][] = [];
  for (let i = 1; i < values.length; i++) {
    const [low, high] = [values[i - 1]!, values[i]!];
    const middle = (low + high) / 2;
    between.push([middle, i % 2 === 0 ? i : i - 1], [middle - (high - low) / 8, i - 1], [middle + (high - low) / 8, i]);
  }
  const found = toHalves(Float32Array.from(between, ([value]) => value));
  expect(between.filter(([, half], i) => found[i] !== half)).toEqual([]);
  expect([...toHalves(Float32Array.of(65519, 65520, 1e9, Infinity, -65520, 2 ** -25, 2 ** -25 + 2 ** -40, -0))]).toEqual([
    0x7bff, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0, 1, 0x8000,
  ]);
});

it("and never further than half a step", () => {
  fc.assert(
    fc.property(fc.float({ min: -65000, max: 65000, noNaN: true }), (value) => {
      const [half] = toF32(toHalves(Float32Array.of(value)));
      expect(Math.abs(half! - value)).toBeLessThanOrEqual(Math.max(Math.abs(value) * 2 ** -11, 2 ** -25));
    }),
  );
});
