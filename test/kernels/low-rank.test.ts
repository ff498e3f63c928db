import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { lowRank } from "../../src/kernels/low-rank.ts";
import { openTestDevice } from "../device.ts";
import { expectAdjoint, expectClose } from "./close.ts";
import { normals } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";

const device = await openTestDevice();
const scale = 1.75;

interface Case {
  readonly width: number;
  readonly block: number;
  readonly blocks: readonly number[];
  readonly rank: number;
}

function reference({ width, block, blocks, rank }: Case, base: ArrayLike<number>, u: ArrayLike<number>, up: ArrayLike<number>) {
  const y = Float64Array.from(base);
  for (let row = 0; row < y.length / width; row++) {
    blocks.forEach((place, adapter) => {
      for (let c = 0; c < block; c++) {
        for (let k = 0; k < rank; k++) {
          y[row * width + place * block + c]! +=
            scale * u[(row * blocks.length + adapter) * rank + k]! * up[(adapter * block + c) * rank + k]!;
        }
      }
    });
  }
  return y;
}

describe("lowRank", () => {
  it.each<Case>([
    { width: 48, block: 16, blocks: [0, 2], rank: 8 },
    { width: 48, block: 16, blocks: [1], rank: 3 },
    { width: 12, block: 4, blocks: [0, 1, 2], rank: 4 },
    { width: 21, block: 7, blocks: [2], rank: 1 },
    { width: 57, block: 57, blocks: [0], rank: 8 },
  ])("equals the float64 reference, forward and backward: blocks $blocks of $width columns, rank $rank", async (own) => {
    const { width, block, blocks, rank } = own;
    const capacity = 150;
    const up = normals(blocks.length * block * rank, 70);
    const program = await build(device, (tape) => {
      const rows = tape.extent("rows", capacity);
      const y = lowRank(
        tape.input("base", f32(rows, width)),
        tape.input("u", f32(rows, blocks.length * rank)),
        tape.input("up", f32(blocks.length * block, rank)),
        { blocks, scale },
      );
      const [dBase, du, dUp] = adjoint(y, tape.input("dy", y));
      return { y, dBase: dBase!, du: du!, dUp: dUp! };
    });
    // Part of a chunk, and more than one.
    for (const rows of [1, 131]) {
      const base = normals(rows * width, 71);
      const u = normals(rows * blocks.length * rank, 72);
      const dy = normals(rows * width, 73);
      const { y, dBase, du, dUp } = await execute(program, { inputs: { base, u, up, dy }, live: { rows } });
      expectClose(y!, reference(own, base, u, up), { terms: rank });
      expectClose(dBase!, dy, { c: 0 });
      expectAdjoint(du!, u, dy, (at) => reference(own, base, at, up), { terms: block });
      expectAdjoint(dUp!, up, dy, (at) => reference(own, base, u, at), { terms: rows });
    }
    program.close();
  });

  it("refuses blocks that the base does not have", async () => {
    const record = (blocks: readonly number[], rows: number) =>
      build(device, (tape) => ({
        y: lowRank(tape.input("base", f32(5, 12)), tape.input("u", f32(5, 2 * blocks.length)), tape.input("up", f32(rows, 2)), {
          blocks,
          scale,
        }),
      }));
    await expect(record([3], 4)).rejects.toThrow(ShapeError);
    await expect(record([0], 5)).rejects.toThrow(/no blocks 0 of 5 columns/);
  });
});
