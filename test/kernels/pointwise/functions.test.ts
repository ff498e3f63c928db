/** Every row of the table of pointwise functions, forward and backward, against float64 and finite differences. */
import { describe, expect, it } from "vitest";
import { OptionError } from "../../../src/errors.ts";
import { f32 } from "../../../src/kernels/language/operation.ts";
import { functions, type PointwiseFunction } from "../../../src/kernels/pointwise/functions.ts";
import { type PointwiseOperation, pointwiseOperation, scale } from "../../../src/kernels/pointwise/operation.ts";
import { add, gelu, geluTanh, maximum, minimum, relu, sigmoid, silu, tanh } from "../../../src/kernels/pointwise/pointwise.ts";
import { openTestDevice } from "../../device.ts";
import { slope } from "../../reference/differences.ts";
import { pointwise } from "../../reference/pointwise.ts";
import { expectClose } from "../close.ts";
import { normals, shapes } from "../data.ts";
import { adjoint, build, execute, run } from "../run.ts";
import { constants, domains, promisedTanh, tolerancesOf } from "./cases.ts";

const device = await openTestDevice();

type Name = keyof typeof functions;

const rows = Object.entries<PointwiseFunction>(functions).map(([name, { derivatives }]) => ({
  name: name as Name,
  operands: Object.keys(derivatives),
}));

/** A program of a function of matrices of the table's operands, and of its gradients. */
function record({ name, operands }: (typeof rows)[number], capacity: number, width: number) {
  const { apply }: PointwiseOperation = pointwiseOperation(name, functions[name]);
  return build(device, (tape) => {
    const type = f32(tape.extent("rows", capacity), width);
    const y = apply(
      operands.map((operand) => tape.input(operand, type)),
      constants[name],
    );
    const gradients = adjoint(y, tape.input("dy", y));
    return { y, ...Object.fromEntries(operands.map((operand, i) => [`d${operand}`, gradients[i]!])) };
  });
}

async function compare({ name, operands }: (typeof rows)[number], { capacity, width, live }: (typeof shapes)[number]) {
  const program = await record({ name, operands }, capacity, width);
  const numbers = Object.values(constants[name] ?? {});
  const f = (...values: number[]) => pointwise[name]!(...values, ...numbers);
  const { y: tolerance, dx: gradientTolerance } = tolerancesOf(name);
  for (const count of live) {
    const given = operands.map((_, k) =>
      normals(count * width, 101 + k, { deviation: 2 }).map((value) => domains[name]?.(value, k) ?? value),
    );
    const dy = normals(count * width, 111);
    const inputs = { ...Object.fromEntries(operands.map((operand, k) => [operand, given[k]!])), dy };
    const found = await execute(program, { inputs, live: { rows: count } });
    const at = (i: number) => given.map((values) => values[i]!);
    expectClose(
      found.y!,
      Array.from(dy, (_, i) => f(...at(i))),
      tolerance,
    );
    for (const [k, operand] of operands.entries()) {
      const along = (i: number) => slope((moved) => f(...at(i).map((value, other) => (other === k ? moved : value))), given[k]![i]!);
      expectClose(
        found[`d${operand}`]!,
        Array.from(dy, (v, i) => v * along(i)),
        gradientTolerance,
      );
    }
  }
  program.close();
}

describe("a pointwise function", () => {
  // One width of single elements and one of vectors: the kernels of all functions have the same frame.
  const few = shapes.filter(({ width }) => width === 7 || width === 64);

  it.each(rows)("$name equals the float64 reference, forward and backward", async (row) => {
    for (const shape of few) await compare(row, shape);
  });

  it.each(shapes)("has every element in its place at width $width", async (shape) => {
    await compare({ name: "silu", operands: ["x"] }, shape);
  });

  it("takes a constant that differs from step to step", async () => {
    const program = await build(device, (tape) => {
      const y = scale(tape.input("x", f32(6)), tape.scalar("factor"));
      return { y, dx: adjoint(y, tape.input("dy", y))[0]!, least: maximum(tape.input("z", f32(6)), tape.scalar("factor")) };
    });
    const [x, dy] = [normals(6, 5), normals(6, 6)];
    for (const factor of [0.5, -4, 0]) {
      const { y, dx, least } = await execute(program, { inputs: { x, dy, z: x }, scalars: { factor } });
      // Powers of two: exact.
      expect(Array.from(y!)).toEqual(Array.from(x, (v) => factor * v));
      expect(Array.from(dx!)).toEqual(Array.from(dy, (v) => factor * v));
      expect(Array.from(least!)).toEqual(Array.from(x, (v) => Math.max(v, factor)));
    }
    program.close();
  });

  it("refuses a constant that is no number", async () => {
    await expect(build(device, (tape) => ({ y: scale(tape.input("x", f32(6)), Number.NaN) }))).rejects.toThrow(OptionError);
  });

  it("records nothing for a factor of one, and hands the gradient of a sum on unchanged", async () => {
    const program = await build(device, (tape) => {
      const x = tape.input("x", f32(5));
      const y = add(x, tape.input("b", f32(5)));
      const dy = tape.input("dy", y);
      expect(scale(x, 1)).toBe(x);
      expect(adjoint(y, dy)).toEqual([dy, dy]);
      return { y };
    });
    expect(program.plan.steps).toHaveLength(1);
    program.close();
  });
});

/** Values and gradients of ones of functions of a vector, by name. */
async function atPoints(names: Readonly<Record<string, typeof gelu>>, x: Float32Array, width: number) {
  const dy = new Float32Array(x.length).fill(1);
  return run(device, {
    record: (tape, [held]) =>
      Object.fromEntries(
        Object.entries(names).flatMap(([name, f]) => {
          const y = f(tape.use(held!));
          return [
            [name, y],
            [`${name} gradient`, adjoint(y, tape.input(`dy ${name}`, y))[0]!],
          ];
        }),
      ),
    tensors: [{ shape: [x.length / width, width], data: x }],
    step: { inputs: Object.fromEntries(Object.keys(names).map((name) => [`dy ${name}`, dy])) },
  });
}

describe.each([1, 4])("far from zero, in vectors of %i", (width) => {
  const far = [20, 88, 89, 90, 100, 1e4, 1e30, 3e38];
  const x = Float32Array.from([...far, ...far.map((v) => -v)]);
  const zeros = far.map(() => 0);
  const ones = far.map(() => 1);

  it("functions that level off are at their ends, with slope 0 or 1, and never NaN", async () => {
    const found = await atPoints({ tanh, sigmoid, gelu, geluTanh, silu }, x, width);
    expectClose(found.tanh!, [...ones, ...far.map(() => -1)], { c: promisedTanh });
    expect(Math.max(...found.tanh!.map(Math.abs))).toBeLessThanOrEqual(1);
    expectClose(found["tanh gradient"]!, [...zeros, ...zeros], { c: 2 * promisedTanh, scale: 1 });
    expectClose(found.sigmoid!, [...ones, ...zeros]);
    expectClose(found["sigmoid gradient"]!, [...zeros, ...zeros], { scale: 1 });
    for (const name of ["gelu", "geluTanh", "silu"]) {
      // Half of the numbers are as large as they come: relative to each, not to the largest.
      expectClose(
        found[name]!.map((v, i) => v / Math.abs(x[i]!)),
        [...ones, ...zeros],
      );
      expectClose(found[`${name} gradient`]!, [...ones, ...zeros], { c: 16 });
    }
  });
});

describe("where a function bends", () => {
  it("the gradient is 0 for relu and 1 for maximum and minimum, and relu of zero is zero", async () => {
    const x = Float32Array.of(-1, 0, 2, 3);
    const found = await atPoints({ relu, most: (v) => minimum(v, 2), least: (v) => maximum(v, 2) }, x, 1);
    expect([...found.relu!]).toEqual([0, 0, 2, 3]);
    expect([...found["relu gradient"]!]).toEqual([0, 0, 1, 1]);
    expect([...found.most!]).toEqual([-1, 0, 2, 2]);
    expect([...found["most gradient"]!]).toEqual([1, 1, 1, 0]);
    expect([...found.least!]).toEqual([2, 2, 2, 3]);
    expect([...found["least gradient"]!]).toEqual([0, 0, 1, 1]);
  });
});
