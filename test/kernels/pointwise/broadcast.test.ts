/** Operands that broadcast, forward and backward, on the shapes that kernels read in different ways. */
import { describe, expect, it } from "vitest";
import { ShapeError } from "../../../src/errors.ts";
import { broadcastShapes } from "../../../src/kernels/language/broadcast.ts";
import { elementCount, f32 } from "../../../src/kernels/language/operation.ts";
import { add, mul, sub } from "../../../src/kernels/pointwise/pointwise.ts";
import { openTestDevice } from "../../device.ts";
import { broadcast } from "../../reference/broadcast.ts";
import { expectAdjoint, expectClose } from "../close.ts";
import { normals } from "../data.ts";
import { adjoint, build, execute } from "../run.ts";

const device = await openTestDevice();

/** Two shapes; a first dimension of 1001 is a live one with room for 1003. */
const pairs: readonly (readonly [a: readonly number[], b: readonly number[]])[] = [
  [[1001, 7], [7]],
  [[1001, 64], [64]],
  [
    [1001, 7],
    [1001, 1],
  ],
  [
    [1001, 64],
    [1001, 1],
  ],
  [[1001, 4], [1]],
  [[57], [1]],
  [[64], [1]],
  [
    [57, 1],
    [1, 7],
  ],
  [
    [57, 1],
    [1, 8],
  ],
  [
    [1001, 3, 4],
    [3, 1],
  ],
  [
    [1001, 1, 7],
    [3, 1],
  ],
  [
    [5, 3, 1, 8],
    [1, 3, 7, 1],
  ],
  [
    [5, 1, 2, 6],
    [3, 1, 6],
  ],
];

const room = 1003;

describe("operands that broadcast", () => {
  it.each(pairs.map(([a, b]) => ({ a, b })))("$a and $b equal the float64 reference, forward and backward", async ({ a, b }) => {
    const live = [a, b].some((shape) => shape[0] === 1001);
    const program = await build(device, (tape) => {
      const typed = (shape: readonly number[]) => f32(...shape.map((size) => (size === 1001 ? tape.extent("rows", room) : size)));
      const y = mul(tape.input("a", typed(a)), tape.input("b", typed(b)));
      const [da, db] = adjoint(y, tape.input("dy", y));
      return { y, da: da!, db: db! };
    });
    const known = (shape: readonly number[]) => f32(...shape);
    for (const rows of live ? [1001, 57, 1] : [0]) {
      const at = (shape: readonly number[]) => shape.map((size) => (size === 1001 ? rows : size));
      const shapes = { a: at(a), b: at(b) };
      const shape = broadcastShapes("test", [known(shapes.a).shape, known(shapes.b).shape]) as number[];
      const data = { a: normals(elementCount(shapes.a), 121), b: normals(elementCount(shapes.b), 122) };
      const dy = normals(elementCount(shape), 123);
      const found = await execute(program, { inputs: { ...data, dy }, ...(live && { live: { rows } }) });
      const f = (x: ArrayLike<number>, y: ArrayLike<number>) =>
        broadcast((p, q) => p * q, { data: x, shape: shapes.a }, { data: y, shape: shapes.b }, shape);
      expectClose(found.y!, f(data.a, data.b), { c: 2 });
      const terms = (own: readonly number[]) => elementCount(shape) / elementCount(own);
      expectAdjoint(found.da!, data.a, dy, (x) => f(x, data.b), { terms: terms(shapes.a), scale: 4, samples: 4 });
      expectAdjoint(found.db!, data.b, dy, (x) => f(data.a, x), { terms: terms(shapes.b), scale: 4, samples: 4 });
    }
    program.close();
  });

  it("sums the gradient in the same order each time", async () => {
    const program = await build(device, (tape) => {
      const y = add(tape.input("a", f32(1001, 7)), tape.input("b", f32(7)));
      return { db: adjoint(y, tape.input("dy", y))[1]! };
    });
    const inputs = { dy: normals(1001 * 7, 124) };
    const first = await execute(program, { inputs });
    expect((await execute(program, { inputs })).db).toEqual(first.db);
    program.close();
  });

  it("are refused by name where they do not fit", async () => {
    const fails = (a: readonly number[], b: readonly number[]) =>
      build(device, (tape) => ({ y: sub(tape.input("a", f32(...a)), tape.input("b", f32(...b))) }));
    await expect(fails([4, 3], [3, 4])).rejects.toThrow("sub: [4, 3] and [3, 4] do not broadcast.");
    await expect(fails([4, 3], [4])).rejects.toThrow(ShapeError);
    await expect(build(device, (tape) => ({ y: sub(tape.input("a", f32(tape.extent("n", 4))), tape.input("b", f32(4))) }))).rejects.toThrow(
      "sub: [n≤4] and [4] do not broadcast.",
    );
  });
});
