import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { rotary } from "../../src/kernels/rotary.ts";
import { openTestDevice } from "../device.ts";
import { expectAdjoint, expectClose, expectSame } from "./close.ts";
import { normals } from "./data.ts";
import { batchInputs, batchStep, packedBatch } from "./packed-batch.ts";
import { adjoint, build, execute } from "./run.ts";

const device = await openTestDevice();

interface Heads {
  readonly heads: number;
  readonly headSize: number;
  readonly theta: number;
  readonly factor?: number;
}

/** In float64; frequencies and angles are rounded to f32 as the operation states. */
function reference(qkv: Float64Array, positions: ArrayLike<number>, { heads, headSize, theta, factor = 1 }: Heads): Float64Array {
  const half = headSize / 2;
  const y = qkv.slice();
  for (let row = 0; row < positions.length; row++) {
    for (let head = 0; head < 2 * heads; head++) {
      for (let i = 0; i < half; i++) {
        const at = (row * 3 * heads + head) * headSize + i;
        const angle = Math.fround(positions[row]! * Math.fround(theta ** (-i / half) / factor));
        y[at] = qkv[at]! * Math.cos(angle) - qkv[at + half]! * Math.sin(angle);
        y[at + half] = qkv[at + half]! * Math.cos(angle) + qkv[at]! * Math.sin(angle);
      }
    }
  }
  return y;
}

describe("rotary", () => {
  it.each<Heads>([
    { heads: 3, headSize: 8, theta: 10_000 },
    { heads: 1, headSize: 16, theta: 160_000, factor: 1.25 },
  ])("equals the float64 reference, forward and backward: $heads heads of $headSize, theta $theta", async (shape) => {
    const width = 3 * shape.heads * shape.headSize;
    const lengths = [1, 7, 31];
    const batch = packedBatch(lengths.map((length) => ({ length })));
    // Far positions too: the angles reach thousands of turns.
    const positions = Float64Array.from({ length: batch.rows }, (_, row) => [batch.tokens[4 * row + 1]!, 8191 - row, 500 + row][row % 3]!);
    positions.forEach((position, row) => {
      batch.tokens[4 * row + 1] = position;
    });
    const program = await build(device, (tape) => {
      const { tokens } = batchInputs(tape, { tokens: batch.rows + 3, sentences: lengths.length });
      const y = rotary(tape.input("qkv", f32(tokens.shape[0]!, width)), tokens, shape);
      return { y, dQkv: adjoint(y, tape.input("dy", y))[0]! };
    });
    const [qkv, dy] = [normals(batch.rows * width, 31), normals(batch.rows * width, 32)];
    const step = batchStep(batch);
    const { y, dQkv } = await execute(program, { inputs: { tokens: step.inputs.tokens, qkv, dy }, live: { tokens: batch.rows } });
    const f = (at: Float64Array) => reference(at, positions, shape);
    expectClose(y!, f(Float64Array.from(qkv)), { c: 6 });
    expectAdjoint(dQkv!, qkv, dy, f, { c: 6 });
    const value = (row: number) => [row * width + (2 * width) / 3, (row + 1) * width] as const;
    expectSame(y!.slice(...value(4)), qkv.slice(...value(4)));
    program.close();
  });

  it("refuses heads that do not divide into two halves of vectors", async () => {
    const recorded = build(device, (tape) => {
      const { tokens } = batchInputs(tape, { tokens: 5, sentences: 1 });
      return { y: rotary(tape.input("qkv", f32(tokens.shape[0]!, 36)), tokens, { heads: 1, theta: 10_000 }) };
    });
    await expect(recorded).rejects.toThrow(ShapeError);
  });
});
