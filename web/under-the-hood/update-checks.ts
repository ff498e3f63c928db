/** Checks of the operations that write into their own memory: copies, the loss history, and AdamW over several steps. */

import { copyInto } from "../../src/kernels/copy.ts";
import { f32, type Persistent } from "../../src/kernels/language/operation.ts";
import { adamW } from "../../src/kernels/optimizer/adamw.ts";
import { recordHistory } from "../../src/kernels/optimizer/history.ts";
import { advanceOptimizer, initialOptimizerState, optimizerStateShape } from "../../src/kernels/optimizer/optimizer-state.ts";
import { normals } from "../../test/kernels/data.ts";
import { build, tensor } from "../../test/kernels/run.ts";
import * as adamWReference from "../../test/reference/adamw.ts";
import * as reductions from "../../test/reference/reductions.ts";
import { deviation, type KernelCheck, variantsOf } from "./kernel-suite.ts";

const copy: KernelCheck = {
  operation: "copy",
  async measure(device) {
    const data = normals(57 * 64, 50);
    const target = tensor(device, [57, 64], new Float32Array(data.length));
    const program = await build(device, (tape) => {
      copyInto(tape.input("x", f32(57, 64)), target);
      return {};
    });
    program.run({ inputs: { x: data } });
    const copied = new Float32Array(await device.read(target.window));
    program.close();
    target.window.buffer.destroy();
    return [{ part: "", variant: variantsOf(program, 0), deviations: [deviation(copied, data, { c: 0 })] }];
  },
};

const history: KernelCheck = {
  operation: "history",
  async measure(device) {
    const ring = tensor(device, [3, 2], new Float32Array(6));
    const program = await build(device, (tape) => {
      recordHistory([tape.input("loss", f32(1)), tape.input("norm", f32(1))], ring);
      return {};
    });
    for (const step of [2, 3, 4]) program.run({ inputs: { loss: Float32Array.of(step), norm: Float32Array.of(step + 0.5) }, step });
    const kept = new Float32Array(await device.read(ring.window));
    program.close();
    ring.window.buffer.destroy();
    return [{ part: "", variant: variantsOf(program, 0), deviations: [deviation(kept, [3, 3.5, 4, 4.5, 2, 2.5], { c: 0 })] }];
  },
};

const adamWSteps = 5;
const adamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, maxGradNorm: 1 };

const optimizer: KernelCheck = {
  operation: "adamW",
  async measure(device) {
    const count = 1001;
    const start = normals(count, 51);
    const zeros = new Float32Array(count);
    const make = (data: Float32Array): Persistent => tensor(device, [count], data);
    const state = {
      parameters: make(start),
      gradient: make(zeros),
      first: make(zeros),
      second: make(zeros),
      state: tensor(device, [...optimizerStateShape], initialOptimizerState({ lossScale: 1 })),
    };
    const program = await build(device, (tape) => {
      advanceOptimizer(tape, [state.gradient], state.state, { ...adamWOptions, dynamicScale: false });
      const arena = { ...state, weightDecay: adamWOptions.weightDecay };
      adamW(tape, [arena], state.state, { ...adamWOptions, learningRate: tape.scalar("learningRate") });
      return {};
    });
    let expected: adamWReference.AdamWState = {
      parameters: Float64Array.from(start),
      first: new Float64Array(count),
      second: new Float64Array(count),
    };
    for (let t = 1; t <= adamWSteps; t++) {
      const learningRate = 0.03 / t;
      const gradient = normals(count, 100 + t);
      device.gpu.queue.writeBuffer(state.gradient.window.buffer, 0, gradient as GPUAllowSharedBufferSource);
      program.run({ scalars: { learningRate } });
      expected = adamWReference.adamW(expected, gradient, reductions.globalNorm([gradient]), t, learningRate, adamWOptions);
    }
    const deviations = [];
    for (const name of ["parameters", "first", "second"] as const) {
      const actual = new Float32Array(await device.read(state[name].window));
      deviations.push(deviation(actual, expected[name], { c: 5, terms: adamWSteps }));
    }
    const variant = variantsOf(program, program.plan.steps.length - 1);
    program.close();
    for (const { window } of Object.values(state)) window.buffer.destroy();
    return [{ part: "", variant, deviations }];
  },
};

export const updateChecks: readonly KernelCheck[] = [copy, history, optimizer];
