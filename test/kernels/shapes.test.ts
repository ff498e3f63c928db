/** max, softmax, transpose, slice and concat: forward and backward against float64, with a live first dimension where it is 1001. */
import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { concat } from "../../src/kernels/concat.ts";
import { elementCount, f32, type Value } from "../../src/kernels/language/operation.ts";
import { max } from "../../src/kernels/max.ts";
import { slice } from "../../src/kernels/slice.ts";
import { softmax } from "../../src/kernels/softmax.ts";
import { transpose } from "../../src/kernels/transpose.ts";
import { openTestDevice } from "../device.ts";
import { linesAlong } from "../reference/reductions.ts";
import * as reference from "../reference/shapes.ts";
import { expectAdjoint, expectClose, type Tolerance } from "./close.ts";
import { laidOut, livePart, normals } from "./data.ts";
import { adjoint, build, execute } from "./run.ts";
import { rowVariants } from "./variants.ts";

const device = await openTestDevice();

const room = 1003;

interface Comparison {
  readonly shape: readonly number[];
  readonly record: (x: Value) => Value;
  readonly reference: (x: ArrayLike<number>, shape: readonly number[]) => ArrayLike<number>;
  readonly tolerance?: Tolerance;
  readonly data?: (count: number) => Float32Array;
}

async function compare(
  { shape, record, reference, tolerance = { c: 0 }, data = (size) => normals(size, 131) }: Comparison,
  capabilities = device.capabilities,
) {
  const live = shape[0] === 1001;
  const program = await build(
    device,
    (tape) => {
      const type = f32(...shape.map((size, k) => (k === 0 && live ? tape.extent("rows", room) : size)));
      const y = record(tape.input("x", type));
      return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
    },
    capabilities,
  );
  for (const rows of live ? [1001, 57, 1] : [shape[0]!]) {
    const own = [rows, ...shape.slice(1)];
    const x = data(elementCount(own));
    const expected = reference(x, own);
    const dy = normals(expected.length, 132);
    const { y, dx } = await execute(program, { inputs: { x, dy }, ...(live && { live: { rows } }) });
    expectClose(y!, expected, tolerance);
    const f = (values: ArrayLike<number>) => reference(values, own);
    expectAdjoint(dx!, x, dy, f, { c: 8, terms: 4, scale: 2, ...tolerance, samples: 6 });
  }
  program.close();
}

/** Distinct numbers far enough from each other that differences never change their order. */
const distinct = (size: number) => {
  const order = [...normals(size, 133)].map((v, i) => [v, i] as const).sort(([a], [b]) => a - b);
  const values = new Float32Array(size);
  order.forEach(([, i], rank) => {
    values[i] = rank / 64;
  });
  return values;
};

describe.each(rowVariants(device))("$name", ({ capabilities }) => {
  it.each([
    { shape: [57], axis: 0 },
    { shape: [1001, 7], axis: 1 },
    { shape: [1001, 64], axis: -1 },
    { shape: [57, 7], axis: 0 },
    { shape: [57, 8], axis: 0 },
    { shape: [1001, 3, 4], axis: 1 },
    { shape: [57, 3, 7], axis: -2 },
  ])("max over axis $axis of $shape equals the reference", async ({ shape, axis }) => {
    const at = axis < 0 ? axis + shape.length : axis;
    await compare(
      {
        shape,
        record: (x) => max(x, axis),
        reference: (x, own) => linesAlong(x, own, at).map((line) => Math.max(...line)),
        data: distinct,
        tolerance: {},
      },
      capabilities,
    );
  });

  it.each([[57], [1001, 7], [1001, 64], [57, 1], [7, 1001], [1001, 3, 8]].map((shape) => ({ shape })))(
    "softmax of $shape equals the reference",
    async ({ shape }) => {
      await compare(
        { shape, record: (x) => softmax(x), reference: (x, own) => reference.softmax(x, own.at(-1)!), tolerance: { c: 16 } },
        capabilities,
      );
    },
  );

  it("softmax and max take live columns, and never what lies beyond them", async () => {
    const program = await build(
      device,
      (tape) => {
        const x = tape.input("x", f32(tape.extent("rows", 9), tape.extent("columns", 59)));
        const y = softmax(x);
        return { y, top: max(x, 1), dx: adjoint(y, tape.input("dy", y))[0]! };
      },
      capabilities,
    );
    for (const [rows, columns] of [
      [7, 57],
      [1, 1],
    ] as const) {
      const x = normals(rows * columns, 134);
      const dy = normals(rows * columns, 135);
      const inputs = { x: laidOut(x, columns, 59), dy: laidOut(dy, columns, 59) };
      const { y, top, dx } = await execute(program, { inputs, live: { rows, columns } });
      const f = (values: ArrayLike<number>) => reference.softmax(values, columns);
      expectClose(livePart(y!, rows, columns, 59), f(x), { c: 16 });
      expectAdjoint(livePart(dx!, rows, columns, 59), x, dy, f, { c: 16, scale: 1 });
      expectClose(
        top!,
        linesAlong(x, [rows, columns], 1).map((line) => Math.max(...line)),
        { c: 0 },
      );
    }
    program.close();
  });

  it("softmax neither overflows nor turns NaN for numbers far from zero", async () => {
    const program = await build(device, (tape) => ({ y: softmax(tape.input("x", f32(2, 4))) }), capabilities);
    const { y } = await execute(program, { inputs: { x: Float32Array.of(1e30, 1e30, -1e30, 0, -3e38, -3e38, -3e38, -3e38) } });
    expect([...y!]).toEqual([0.5, 0.5, 0, 0, 0.25, 0.25, 0.25, 0.25]);
    program.close();
  });

  it("of equal largest values the first one gets the gradient", async () => {
    const program = await build(
      device,
      (tape) => {
        const y = max(tape.input("x", f32(2, 4)), 1);
        return { dx: adjoint(y, tape.input("dy", y))[0]! };
      },
      capabilities,
    );
    const { dx } = await execute(program, { inputs: { x: Float32Array.of(1, 3, 3, 0, 5, 5, 5, 5), dy: Float32Array.of(1, 2) } });
    expect([...dx!]).toEqual([0, 1, 0, 0, 2, 0, 0, 0]);
    program.close();
  });
});

describe("softmax over another axis", () => {
  it("is the softmax of the lines along it", async () => {
    const y = await build(device, (tape) => ({ y: softmax(tape.input("x", f32(7, 5, 4)), 1) }));
    const x = normals(140, 136);
    const found = await execute(y, { inputs: { x } });
    const expected = reference.transpose(reference.softmax(reference.transpose(x, [7, 5, 4], [0, 2, 1]), 5), [7, 4, 5], [0, 2, 1]);
    expectClose(found.y!, expected, { c: 16 });
    y.close();
  });
});

describe("transpose", () => {
  it.each([
    { shape: [57, 7], axes: [1, 0] },
    { shape: [57, 64], axes: [1, 0] },
    { shape: [64, 57], axes: [1, 0] },
    { shape: [1001, 3, 4], axes: [0, 2, 1] },
    { shape: [5, 2, 3, 8], axes: [2, 0, 3, 1] },
    { shape: [1, 7], axes: [1, 0] },
  ])("puts the axes of $shape in the order $axes", async ({ shape, axes }) => {
    await compare({ shape, record: (x) => transpose(x, axes), reference: (x, own) => reference.transpose(x, own, axes), tolerance: {} });
  });
});

describe("slice", () => {
  it.each([
    { shape: [1001, 7], axis: 1, start: 2, end: 5 },
    { shape: [1001, 64], axis: -1, start: 8, end: 20 },
    { shape: [57, 7], axis: 0, start: 3, end: 57 },
    { shape: [57, 8], axis: 0, start: 0, end: 1 },
    { shape: [1001, 5, 4], axis: 1, start: 1, end: 2 },
  ])("takes $start to $end of axis $axis of $shape, and zero is the gradient of the rest", async ({ shape, axis, start, end }) => {
    const at = axis < 0 ? axis + shape.length : axis;
    await compare({
      shape,
      record: (x) => slice(x, axis, start, end),
      reference: (x, own) => reference.slice(x, own, at, start, end),
      tolerance: {},
    });
  });
});

describe("concat", () => {
  it.each([
    { a: [1001, 7], b: [1001, 5], axis: 1 },
    { a: [1001, 8], b: [1001, 4], axis: -1 },
    { a: [5, 7], b: [57, 7], axis: 0 },
    { a: [1001, 2, 4], b: [1001, 3, 4], axis: 1 },
  ])("puts $b behind $a along axis $axis, and takes its gradient apart", async ({ a, b, axis }) => {
    const live = a[0] === 1001;
    const program = await build(device, (tape) => {
      const typed = (shape: readonly number[]) => f32(...shape.map((size) => (size === 1001 ? tape.extent("rows", room) : size)));
      const y = concat([tape.input("a", typed(a)), tape.input("b", typed(b))], axis);
      const [da, db] = adjoint(y, tape.input("dy", y));
      return { y, da: da!, db: db! };
    });
    const at = axis < 0 ? axis + a.length : axis;
    for (const rows of live ? [1001, 57, 1] : [0]) {
      const own = (shape: readonly number[]) => shape.map((size) => (size === 1001 ? rows : size));
      const [dataA, dataB] = [normals(elementCount(own(a)), 137), normals(elementCount(own(b)), 138)];
      const f = (x: ArrayLike<number>, z: ArrayLike<number>) =>
        reference.concat({ data: x, shape: own(a) }, { data: z, shape: own(b) }, at);
      const dy = normals(dataA.length + dataB.length, 139);
      const found = await execute(program, { inputs: { a: dataA, b: dataB, dy }, ...(live && { live: { rows } }) });
      expectClose(found.y!, f(dataA, dataB), { c: 0 });
      expectAdjoint(found.da!, dataA, dy, (x) => f(x, dataB), { samples: 4 });
      expectAdjoint(found.db!, dataB, dy, (x) => f(dataA, x), { samples: 4 });
    }
    program.close();
  });
});

it("shapes that do not fit are refused by name", async () => {
  const recorded = (use: (tape: Parameters<Parameters<typeof build>[1]>[0]) => Value) => build(device, (tape) => ({ y: use(tape) }));
  await expect(recorded((tape) => transpose(tape.input("x", f32(3, 4)), [0, 0]))).rejects.toThrow(
    "transpose: [3, 4] has the axes 0, 1, not 0, 0.",
  );
  await expect(recorded((tape) => slice(tape.input("x", f32(3, 4)), 1, 2, 5))).rejects.toThrow(
    "slice: axis 1 of [3, 4] has no elements 2 to 5.",
  );
  await expect(recorded((tape) => slice(tape.input("x", f32(tape.extent("n", 3), 4)), 0, 0, 2))).rejects.toThrow("is live");
  await expect(recorded((tape) => concat([tape.input("a", f32(3, 4)), tape.input("b", f32(2, 5))], 0))).rejects.toThrow(
    "concat: value 1 must be",
  );
  await expect(recorded((tape) => softmax(tape.input("x", f32(3, 4)), 2))).rejects.toThrow(ShapeError);
  // The place of the largest is found as an f32.
  await expect(recorded((tape) => max(tape.input("x", f32(2 ** 24 + 1)), 0))).rejects.toThrow(
    /\[16777217\] have more than 16777216 elements/,
  );
});
