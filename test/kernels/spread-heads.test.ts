import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { spreadHeads } from "../../src/kernels/spread-heads.ts";
import { openTestDevice } from "../device.ts";
import { expectClose, expectSame } from "./close.ts";
import { normals } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";

const device = await openTestDevice();

describe("spreadHeads", () => {
  it.each([
    { heads: 6, groups: 2, size: 8 },
    { heads: 4, groups: 1, size: 7 },
    { heads: 3, groups: 3, size: 4 },
  ])(
    "repeats each of $groups heads for its part of $heads queries of $size, and adds up their gradients",
    async ({ heads, groups, size }) => {
      const [width, shared] = [heads * size, 2 * groups * size];
      const program = await build(device, (tape) => {
        const rows = tape.extent("rows", 40);
        const y = spreadHeads(tape.input("query", f32(rows, width)), tape.input("pair", f32(rows, shared)), { heads, groups });
        const [dQuery, dPair] = adjoint(y, tape.input("dy", y));
        return { y, dQuery: dQuery!, dPair: dPair! };
      });
      for (const rows of [1, 37]) {
        const [query, pair, dy] = [normals(rows * width, 71), normals(rows * shared, 72), normals(rows * 3 * width, 73)];
        const { y, dQuery, dPair } = await execute(program, { inputs: { query, pair, dy }, live: { rows } });
        const wanted = new Float32Array(rows * 3 * width);
        const wantedQuery = new Float32Array(rows * width);
        const wantedPair = new Float64Array(rows * shared);
        for (let row = 0; row < rows; row++) {
          for (let column = 0; column < 3 * width; column++) {
            const to = row * 3 * width + column;
            if (column < width) {
              wanted[to] = query[row * width + column]!;
              wantedQuery[row * width + column] = dy[to]!;
              continue;
            }
            const [part, head, element] = [Math.floor(column / width) - 1, Math.floor((column % width) / size), column % size];
            const from = row * shared + (part * groups + Math.floor(head / (heads / groups))) * size + element;
            wanted[to] = pair[from]!;
            wantedPair[from]! += dy[to]!;
          }
        }
        expectSame(y!, wanted);
        expectSame(dQuery!, wantedQuery);
        expectClose(dPair!, wantedPair, { terms: heads / groups });
      }
      program.close();
    },
  );

  it.each([
    [{ heads: 5, groups: 1 }, 24, 8],
    [{ heads: 6, groups: 4 }, 24, 32],
    [{ heads: 6, groups: 2 }, 24, 8],
  ])("refuses %o for %i columns of queries and %i of keys and values", async (attributes, width, shared) => {
    const recorded = build(device, (tape) => ({
      y: spreadHeads(tape.input("q", f32(3, width)), tape.input("kv", f32(3, shared)), attributes),
    }));
    await expect(recorded).rejects.toThrow(ShapeError);
  });
});
