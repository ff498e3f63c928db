import { describe, expect, it } from "vitest";
import { gradient } from "../../src/autograd/gradient.ts";
import { compile } from "../../src/autograd/program.ts";
import { CapacityError, OptionError } from "../../src/errors.ts";
import { f32, type Persistent } from "../../src/kernels/language/operation.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { adamW } from "../../src/kernels/optimizer/adamw.ts";
import { advanceOptimizer, initialOptimizerState, optimizerStateShape } from "../../src/kernels/optimizer/optimizer-state.ts";
import { scale } from "../../src/kernels/pointwise/operation.ts";
import { gelu } from "../../src/kernels/pointwise/pointwise.ts";
import { reshape } from "../../src/kernels/reshape.ts";
import { mean } from "../../src/kernels/sum.ts";
import { openTestDevice } from "../device.ts";
import { normals } from "../kernels/data.ts";
import { tensor } from "../kernels/run.ts";

const device = await openTestDevice();

/** y = 2x for at most five live rows of three. */
function doubling() {
  return compile(device, (tape) => {
    tape.scalar("rate");
    return { y: scale(tape.input("x", f32(tape.extent("rows", 5), 3)), 2) };
  });
}

/** A training step: a loss, its gradient and an AdamW update of one matrix. */
async function training() {
  const zeros = () => new Float32Array(64 * 64);
  const gradientOf = tensor(device, [64, 64], zeros(), "gradient");
  const parameters: Persistent = { ...tensor(device, [64, 64], normals(64 * 64, 1), "parameters"), gradient: gradientOf };
  const [first, second] = [tensor(device, [64, 64], zeros(), "first"), tensor(device, [64, 64], zeros(), "second")];
  const state = tensor(device, [...optimizerStateShape], initialOptimizerState({ lossScale: 1 }), "state");
  const program = await compile(device, (tape) => {
    const x = tape.input("x", f32(57, 64));
    const loss = mean(reshape(gelu(matmul(x, parameters, "nt")), [57 * 64]));
    gradient(tape, loss, [parameters]);
    const betas = { beta1: 0.9, beta2: 0.999 };
    advanceOptimizer(tape, [gradientOf], state, { ...betas, maxGradNorm: 1, dynamicScale: false });
    const learningRate = tape.scalar("learningRate");
    adamW(tape, [{ gradient: gradientOf, parameters, first, second, weightDecay: 0 }], state, { ...betas, epsilon: 1e-8, learningRate });
    return { loss };
  });
  return program;
}

describe("Program", () => {
  it("creates nothing and reads nothing back in its steps", async () => {
    const program = await training();
    const x = normals(57 * 64, 2);
    const step = (i: number) => program.run({ inputs: { x }, scalars: { learningRate: 1e-3 }, step: i });
    step(0);
    const before = { ...device.counters };
    for (let i = 1; i <= 20; i++) step(i);
    await device.finish();
    expect(device.counters).toEqual({ ...before, submits: before.submits + 20 });
    // And the steps did something: they minimise the mean of the activations.
    const [last] = await program.read("loss");
    program.close();
    const fresh = await training();
    fresh.run({ inputs: { x }, scalars: { learningRate: 0 } });
    expect(last).toBeLessThan((await fresh.read("loss"))[0]!);
    fresh.close();
  });

  it("compiles a shader once for a device, however many programs use it", async () => {
    const first = await doubling();
    const before = { ...device.counters };
    const second = await doubling();
    expect(device.counters.pipelines).toBe(before.pipelines);
    expect(device.counters.bindGroups).toBe(before.bindGroups + 1);
    first.close();
    second.close();
  });

  it("keeps an input's content, a live size and a scalar until they are given again", async () => {
    const program = await doubling();
    program.run({ inputs: { x: Float32Array.of(1, 2, 3, 4, 5, 6) }, live: { rows: 2 } });
    expect([...(await program.read("y"))]).toEqual([2, 4, 6, 8, 10, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    program.run({ inputs: { x: Float32Array.of(7, 7, 7, 7, 7, 7, 7, 7, 7) } });
    expect([...(await program.read("y"))]).toEqual([14, 14, 14, 14, 14, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    program.run({ live: { rows: 3 } });
    expect([...(await program.read("y"))]).toEqual([14, 14, 14, 14, 14, 14, 14, 14, 14, 0, 0, 0, 0, 0, 0]);
    program.close();
  });

  it("does nothing for no live rows, and goes on when there are some", async () => {
    const program = await doubling();
    program.run({ inputs: { x: new Float32Array(15).fill(1) }, live: { rows: 0 } });
    expect(await program.read("y")).toEqual(new Float32Array(15));
    program.run({ live: { rows: 5 } });
    expect(await program.read("y")).toEqual(new Float32Array(15).fill(2));
    program.close();
  });

  it("refuses names that it does not have, and says which it has", async () => {
    const program = await doubling();
    const runs = {
      input: () => program.run({ inputs: { z: new Float32Array(1) } }),
      extent: () => program.run({ live: { columns: 1 } }),
      scalar: () => program.run({ scalars: { temperature: 1 } }),
    };
    expect(runs.input).toThrow("The program has no input z.");
    expect(runs.extent).toThrow("The program has no extent columns.");
    expect(runs.scalar).toThrow("The program has no scalar temperature.");
    for (const run of Object.values(runs)) expect(run).toThrow(OptionError);
    const remedies = Object.values(runs).map((run) => {
      try {
        run();
        return null;
      } catch (error) {
        return (error as OptionError).remedy;
      }
    });
    expect(remedies).toEqual(["It has x.", "It has rows.", "It has rate."]);
    program.close();
  });

  it("refuses an input that is too large, and a live size beyond the capacity", async () => {
    const program = await doubling();
    expect(() => program.run({ inputs: { x: new Float32Array(16) } })).toThrow(CapacityError);
    expect(() => program.run({ inputs: { x: new Float32Array(16) } })).toThrow("The input x holds 60 bytes, not 64.");
    expect(() => program.run({ live: { rows: 6 } })).toThrow(CapacityError);
    expect(() => program.run({ live: { rows: 6 } })).toThrow("rows is at most 5, not 6.");
    program.close();
  });

  it("refuses a plan beyond maxBytes before it allocates anything", async () => {
    const parameter = tensor(device, [64, 64], new Float32Array(64 * 64));
    const before = { ...device.counters };
    const compiled = (maxBytes: number) =>
      compile(device, (tape) => ({ y: matmul(tape.input("x", f32(57, 64)), parameter, "nt") }), { maxBytes });
    const refused = compiled(60_000);
    await expect(refused).rejects.toThrow(CapacityError);
    // Input, output, staging and uniforms; then the parameter.
    await expect(refused).rejects.toThrow("The plan needs 44288 bytes beside 16384 of parameters; 60000 are allowed.");
    expect(device.counters).toEqual(before);
    (await compiled(44_288 + 16_384)).close();
  });
});
