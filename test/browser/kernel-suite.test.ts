/** The page's kernel suite, on the test device: correct kernels pass, and wrong ones fail. */
import { describe, expect, it } from "vitest";
import type { Tape } from "../../src/autograd/tape.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { scale } from "../../src/kernels/pointwise/operation.ts";
import { deviation, type Finding, type FunctionCheck, functionCheck, runKernelSuite } from "../../web/under-the-hood/kernel-suite.ts";
import { openTestDevice } from "../device.ts";
import { normals } from "../kernels/data.ts";

const device = await openTestDevice();

const doubling: FunctionCheck = {
  operation: "doubling",
  inputs: { x: normals(57, 1) },
  record: (tape) => scale(tape.input("x", f32(57)), 2),
  reference: ({ x }) => Float64Array.from(x!, (v) => 2 * v),
};

async function findings(check: Partial<FunctionCheck>): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of runKernelSuite(device, [functionCheck({ ...doubling, ...check })])) found.push(finding);
  return found;
}

describe("runKernelSuite", () => {
  it("passes an operation and its gradient that are as they should be", async () => {
    expect(await findings({})).toMatchObject([
      { operation: "doubling", passed: true },
      { operation: "doubling, gradient", passed: true },
    ]);
  });

  it("fails both when the operation is another", async () => {
    expect((await findings({ record: (tape) => scale(tape.input("x", f32(57)), 2.0001) })).map(({ passed }) => passed)).toEqual([
      false,
      false,
    ]);
  });

  it("fails the gradient alone when only that is wrong", async () => {
    // The same values where the gradient is taken, at another slope.
    const reference: FunctionCheck["reference"] = ({ x }) => Float64Array.from(x!, (v, i) => 2 * v + 0.01 * (v - doubling.inputs.x![i]!));
    expect((await findings({ reference })).map(({ passed }) => passed)).toEqual([true, false]);
  });

  it("tells of an operation that does not run", async () => {
    const record = (tape: Tape) => matmul(tape.input("x", f32(3, 19)), tape.input("b", f32(2, 2)), "nn");
    expect(await findings({ record })).toMatchObject([
      { operation: "doubling", passed: false, failure: expect.stringContaining("matmul") },
    ]);
  });
});

describe("deviation", () => {
  it("is infinite for what is no number or is missing", () => {
    expect(deviation([1, Number.NaN], [1, 1]).error).toBe(Number.POSITIVE_INFINITY);
    expect(deviation([1], [1, 1]).error).toBe(Number.POSITIVE_INFINITY);
  });
});
