import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/errors.ts";
import { crossEntropy } from "../../src/kernels/cross-entropy.ts";
import { f32, u32 } from "../../src/kernels/language/operation.ts";
import { openTestDevice } from "../device.ts";
import * as reference from "../reference/cross-entropy.ts";
import { expectAdjoint, expectClose } from "./close.ts";
import { laidOut, livePart, normals } from "./data.ts";
import { adjoint, build, execute, tensor } from "./run.ts";
import { rowVariants } from "./variants.ts";

const device = await openTestDevice();

/**
 * exp and log of WGSL: 3 + 2|x| ulp of exp at logits some 20 apart, where it counts little, and log to 2⁻²¹. A fault would be far larger: one
 * logit too many or too few in a sum of a thousand is 10⁴ roundings.
 */
const c = 16;

describe.each(rowVariants(device))("crossEntropy, $name", ({ name, capabilities }) => {
  const record = (rowCapacity: number, columnCapacity: number) =>
    build(
      device,
      (tape) => {
        const loss = crossEntropy(tape.input("logits", f32(tape.extent("rows", rowCapacity), tape.extent("columns", columnCapacity))));
        return { loss, dLogits: adjoint(loss, tape.input("dLoss", loss))[0]! };
      },
      capabilities,
    );

  it.each([
    {
      rowCapacity: 1001,
      columnCapacity: 1003,
      sizes: [
        [1001, 1001],
        [7, 57],
        [1, 7],
        [1, 1],
      ],
    },
    {
      rowCapacity: 64,
      columnCapacity: 128,
      sizes: [
        [64, 128],
        [57, 114],
        [1, 2],
      ],
    },
  ])("equals the float64 reference with room for $rowCapacity × $columnCapacity", async ({ rowCapacity, columnCapacity, sizes }) => {
    const program = await record(rowCapacity, columnCapacity);
    expect(program.plan.steps.map(({ lowering }) => lowering.variant)).toEqual([name, name]);
    for (const [rows, columns] of sizes as [number, number][]) {
      const logits = normals(rows * columns, 35, { deviation: 5 });
      const dLoss = normals(rows, 36);
      const { loss, dLogits } = await execute(program, {
        inputs: { logits: laidOut(logits, columns, columnCapacity), dLoss },
        live: { rows, columns },
      });
      const f = (at: Float64Array) => reference.crossEntropy(at, columns);
      // Values of the size of the largest logits are rounded, even where the loss itself is small.
      expectClose(loss!, f(Float64Array.from(logits)), { c, scale: 20 });
      const samples = columns > 100 ? 2 : 12;
      const own = livePart(dLogits!, rows, columns, columnCapacity);
      expectAdjoint(own, logits, dLoss, f, { c, scale: 5, samples });
    }
    program.close();
  });

  it.each([
    { name: "hard negatives in a second matrix, weighted", hard: true, hardWeight: 0.7 },
    { name: "labels", withLabels: true },
    { name: "smoothed labels", smoothing: 0.1 },
    { name: "smoothed, with hard negatives", smoothing: 0.2, hard: true, hardWeight: -1 },
  ])(
    "equals the float64 reference with $name, for live sizes below the room",
    async ({ hard, hardWeight = 0, withLabels, smoothing = 0 }) => {
      const room = 31;
      const program = await build(
        device,
        (tape) => {
          const [rows, columns, more] = ["rows", "columns", "more"].map((extent) => tape.extent(extent, room));
          const logits = tape.input("logits", f32(rows!, columns!));
          const others = hard ? { hard: tape.input("hard", f32(rows!, more!)), hardWeight } : {};
          const labels = withLabels ? { labels: tape.input("labels", u32(rows!)) } : {};
          const loss = crossEntropy(logits, { ...others, ...labels, smoothing });
          const gradients = adjoint(loss, tape.input("dLoss", loss));
          return { loss, dLogits: gradients[0]!, ...(hard && { dHard: gradients.at(-1)! }) };
        },
        capabilities,
      );
      for (const [rows, columns] of [
        [31, 31],
        [7, 13],
        [1, 1],
      ] as const) {
        const hardColumns = hard ? rows : 0;
        const all = normals(rows * (columns + hardColumns), 41, { deviation: 3 });
        const part = (start: number, width: number) =>
          Float32Array.from(
            { length: rows * width },
            (_, i) => all[Math.floor(i / width) * (columns + hardColumns) + start + (i % width)]!,
          );
        const labels = Uint32Array.from({ length: rows }, (_, row) => (row * 7 + 3) % columns);
        const dLoss = normals(rows, 42);
        const found = await execute(program, {
          inputs: {
            logits: laidOut(part(0, columns), columns, room),
            ...(hard && { hard: laidOut(part(columns, hardColumns), hardColumns, room) }),
            ...(withLabels && { labels }),
            dLoss,
          },
          live: { rows, columns, ...(hard && { more: hardColumns }) },
        });
        const f = (at: Float64Array) =>
          reference.generalCrossEntropy(at, columns, { ...(withLabels && { labels }), hardColumns, hardWeight, smoothing });
        expectClose(found.loss!, f(Float64Array.from(all)), { c, scale: 20 });
        const live = [livePart(found.dLogits!, rows, columns, room), ...(hard ? [livePart(found.dHard!, rows, hardColumns, room)] : [])];
        const joined = Float32Array.from({ length: all.length }, (_, i) => {
          const [row, column] = [Math.floor(i / (columns + hardColumns)), i % (columns + hardColumns)];
          return column < columns ? live[0]![row * columns + column]! : live[1]![row * hardColumns + column - columns]!;
        });
        expectAdjoint(joined, all, dLoss, f, { c, scale: 5, samples: 12 });
      }
      program.close();
    },
  );

  it("neither overflows nor loses digits for logits far from zero", async () => {
    const program = await record(3, 3);
    const logits = Float32Array.of(1e4, 1e4 + 1, 1e4 - 1, -1e4, -1e4, -1e4, 1e4, 0, -1e4);
    const { loss, dLogits } = await execute(program, { inputs: { logits, dLoss: Float32Array.of(1, 1, 1) } });
    // The log-sum stands at 1e4 in f32, whose spacing there is 2⁻¹⁰.
    expectClose(loss!, reference.crossEntropy(Float64Array.from(logits), 3), { scale: 1e4 });
    const p = Math.exp(-2) + Math.exp(-1) + 1;
    const expected = [Math.exp(-1) / p - 1, 1 / p, Math.exp(-2) / p, 1 / 3, 1 / 3 - 1, 1 / 3, 1, 0, -1];
    expectClose(dLogits!, expected, { scale: 1e4 });
    program.close();
  });
});

describe("crossEntropy", () => {
  it("refuses fewer columns than rows where row i chooses column i", async () => {
    await expect(build(device, (tape) => ({ loss: crossEntropy(tape.input("logits", f32(8, 4))) }))).rejects.toThrow(
      "crossEntropy: without labels row i chooses column i, and [8, 4] has fewer columns than rows.",
    );
    await expect(
      build(device, (tape) => ({ loss: crossEntropy(tape.input("logits", f32(4, 8)), { smoothing: Number.NaN }) })),
    ).rejects.toThrow(OptionError);
  });

  it("refuses labels beyond the columns, and gives NaN for those that the host did not see and for a diagonal that has no column", async () => {
    const labels = Uint32Array.of(1, 4);
    const program = await build(device, (tape) => ({
      loss: crossEntropy(tape.input("logits", f32(2, 4)), { labels: tape.input("labels", u32(2)) }),
    }));
    const logits = Float32Array.of(0, 0, 0, 0, 0, 0, 0, 0);
    expect(() => program.run({ inputs: { logits, labels } })).toThrow("The input labels holds 4 at 1; there are 4 columns of the logits.");
    program.close();
    const held = tensor(device, [2], labels);
    const unseen = await build(device, (tape) => {
      const loss = crossEntropy(tape.input("logits", f32(2, 4)), { labels: tape.use(held) });
      return { loss, dLogits: adjoint(loss, tape.input("dLoss", loss))[0]! };
    });
    const { loss, dLogits } = await execute(unseen, { inputs: { logits, dLoss: Float32Array.of(1, 1) } });
    expectClose(loss!.subarray(0, 1), [Math.log(4)]);
    expect(loss![1]).toBeNaN();
    expectClose(dLogits!.subarray(0, 4), [0.25, -0.75, 0.25, 0.25]);
    expect(dLogits!.subarray(4).every(Number.isNaN)).toBe(true);
    unseen.close();
    const narrow = await build(device, (tape) => ({
      loss: crossEntropy(tape.input("logits", f32(tape.extent("rows", 8), tape.extent("columns", 8)))),
    }));
    const found = await execute(narrow, { inputs: { logits: new Float32Array(64) }, live: { rows: 3, columns: 2 } });
    expectClose(found.loss!.subarray(0, 2), [Math.LN2, Math.LN2]);
    expect(found.loss![2]).toBeNaN();
    narrow.close();
  });
});
