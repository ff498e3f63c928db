import { describe, expect, it } from "vitest";
import type { Persistent } from "../../../src/kernels/language/operation.ts";
import { type AdamW, adamW } from "../../../src/kernels/optimizer/adamw.ts";
import {
  advanceOptimizer,
  initialOptimizerState,
  optimizerField,
  optimizerStateShape,
} from "../../../src/kernels/optimizer/optimizer-state.ts";
import { openTestDevice } from "../../device.ts";
import * as reference from "../../reference/adamw.ts";
import { globalNorm as referenceNorm } from "../../reference/reductions.ts";
import { expectClose } from "../close.ts";
import { normals } from "../data.ts";
import { build, tensor } from "../run.ts";

const device = await openTestDevice();

const ordinary = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: Number.POSITIVE_INFINITY };

/** An arena of `count` parameters and a program that updates it. */
async function arena(count: number, options: reference.AdamWOptions, { lossScale = 1, dynamicScale = false, goodSteps = 0 } = {}) {
  const start = normals(count, 38);
  const [parameters, gradient, first, second] = ["parameters", "gradient", "first", "second"].map((name, i) =>
    tensor(device, [count], i === 0 ? start : new Float32Array(count), name),
  ) as [ReturnType<typeof tensor>, ReturnType<typeof tensor>, ReturnType<typeof tensor>, ReturnType<typeof tensor>];
  const state = tensor(
    device,
    [...optimizerStateShape],
    initialOptimizerState({ lossScale }).fill(goodSteps, optimizerField.goodSteps, optimizerField.goodSteps + 1),
    "state",
  );
  const program = await build(device, (tape) => {
    advanceOptimizer(tape, [gradient], state, { ...options, dynamicScale });
    const constants: AdamW = { ...options, learningRate: tape.scalar("learningRate") };
    adamW(tape, [{ gradient, parameters, first, second, weightDecay: options.weightDecay }], state, constants);
    return {};
  });
  return {
    start,
    program,
    step(values: Float32Array, learningRate: number) {
      device.write(gradient.window.buffer, 0, values);
      program.run({ scalars: { learningRate } });
    },
    async read() {
      const [p, m, v, s] = await Promise.all([parameters, first, second, state].map(({ window }) => device.read(window)));
      return { parameters: new Float32Array(p!), first: new Float32Array(m!), second: new Float32Array(v!), state: new Float32Array(s!) };
    },
  };
}

describe("adamW", () => {
  it("moves 28 bytes a parameter: four arrays read, three of them written", async () => {
    const { program } = await arena(1000, ordinary);
    const { bytes } = program.work().find(({ operation }) => operation === "adamW")!;
    expect(bytes).toBe(28 * 1000 + 4 * optimizerStateShape[0]);
  });

  it.each([
    { name: "as it is", options: ordinary },
    { name: "with decay", options: { ...ordinary, weightDecay: 0.1 } },
    { name: "with clipping", options: { ...ordinary, maxGradNorm: 1 } },
    {
      name: "with clipping, decay and other betas",
      options: { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weightDecay: 0.01, maxGradNorm: 0.5 },
    },
  ])("follows the float64 reference for five steps $name", async ({ options }) => {
    for (const count of [1001, 1000, 4, 1]) {
      const { start, step, read } = await arena(count, options);
      let expected: reference.AdamWState = {
        parameters: Float64Array.from(start),
        first: new Float64Array(count),
        second: new Float64Array(count),
      };
      for (let t = 1; t <= 5; t++) {
        const learningRate = 0.03 / t;
        // Steps 3 and 5 are small: a norm below the limit must not be scaled up.
        const gradient = normals(count, 100 + t, { deviation: t === 3 || t === 5 ? 1e-3 / Math.sqrt(count) : 1 });
        step(gradient, learningRate);
        expected = reference.adamW(expected, gradient, referenceNorm([gradient]), t, learningRate, options);
      }
      const actual = await read();
      // Some ten operations a step on m, v and p, and 1−β rounded to f32 (relative 2⁻²⁴/0.001 of v's decay, far below one ulp of v).
      expectClose(actual.first, expected.first, { c: 5, terms: 5 });
      expectClose(actual.second, expected.second, { c: 5, terms: 5 });
      expectClose(actual.parameters, expected.parameters, { c: 5, terms: 5, scale: 2 });
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30])("skips the update when a gradient is %d", async (bad) => {
    const { step, read } = await arena(57, { ...ordinary, weightDecay: 0.1 });
    step(normals(57, 40), 0.01);
    const before = await read();
    step(normals(57, 41).fill(bad, 30, 31), 0.01);
    const { state, ...kept } = await read();
    expect(kept).toEqual({ parameters: before.parameters, first: before.first, second: before.second });
    expect(state[optimizerField.skipped]).toBe(1);
    expect(state[optimizerField.updates]).toBe(1);
    step(normals(57, 42), 0.01);
    const after = await read();
    expect(after.parameters.every((v, i) => Number.isFinite(v) && v !== before.parameters[i])).toBe(true);
  });

  it("updates arenas together as each by itself, with its own decay and copy", async () => {
    const state = tensor(device, [...optimizerStateShape], initialOptimizerState({ lossScale: 1 }), "state");
    const arenasOf = () =>
      [1001, 64, 4].map((count, i) => {
        const of = (name: string, values: Float32Array) => tensor(device, [count], values, name);
        const [gradient, parameters] = [of("gradient", normals(count, i)), of("parameters", normals(count, 10 + i))];
        const [first, second] = [of("first", new Float32Array(count)), of("second", new Float32Array(count))];
        const half: Persistent | null = i === 1 ? { ...of("half", new Float32Array(count / 2)), dtype: "f16" } : null;
        return { gradient, parameters, first, second, weightDecay: i / 10, ...(half && { half: { ...half, shape: [count] } }) };
      });
    const [together, apart] = [arenasOf(), arenasOf()];
    const program = await build(device, (tape) => {
      const constants: AdamW = { ...ordinary, learningRate: tape.scalar("learningRate") };
      advanceOptimizer(
        tape,
        together.map(({ gradient }) => gradient),
        state,
        { ...ordinary, dynamicScale: false },
      );
      adamW(tape, together, state, constants);
      for (const arena of apart) adamW(tape, [arena], state, constants);
      return {};
    });
    const [all, ...each] = program.plan.steps
      .filter(({ node }) => node.operation.name === "adamW")
      .map(({ lowering }) => lowering.kernels.length);
    // Two arenas and the state are ten buffers.
    expect(all! < each.length).toBe(device.capabilities.limits.maxStorageBuffersPerShaderStage >= 10);
    program.run({ scalars: { learningRate: 0.01 } });
    for (const [i, arena] of together.entries()) {
      for (const name of ["parameters", "first", "second", "half"] as const) {
        const [found, expected] = [arena[name], apart[i]![name]];
        if (!found || !expected) continue;
        const [bytes, wanted] = await Promise.all([device.read(found.window), device.read(expected.window)]);
        expect(new Uint32Array(bytes)).toEqual(new Uint32Array(wanted));
        expect(new Uint32Array(bytes).some((word) => word !== 0)).toBe(true);
      }
    }
  });

  it("moves by the learning rate in the first step, whatever the size of the gradient", async () => {
    const { start, step, read } = await arena(7, ordinary);
    const gradient = Float32Array.of(1e-3, -1e-3, 1, -1, 1e3, -1e3, 0);
    step(gradient, 0.01);
    // √v + epsilon: at |g| = 1e-3, epsilon takes 3e-4 off, since bias correction stands outside of it.
    const moved = (await read()).parameters.map((v, i) => (v - start[i]!) / 0.01);
    expect([...moved].map((v) => Math.round(v * 100) / 100)).toEqual([-1, 1, -1, 1, -1, 1, 0]);
  });

  it("updates by gradients of a scaled loss as by those of the loss, and moves the scale with overflows", async () => {
    const plain = await arena(57, { ...ordinary, maxGradNorm: 0.5 });
    const scaled = await arena(57, { ...ordinary, maxGradNorm: 0.5 }, { lossScale: 1024, dynamicScale: true });
    const scales: number[] = [];
    const updates = [1, Number.POSITIVE_INFINITY, 1, 1];
    for (const [i, factor] of updates.entries()) {
      const gradient = normals(57, 60 + i);
      const { state } = await scaled.read();
      const scale = state[optimizerField.lossScale]!;
      scales.push(scale);
      scaled.step(
        gradient.map((g) => g * scale * factor),
        0.01,
      );
      if (factor === 1) plain.step(gradient, 0.01);
    }
    expect(scales).toEqual([1024, 1024, 512, 512]);
    // Scales are powers of two: nothing but the norm's square root is rounded differently.
    expectClose((await scaled.read()).parameters, (await plain.read()).parameters, { c: 4 });
  });

  it("doubles the scale after 2,000 good steps", async () => {
    const { step, read } = await arena(4, ordinary, { lossScale: 256, dynamicScale: true, goodSteps: 1998 });
    step(Float32Array.of(1, 2, 3, 4), 0.01);
    expect((await read()).state[optimizerField.lossScale]).toBe(256);
    step(Float32Array.of(1, 2, 3, 4), 0.01);
    expect((await read()).state[optimizerField.lossScale]).toBe(512);
  });
});
