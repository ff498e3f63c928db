import { describe, expect, it } from "vitest";
import { f32 } from "../../src/kernels/language/operation.ts";
import { layerNorm, residualLayerNorm } from "../../src/kernels/layer-norm.ts";
import { openTestDevice, profile } from "../device.ts";
import * as reference from "../reference/layer-norm.ts";
import { dropoutMask } from "../reference/random.ts";
import { expectAdjoint, expectClose } from "./close.ts";
import { normals, shapes } from "./data.ts";
import { batchInputs, batchOfRows, batchStep } from "./packed-batch.ts";
import { adjoint, build, execute } from "./run.ts";
import { rowVariants } from "./variants.ts";

const device = await openTestDevice();

const epsilon = 1e-5;

/** Some ten operations an element, and an inverse root of 2 ulp. */
const c = 12;

/** A row of four elements may have a deviation of a few tenths only, by which everything in it is divided. */
const spread = 4;

/** A core device has its own sums of a workgroup, without subgroups; a thread a row is the same everywhere. */
const variants = rowVariants(device).filter(({ capabilities }) => profile === "full" || !capabilities.software);

describe.each(variants)("layerNorm, $name", ({ name, capabilities }) => {
  it.each(shapes)("equals the float64 reference, forward and backward, at width $width", async ({ width, capacity, live }) => {
    const program = await build(
      device,
      (tape) => {
        const [weight, bias] = [tape.input("weight", f32(width)), tape.input("bias", f32(width))];
        const y = layerNorm(tape.input("x", f32(tape.extent("rows", capacity), width)), weight, bias, epsilon);
        const [dx, dWeight, dBias] = adjoint(y, tape.input("dy", y));
        return { y, dx: dx!, dWeight: dWeight!, dBias: dBias! };
      },
      capabilities,
    );
    expect(program.plan.steps[0]!.lowering.variant).toBe(name);
    for (const rows of live) {
      const x = normals(rows * width, 50, { mean: 0.5 });
      const [weight, bias] = [normals(width, 51, { mean: 1, deviation: 0.2 }), normals(width, 52)];
      const dy = normals(rows * width, 53);
      const { y, dx, dWeight, dBias } = await execute(program, { inputs: { x, weight, bias, dy }, live: { rows } });
      const f = (options: Partial<reference.LayerNorm>) => (at: ArrayLike<number>) =>
        reference.layerNorm(at, { width, epsilon, weight, bias, ...options });
      expectClose(y!, f({})(x), { c, terms: width });
      // Rows of width 1 have no variance: 1/√epsilon magnifies what should be zero.
      const inverse = width === 1 ? 1 / Math.sqrt(epsilon) : spread;
      expectAdjoint(dx!, x, dy, f({}), { c, terms: width, scale: inverse });
      const samples = 4;
      const sums = { c, terms: rows, scale: Math.sqrt(rows), samples };
      expectAdjoint(dWeight!, weight, dy, (at) => f({ weight: at })(x), sums);
      expectAdjoint(dBias!, bias, dy, (at) => f({ bias: at })(x), sums);
    }
    program.close();
  });

  it.each([7, 64])("takes the variance of differences, so that a large mean costs few digits, at width %i", async (width) => {
    const program = await build(
      device,
      (tape) => ({
        y: layerNorm(tape.input("x", f32(57, width)), tape.input("weight", f32(width)), tape.input("bias", f32(width)), epsilon),
      }),
      capabilities,
    );
    const mean = 1000;
    const x = normals(57 * width, 54, { mean });
    const [weight, bias] = [new Float32Array(width).fill(1), new Float32Array(width)];
    const { y } = await execute(program, { inputs: { x, weight, bias } });
    // The mean is rounded at 1000. A variance as E[x²] − mean² would be rounded at a million, and miss by a thousand times as much.
    expectClose(y!, reference.layerNorm(x, { width, epsilon, weight, bias }), { terms: width, scale: mean });
    program.close();
  });
});

describe.each(variants)("residualLayerNorm, $name", ({ capabilities }) => {
  const cases = [
    { width: 57, probability: 0.1 },
    { width: 64, probability: 0.1 },
    { width: 64, probability: 0 },
  ];

  it.each(cases)("equals the float64 reference at width $width with dropout $probability", async ({ width, probability }) => {
    const capacity = 1003;
    const program = await build(
      device,
      (tape) => {
        const batch = batchInputs(tape, { tokens: capacity, sentences: capacity });
        const matrix = f32(tape.extent("tokens", capacity), width);
        const [weight, bias] = [tape.input("weight", f32(width)), tape.input("bias", f32(width))];
        const options = { epsilon, dropout: probability, tokens: batch.tokens };
        const y = residualLayerNorm(tape.input("x", matrix), tape.input("residual", matrix), weight, bias, options);
        const [dx, dWeight, dBias, dResidual] = adjoint(y, tape.input("dy", y));
        return { y, dx: dx!, dWeight: dWeight!, dBias: dBias!, dResidual: dResidual! };
      },
      capabilities,
    );
    for (const rows of [1001, 57, 7, 1]) {
      const batch = batchOfRows(rows, 30);
      const step = batchStep(batch);
      const [x, residual, dy] = [normals(rows * width, 55), normals(rows * width, 56), normals(rows * width, 57)];
      const [weight, bias] = [normals(width, 58, { mean: 1, deviation: 0.2 }), normals(width, 59)];
      const outputs = await execute(program, { ...step, inputs: { ...step.inputs, x, residual, weight, bias, dy }, seed: 5, step: 3 });
      const mask = dropoutMask({ seed: 5, step: 3, site: 0, probability }, batch.keys, width);
      const f = (at: ArrayLike<number>, options: Partial<reference.LayerNorm> = {}) =>
        reference.layerNorm(at, { width, epsilon, weight, bias, mask, residual, ...options });
      expectClose(outputs.y!, f(x), { c, terms: width });
      const tolerance = { c, terms: width, scale: spread, samples: 8 };
      expectAdjoint(outputs.dx!, x, dy, (at) => f(at), tolerance);
      expectAdjoint(outputs.dResidual!, residual, dy, (at) => f(x, { residual: at }), tolerance);
      const sums = { c, terms: rows, scale: Math.sqrt(rows), samples: 4 };
      expectAdjoint(outputs.dWeight!, weight, dy, (at) => f(x, { weight: at }), sums);
      expectAdjoint(outputs.dBias!, bias, dy, (at) => f(x, { bias: at }), sums);
    }
    program.close();
  });
});
