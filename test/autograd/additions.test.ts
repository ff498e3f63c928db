/** Gradients are added by the kernels that compute them, with the bits of adding them afterwards; not where something else reads one. */
import { expect, it } from "vitest";
import { gradient } from "../../src/autograd/gradient.ts";
import { plan } from "../../src/autograd/plan.ts";
import { Tape } from "../../src/autograd/tape.ts";
import { embedding, gatherOrder, gatherRuns } from "../../src/kernels/embedding.ts";
import { elementCount, f32, type Persistent, u32, type Value } from "../../src/kernels/language/operation.ts";
import { layerNorm } from "../../src/kernels/layer-norm.ts";
import { lowRank } from "../../src/kernels/low-rank.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { addInto } from "../../src/kernels/optimizer/accumulate.ts";
import { mul, tanh } from "../../src/kernels/pointwise/pointwise.ts";
import { mean } from "../../src/kernels/sum.ts";
import { openTestDevice } from "../device.ts";
import { normals } from "../kernels/data.ts";
import { memoryless } from "../kernels/memoryless.ts";
import { build, execute, tensor } from "../kernels/run.ts";

const device = await openTestDevice();

const rows = 6;
const shapes = { word: [9, 16], type: [2, 16], scale: [16], shift: [16], up: [16, 2], factor: [16] };
const names = Object.keys(shapes) as (keyof typeof shapes)[];
const held = names.map((name, i) => tensor(device, shapes[name], normals(elementCount(shapes[name]), i), name));

/** A loss whose parameters have a gradient of each kind but products, whose joins have a test of their own. */
function lossOf(tape: Tape, [word, type, scale, shift, up, factor]: readonly Persistent[]): Value {
  const index = { order: tape.input("order", gatherOrder(rows)), runs: tape.input("runs", gatherRuns(3)) };
  const tables = { word: word!, tokenType: type! };
  const x = embedding(tape.input("tokens", u32(rows, 4)), tables, { word: index, position: index });
  const y = lowRank(layerNorm(x, scale!, shift!, 1e-5), tape.input("u", f32(rows, 2)), up!, { blocks: [0], scale: 2 });
  const scaled = mul(y, tape.use(factor!));
  return mean(mul(scaled, scaled));
}

/** Six tokens of three ids. */
const runs = Uint32Array.of(1, 0, 2, 0, 4, 2, 3, 0, 8, 5, 1, 0);
const order = Uint32Array.of(0, 3, 1, 2, 5, 4);
const tokens = Uint32Array.of(...[1, 4, 4, 1, 8, 4].flatMap((id, i) => [id, i, 0, i]));
const inputs = { tokens, order, runs, u: normals(rows * 2, 10) };

it("has the bits of adding the gradients afterwards", async () => {
  const apart = await build(device, (tape) => {
    const gradients = gradient(tape, lossOf(tape, held), held);
    return Object.fromEntries(names.map((name, i) => [name, gradients[i]!]));
  });
  const sums = names.map((name, i) => tensor(device, shapes[name], normals(elementCount(shapes[name]), 20 + i), `${name}'s gradient`));
  const trained = held.map((parameter, i) => ({ ...parameter, gradient: sums[i]! }));
  const added = await build(device, (tape) => {
    const loss = lossOf(tape, trained);
    gradient(tape, loss, trained, { accumulate: true });
    return { loss };
  });
  expect(added.plan.steps.map(({ node }) => node.operation.name)).not.toContain("accumulate");
  const gradients = await execute(apart, { inputs });
  for (let turn = 0; turn < 2; turn++) await execute(added, { inputs });
  for (const [i, name] of names.entries()) {
    const before = normals(elementCount(shapes[name]), 20 + i);
    const own = gradients[name]!;
    const expected = before.map((value, at) => Math.fround(Math.fround(value + own[at]!) + own[at]!));
    expect(new Float32Array(await device.read(sums[i]!.window)), name).toEqual(expected);
  }
  for (const program of [apart, added]) program.close();
  for (const { window } of [...held, ...sums]) window.buffer.destroy();
});

it("adds afterwards where something else reads the value, or the sum before it", () => {
  const target = memoryless("sum", 8, 8);
  const operations = (record: (value: Value, tape: Tape) => Record<string, Value>) => {
    const tape = new Tape();
    const x = tape.input("x", f32(8, 8));
    return plan(tape, record(matmul(x, x, "nn"), tape), device.capabilities).steps.map(({ node }) => node.operation.name);
  };
  const adding = (value: Value, outputs: Record<string, Value> = {}) => {
    addInto(value, target);
    return outputs;
  };
  expect(operations((value) => adding(value))).toEqual(["matmul"]);
  expect(operations((value) => adding(value, { value }))).toEqual(["matmul", "accumulate"]);
  expect(operations((value) => ({ y: tanh(value), ...adding(value) }))).toEqual(["matmul", "tanh", "accumulate"]);
  expect(operations((value, tape) => ({ y: tanh(tape.use(target)), ...adding(value) }))).toEqual(["matmul", "tanh", "accumulate"]);
  const pausing = (value: Value, tape: Tape) => {
    tape.pause();
    return adding(value);
  };
  expect(operations(pausing)).toEqual(["matmul", "accumulate"]);
  // An input of the tape, which no node computes.
  expect(operations((_, tape) => adding(tape.input("y", f32(8, 8))))).toEqual(["accumulate"]);
});
