import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { elementCount, f32, u32 } from "../../src/kernels/language/operation.ts";
import { expand, mean, sum } from "../../src/kernels/sum.ts";
import { openTestDevice } from "../device.ts";
import { sourceIndex } from "../reference/broadcast.ts";
import * as reference from "../reference/reductions.ts";
import { expectAdjoint, expectClose, expectGradient } from "./close.ts";
import { laidOut, normals } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";
import { rowVariants } from "./variants.ts";

const device = await openTestDevice();

const room = 1003;

/** A first dimension of 1001 is a live one. */
const cases: readonly { readonly shape: readonly number[]; readonly axis: number }[] = [
  { shape: [57], axis: 0 },
  { shape: [1001, 7], axis: 1 },
  { shape: [1001, 64], axis: -1 },
  { shape: [1001, 7], axis: 0 },
  { shape: [1001, 64], axis: 0 },
  { shape: [7, 1001], axis: 1 },
  { shape: [1001, 3, 8], axis: 2 },
  { shape: [1001, 3, 8], axis: 1 },
  { shape: [1001, 3, 7], axis: -2 },
  { shape: [57, 3, 8], axis: 0 },
];

describe.each(rowVariants(device))("sum and mean, $name", ({ name, capabilities }) => {
  it.each(cases)("over axis $axis of $shape equal the float64 reference, forward and backward", async ({ shape, axis }) => {
    const live = shape[0] === 1001;
    const program = await build(
      device,
      (tape) => {
        const type = f32(...shape.map((size, k) => (k === 0 && live ? tape.extent("rows", room) : size)));
        const [total, average] = [sum(tape.input("x", type), axis), mean(tape.input("z", type), axis)];
        const [dx] = adjoint(total, tape.input("dy", total));
        const [dz] = adjoint(average, tape.input("dz", average));
        return { total, average, dx: dx!, dz: dz! };
      },
      capabilities,
    );
    const at = axis < 0 ? axis + shape.length : axis;
    for (const rows of live ? [1001, 57, 1] : [shape[0]!]) {
      const own = [rows, ...shape.slice(1)];
      const size = own[at]!;
      const x = normals(elementCount(own), 19, { mean: 1 });
      const dy = normals(elementCount(own) / size, 20);
      const found = await execute(program, { inputs: { x, z: x, dy, dz: dy }, ...(live && { live: { rows } }) });
      const f = (values: ArrayLike<number>) => reference.sumAlong(values, own, at);
      const average = (values: ArrayLike<number>) => f(values).map((v) => v / size);
      // Roundings of partial sums, whose size is the sum of magnitudes.
      expectClose(found.total!, f(x), { terms: size, scale: size });
      expectClose(found.average!, average(x), { terms: size, scale: 1 });
      expectAdjoint(found.dx!, x, dy, f, { samples: 4 });
      expectAdjoint(found.dz!, x, dy, average, { samples: 4 });
    }
    program.close();
  });

  it("take live columns, and never what lies beyond them", async () => {
    const program = await build(
      device,
      (tape) => {
        const x = tape.input("x", f32(tape.extent("rows", 59), tape.extent("columns", room)));
        const [average, whole] = [mean(x, 1, { keepDims: true }), sum(x)];
        return { average, whole, dx: adjoint(average, tape.input("dy", average))[0] ?? average };
      },
      capabilities,
    );
    expect(program.outputs.average.shape).toHaveLength(2);
    for (const [rows, columns] of [
      [57, 1001],
      [7, 7],
      [1, 1],
    ] as const) {
      const x = normals(rows * columns, 21, { mean: 1 });
      const { average, whole } = await execute(program, {
        inputs: { x: laidOut(x, columns, room), dy: new Float32Array(rows) },
        live: { rows, columns },
      });
      const totals = reference.sumAlong(x, [rows, columns], 1);
      expectClose(
        average!,
        totals.map((v) => v / columns),
        { terms: columns, scale: 1 },
      );
      expectClose(whole!, reference.sumAlong(totals, [rows], 0), { terms: rows * columns, scale: rows * columns });
    }
    program.close();
  });

  it("mean of a vector is what a loss of rows needs, for any live count", async () => {
    const program = await build(
      device,
      (tape) => {
        const y = mean(tape.input("x", f32(tape.extent("count", room))));
        return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
      },
      capabilities,
    );
    expect(program.plan.steps[0]!.lowering.variant).toBe(name);
    for (const rows of [1001, 57, 7, 1]) {
      const x = normals(rows, 19, { mean: 1 });
      const { y, dx } = await execute(program, { inputs: { x, dy: Float32Array.of(-1.5) }, live: { count: rows } });
      expectClose(y!, [reference.mean(x)], { terms: rows, scale: reference.mean(x.map(Math.abs)) });
      expectGradient(dx!, x, (values) => -1.5 * reference.mean(values));
    }
    // Of no elements it is 0, and not 0/0.
    expect((await execute(program, { inputs: { dy: Float32Array.of(1) }, live: { count: 0 } })).y![0]).toBe(0);
    program.close();
  });
});

describe("expand", () => {
  it.each([
    { from: [7], to: [57, 7] },
    { from: [57, 1], to: [57, 8] },
    { from: [3, 1, 4], to: [2, 3, 5, 4] },
  ])("repeats $from to $to, and sums the gradient", async ({ from, to }) => {
    const program = await build(device, (tape) => {
      const y = expand(tape.input("x", f32(...from)), to);
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    });
    const [x, dy] = [normals(elementCount(from), 22), normals(elementCount(to), 23)];
    const { y, dx } = await execute(program, { inputs: { x, dy } });
    const f = (values: ArrayLike<number>) => Array.from(dy, (_, i) => values[sourceIndex(i, from, to)]!);
    expectClose(y!, f(x), { c: 0 });
    expectAdjoint(dx!, x, dy, f, { terms: elementCount(to) / elementCount(from), scale: 2 });
    program.close();
  });
});

it("axes, shapes and dtypes that do not fit are refused by name", async () => {
  const recorded = (use: (tape: Parameters<Parameters<typeof build>[1]>[0]) => ReturnType<typeof sum>) =>
    build(device, (tape) => ({ y: use(tape) }));
  await expect(recorded((tape) => sum(tape.input("x", f32(3, 4)), 2))).rejects.toThrow("sum: [3, 4] has no axis 2.");
  await expect(recorded((tape) => mean(tape.input("x", f32(3, 4)), 0.5))).rejects.toThrow(ShapeError);
  await expect(recorded((tape) => sum(tape.input("x", u32(3))))).rejects.toThrow("sum: x must be f32 or f16, found u32 [3].");
  await expect(recorded((tape) => expand(tape.input("x", f32(3)), [4]))).rejects.toThrow(ShapeError);
});
