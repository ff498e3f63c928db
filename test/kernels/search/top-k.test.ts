import { describe, expect, it } from "vitest";
import { f32, u32 } from "../../../src/kernels/language/operation.ts";
import { maskWords, noIndex, topK } from "../../../src/kernels/search/top-k.ts";
import { openTestDevice } from "../../device.ts";
import { largest } from "../../reference/search.ts";
import { integers, normals } from "../data.ts";
import { build, execute } from "../run.ts";

const device = await openTestDevice();

/** The number of stripes a row is shared by, as either machine has it. */
const variants = [
  { name: "software", capabilities: { ...device.capabilities, software: true } },
  { name: "hardware", capabilities: { ...device.capabilities, software: false } },
];

/** Indices that stand in an output's memory. */
const asIndices = (memory: Float32Array) => new Uint32Array(memory.buffer, memory.byteOffset, memory.length);

describe.each(variants)("topK, $name", ({ capabilities }) => {
  const record = (rows: number, columns: number, k: number) =>
    build(device, (tape) => ({ ...topK(tape.input("scores", f32(tape.extent("rows", rows), columns)), k) }), capabilities);

  it.each([
    [1, 1],
    [7, 1],
    [7, 5],
    [57, 7],
    [1001, 1],
    [1001, 30],
    [20_011, 5],
    [20_011, 57],
    [20_011, 300],
    [20_011, 1024],
  ])("finds the largest of %i scores, k = %i", async (columns, k) => {
    const program = await record(9, columns, k);
    for (const rows of [7, 1]) {
      const scores = normals(rows * columns, columns + k);
      const found = await execute(program, { inputs: { scores }, live: { rows } });
      const indices = asIndices(found.indices!);
      for (let row = 0; row < rows; row++) {
        const own = scores.subarray(row * columns, (row + 1) * columns);
        const expected = largest(own, k);
        expect([...indices.subarray(row * k, row * k + expected.length)]).toEqual(expected);
        expect([...found.scores!.subarray(row * k, row * k + expected.length)]).toEqual(expected.map((i) => own[i]));
        for (let j = expected.length; j < k; j++) expect(indices[row * k + j]).toBe(noIndex);
      }
    }
    program.close();
  });

  it("puts the lower index first where scores are equal", async () => {
    const [columns, k] = [1001, 57];
    const program = await record(1, columns, k);
    const scores = Float32Array.from(integers(columns, 4, 1));
    const { indices } = await execute(program, { inputs: { scores } });
    expect([...asIndices(indices!)]).toEqual(largest(scores, k));
    program.close();
  });

  it.each([57, 20_011])("counts only the columns of a mask: %i", async (columns) => {
    const [rows, k] = [3, 7];
    const program = await build(
      device,
      (tape) => ({ ...topK(tape.input("scores", f32(rows, columns)), k, { only: tape.input("only", u32(maskWords(columns))) }) }),
      capabilities,
    );
    const scores = normals(rows * columns, columns);
    for (const taken of [(c: number) => c % 5 === 2, (c: number) => c === columns - 1, () => false]) {
      const only = new Uint32Array(maskWords(columns));
      for (let c = 0; c < columns; c++) if (taken(c)) only[c >> 5]! |= 1 << (c & 31);
      const indices = asIndices((await execute(program, { inputs: { scores, only } })).indices!);
      for (let row = 0; row < rows; row++) {
        const own = scores.subarray(row * columns, (row + 1) * columns);
        const expected = largest(own, columns).filter(taken).slice(0, k);
        expect([...indices.subarray(row * k, (row + 1) * k)]).toEqual([...expected, ...Array(k - expected.length).fill(noIndex)]);
      }
    }
    program.close();
  });

  it("goes on from an earlier part", async () => {
    const [rows, k] = [7, 5];
    const parts = [1001, 3, 4099];
    const program = await build(
      device,
      (tape) => {
        let after: ReturnType<typeof topK> | undefined;
        let firstIndex = 0;
        for (const [i, columns] of parts.entries()) {
          after = topK(tape.input(`part ${i}`, f32(rows, columns)), k, { firstIndex, ...(after ? { after } : {}) });
          firstIndex += columns;
        }
        return { ...after! };
      },
      capabilities,
    );
    // Few distinct values: equal scores stand in several parts.
    const data = parts.map((columns, i) => Float32Array.from(integers(rows * columns, 300, i)));
    const found = await execute(program, { inputs: Object.fromEntries(data.map((scores, i) => [`part ${i}`, scores])) });
    for (let row = 0; row < rows; row++) {
      const own = data.flatMap((scores, i) => [...scores.subarray(row * parts[i]!, (row + 1) * parts[i]!)]);
      expect([...asIndices(found.indices!).subarray(row * k, (row + 1) * k)]).toEqual(largest(own, k));
    }
    program.close();
  });
});
