import { describe, expect, it } from "vitest";
import { f32 } from "../../../src/kernels/language/operation.ts";
import { globalNorm } from "../../../src/kernels/optimizer/global-norm.ts";
import { openTestDevice } from "../../device.ts";
import * as reference from "../../reference/reductions.ts";
import { expectClose } from "../close.ts";
import { normals } from "../data.ts";
import { build, execute } from "../run.ts";
import { rowVariants } from "../variants.ts";

const device = await openTestDevice();

/** Fewer elements than threads, odd counts, and more than one element a thread, scalar and vector. */
const cases: number[][] = [[1], [7], [57, 1001], [20_001, 4], [4, 64, 70_000, 1]];

describe.each(rowVariants(device))("globalNorm, $name", ({ name, capabilities }) => {
  it.each(cases.map((counts) => ({ counts })))("equals the float64 reference for tensors of $counts", async ({ counts }) => {
    const program = await build(
      device,
      (tape) => ({
        norm: globalNorm(
          tape,
          counts.map((count, i) => tape.input(`x${i}`, f32(count))),
        ),
      }),
      capabilities,
    );
    expect(program.plan.steps.at(-1)!.lowering.variant).toBe(name);
    const tensors = counts.map((count, i) => normals(count, 24 + i));
    const inputs = Object.fromEntries(tensors.map((x, i) => [`x${i}`, x]));
    const { norm } = await execute(program, { inputs });
    // All squares are positive: √K would do for random roundings, and the square root halves them.
    expectClose(norm!, [reference.globalNorm(tensors)], { terms: counts.reduce((a, b) => a + b) });
    expect((await execute(program, { inputs })).norm).toEqual(norm);
    program.close();
  });
});

it("shows infinities and NaN of any tensor in the norm", async () => {
  const program = await build(device, (tape) => ({ norm: globalNorm(tape, [tape.input("a", f32(100)), tape.input("b", f32(3))]) }));
  const a = normals(100, 30);
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 1e30]) {
    const { norm } = await execute(program, { inputs: { a, b: Float32Array.of(1, bad, 1) } });
    expect(Number.isFinite(norm![0])).toBe(false);
  }
  program.close();
});
