import { describe, expect, it } from "vitest";
import { gradient } from "../../src/autograd/gradient.ts";
import { compile } from "../../src/autograd/program.ts";
import { Tape } from "../../src/autograd/tape.ts";
import { ShapeError } from "../../src/errors.ts";
import { columnSum } from "../../src/kernels/column-sum.ts";
import { crossEntropy } from "../../src/kernels/cross-entropy.ts";
import { elementCount, type Persistent, type Value } from "../../src/kernels/language/operation.ts";
import { layerNorm } from "../../src/kernels/layer-norm.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { normalize } from "../../src/kernels/normalize.ts";
import { globalNorm } from "../../src/kernels/optimizer/global-norm.ts";
import { scale } from "../../src/kernels/pointwise/operation.ts";
import { add, gelu, tanh } from "../../src/kernels/pointwise/pointwise.ts";
import { reshape } from "../../src/kernels/reshape.ts";
import { mean } from "../../src/kernels/sum.ts";
import { splitViews } from "../../src/kernels/views.ts";
import { Parameter } from "../../src/nn/parameters/parameter.ts";
import { ParameterStore } from "../../src/nn/parameters/parameter-store.ts";
import { openTestDevice } from "../device.ts";
import { expectClose, expectGradient } from "../kernels/close.ts";
import { normals } from "../kernels/data.ts";
import { memoryless } from "../kernels/memoryless.ts";
import { build, execute, runGradient, tensor } from "../kernels/run.ts";
import * as reference from "../reference/cross-entropy.ts";
import { gelu as referenceGelu } from "../reference/gelu.ts";
import { layerNorm as referenceLayerNorm } from "../reference/layer-norm.ts";
import { matmul as referenceMatmul } from "../reference/matmul.ts";
import { normalize as referenceNormalize } from "../reference/normalize.ts";
import { mean as referenceMean } from "../reference/reductions.ts";
import { splitViews as referenceSplit } from "../reference/views.ts";

const device = await openTestDevice();

/** tanh is only accurate to 1e-5, and a chain of a dozen operations multiplies the error of the first ones. */
const c = 400;

describe("gradient", () => {
  it("adds up the gradients of a value used several times", async () => {
    const x = normals(57, 1);
    const { loss, d0 } = await runGradient(device, {
      tensors: [{ shape: [57], data: x }],
      record: (tape, [held]) => {
        const v = scale(tape.use(held!), 2);
        return mean(add(add(gelu(v), tanh(v)), add(v, v)));
      },
    });
    const value = (at: Float64Array) => referenceMean(at.map((u) => referenceGelu(2 * u) + Math.tanh(2 * u) + 4 * u));
    expectClose(loss!, [value(Float64Array.from(x))], { c, scale: 0.1 });
    expectGradient(d0!, x, value, { c });
  });

  it("adds up the gradients of a parameter used several times", async () => {
    const [x, w] = [normals(5 * 8, 2), normals(64, 3, { deviation: 0.5 })];
    const { d0, d1 } = await runGradient(device, {
      tensors: [
        { shape: [5, 8], data: x },
        { shape: [8, 8], data: w },
      ],
      record: (tape, [input, weight]) => {
        const hidden = tanh(matmul(tape.use(input!), weight!, "nt"));
        return mean(reshape(matmul(hidden, weight!, "nn"), [40]));
      },
    });
    const size = { m: 5, n: 8, k: 8 };
    const value = (input: ArrayLike<number>, weight: ArrayLike<number>) =>
      referenceMean(referenceMatmul("nn", size, referenceMatmul("nt", size, input, weight).map(Math.tanh), weight));
    expectGradient(d0!, x, (at) => value(at, w), { c });
    expectGradient(d1!, w, (at) => value(x, at), { c });
  });

  it("differentiates a small contrastive model end to end, every parameter of it", async () => {
    const [examples, width, inner] = [3, 8, 12];
    const rows = 2 * examples;
    const shapes = { x: [rows, width], w1: [inner, width], b1: [inner], w2: [width, inner], b2: [width], weight: [width], bias: [width] };
    const tensors = Object.values(shapes).map((shape, i) => ({
      shape,
      data: normals(elementCount(shape), 10 + i, { deviation: 0.6 }),
    }));
    const gradients = await runGradient(device, {
      tensors,
      step: { live: { examples } },
      record: (tape, held) => {
        const [x, w1, b1, w2, b2, weight, bias] = held as [
          Persistent,
          Persistent,
          Persistent,
          Persistent,
          Persistent,
          Persistent,
          Persistent,
        ];
        const input = tape.use(x);
        const hidden = gelu(matmul(input, w1, "nt", { bias: b1 }));
        const output = layerNorm(add(input, matmul(hidden, w2, "nt", { bias: b2 })), weight, bias, 1e-5);
        const [first, second] = splitViews(output, 2, tape.extent("examples", examples));
        return mean(crossEntropy(matmul(normalize(first!), normalize(second!), "nt", { scale: 20 })));
      },
    });
    const value = (parameters: readonly ArrayLike<number>[]) => {
      const [x, w1, b1, w2, b2, weight, bias] = parameters as Float64Array[];
      const hidden = referenceMatmul("nt", { m: rows, n: inner, k: width }, x!, w1!, { bias: b1! }).map(referenceGelu);
      const sum = referenceMatmul("nt", { m: rows, n: width, k: inner }, hidden, w2!, { bias: b2! }).map((v, i) => v + x![i]!);
      const output = referenceLayerNorm(sum, { width, epsilon: 1e-5, weight: weight!, bias: bias! });
      const [a, b] = referenceSplit(output, width, 2).map((view) => referenceNormalize(view, width));
      const logits = referenceMatmul("nt", { m: examples, n: examples, k: width }, a!, b!, { scale: 20 });
      return referenceMean(reference.crossEntropy(logits, examples));
    };
    const given: Float64Array[] = tensors.map(({ data }) => Float64Array.from(data));
    expectClose(gradients.loss!, [value(given)], { c, scale: 1 });
    given.forEach((data, i) => {
      expectGradient(gradients[`d${i}`]!, data, (at) => value(given.with(i, at)), { c, scale: 1 });
    });
  });

  it("writes persistent gradients, copying only what two parameters share or what is a view", async () => {
    const shared = [4, 8];
    const parameters = [normals(32, 20), normals(32, 21), normals(32, 22)].map((data, i) => {
      const held = tensor(device, i === 2 ? [32] : shared, data, `p${i}`);
      return { ...held, gradient: tensor(device, [...held.shape], new Float32Array(32), `g${i}`) };
    });
    const [a, b, flat] = parameters as [Persistent, Persistent, Persistent];
    const program = await build(device, (tape) => {
      const sum = gelu(add(add(tape.use(a), tape.use(b)), reshape(tape.use(flat), shared)));
      const loss = mean(reshape(sum, [32]));
      gradient(tape, loss, parameters);
      return { loss };
    });
    // a and b get the very same gradient, which is computed in place for one of them; the third sees it through a reshape.
    expect(program.plan.steps.filter(({ node }) => node.operation.name === "copy")).toHaveLength(2);
    await execute(program);
    const read = async ({ gradient }: Persistent) => new Float32Array(await device.read(gradient!.window));
    const [da, db, dFlat] = [await read(a), await read(b), await read(flat)];
    expect(db).toEqual(da);
    expect(dFlat).toEqual(da);
    const sum = (at: Float64Array) => referenceMean(at.map((v, i) => referenceGelu(v + normals(32, 21)[i]! + normals(32, 22)[i]!)));
    expectGradient(da, normals(32, 20), sum, { c: 8 });
  });

  it.each([
    ["share a gradient", (a: Value, b: Value) => gelu(add(a, b))],
    ["have gradients of which one is computed from the other's", (a: Value, b: Value) => gelu(add(a, matmul(a, b, "nn")))],
  ])("parameters in one arena may %s", async (_, record) => {
    const size = 8;
    const module = { a: new Parameter([size, size], { normal: 0.5 }), b: new Parameter([size, size], { normal: 0.5 }) };
    using store = await ParameterStore.allocate(device, module, { training: true });
    store.initialize(3);
    expect(module.a.partOf!.whole).toBe(module.b.partOf!.whole);
    const count = size * size;
    using program = await compile(device, (tape) => {
      const loss = mean(reshape(record(tape.use(module.a), tape.use(module.b)), [count]));
      gradient(tape, loss, [module.a, module.b]);
      return { loss };
    });
    // The same with memory of their own.
    const [a, b] = await Promise.all(Object.keys(module).map(async (name) => tensor(device, [size, size], await store.read(name), name)));
    const apart = [a!, b!].map((held) => ({ ...held, gradient: tensor(device, [size, size], new Float32Array(count), "g") }));
    using reference = await compile(device, (tape) => {
      const loss = mean(reshape(record(tape.use(apart[0]!), tape.use(apart[1]!)), [count]));
      gradient(tape, loss, apart);
      return { loss };
    });
    program.run();
    reference.run();
    expect(await program.read("loss")).toEqual(await reference.read("loss"));
    for (const [i, parameter] of Object.values(module).entries()) {
      const found = new Float32Array(await device.read(parameter.gradient!.window));
      expect(found).toEqual(new Float32Array(await device.read(apart[i]!.gradient.window)));
      expect(found.some((value) => value !== 0)).toBe(true);
    }
  });

  it("gives null for a parameter that the loss does not depend on", () => {
    const tape = new Tape();
    const [used, unused] = [memoryless("used", 4), memoryless("unused", 4)];
    const [first, second] = gradient(tape, mean(gelu(tape.use(used))), [used, unused]);
    expect(first!.shape).toEqual([4]);
    expect(second).toBeNull();
  });

  it("asks no gradient of what does not lead to a parameter", () => {
    const tape = new Tape();
    const parameter = memoryless("parameter", 8);
    // columnSum has no gradient rule, and needs none here.
    const constant = columnSum(tape.input("x", { dtype: "f32", shape: [3, 8] }));
    const [d] = gradient(tape, mean(add(tape.use(parameter), constant)), [parameter]);
    expect(d!.shape).toEqual([8]);
  });

  it("refuses a loss that is not one number", () => {
    const tape = new Tape();
    const parameter = memoryless("parameter", 4);
    expect(() => gradient(tape, gelu(tape.use(parameter)), [parameter])).toThrow(ShapeError);
  });

  it("names an operation that has no gradient", () => {
    const tape = new Tape();
    const parameter = memoryless("parameter", 4);
    expect(() => gradient(tape, globalNorm(tape, [parameter]), [parameter])).toThrow(/globalNorm cannot be differentiated/);
    expect(() => gradient(tape, globalNorm(tape, [parameter]), [parameter])).toThrow(ShapeError);
  });
});
