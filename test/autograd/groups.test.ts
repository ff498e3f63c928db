/** Products of one dispatch give the same as apart, and are apart where something reads the first one earlier. */
import { expect, it } from "vitest";
import { gradient } from "../../src/autograd/gradient.ts";
import { type Choose, type Plan, plan } from "../../src/autograd/plan.ts";
import { Tape } from "../../src/autograd/tape.ts";
import { toHalves } from "../../src/float16.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import { elementCount, float, type Persistent, type Value } from "../../src/kernels/language/operation.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { addInto } from "../../src/kernels/optimizer/accumulate.ts";
import { tanh } from "../../src/kernels/pointwise/pointwise.ts";
import { ArenaTensor } from "../../src/nn/parameters/arena-tensor.ts";
import { openTestDevice } from "../device.ts";
import { expectClose } from "../kernels/close.ts";
import { normals } from "../kernels/data.ts";
import { memoryless } from "../kernels/memoryless.ts";
import { build, execute, tensor } from "../kernels/run.ts";
import { chooseNamed } from "../kernels/variants.ts";

const device = await openTestDevice();

/** Two products of this size have as many tiles as they must. */
const [rows, width, middle] = [12, 1024, 2048];

/** Both products, and what `between` computes of the first one before the second is recorded. */
function products(tape: Tape, between: (first: Value) => Record<string, Value> = () => ({})) {
  const k = tape.extent("rows", rows);
  const [x, y] = [tape.input("x", float("f16", k, width)), tape.input("y", float("f16", k, middle))];
  const first = matmul(x, y, "tn", { dtype: "f32" });
  const more = between(first);
  return { first, second: matmul(y, x, "tn", { dtype: "f32" }), ...more };
}

/** Products are put together for matrix units; here a tile computes them. */
const asGpu: Capabilities = {
  ...device.capabilities,
  features: new Set([...device.capabilities.features, "shader-f16"]),
  software: false,
  subgroupSize: 32,
  subgroupMatrices: [{ componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 }],
};
const hasHalves = device.capabilities.features.has("shader-f16");

// One kernel that is written out for GPUs, which a software adapter compiles slowly.
it.runIf(hasHalves)("gives what the products give apart", { timeout: 600_000 }, async () => {
  const together = await build(device, (tape) => products(tape), asGpu, chooseNamed("tile 64×128×16"));
  const apart = await build(device, (tape) => products(tape));
  const names = (program: typeof apart) => program.plan.steps.map(({ node }) => node.operation.name);
  expect(names(together)).toEqual(["groupedMatmul"]);
  expect(names(apart)).toEqual(["matmul", "matmul"]);
  const step = { inputs: { x: toHalves(normals(7 * width, 5)), y: toHalves(normals(7 * middle, 6)) }, live: { rows: 7 } };
  const expected = await execute(apart, step);
  const found = await execute(together, step);
  for (const [name, values] of Object.entries(expected)) expectClose(found[name]!, values, { terms: 7 });
  for (const program of [together, apart]) program.close();
});

const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

it.runIf(hasHalves)("add up to the gradients of matrices that several layers share", { timeout: 600_000 }, async () => {
  const shapes = { up: [middle, width], down: [width, middle], upBias: [middle], downBias: [width] } as const;
  const held = Object.entries(shapes).map(([name, shape], i) =>
    tensor(device, shape, normals(elementCount(shape), 7 + i, { deviation: 1 / 32 }), name),
  );
  const record = (tape: Tape, parameters: readonly Persistent[]) => {
    const [up, down, upBias, downBias] = parameters as [Persistent, Persistent, Persistent, Persistent];
    const layer = (x: Value) => matmul(tanh(matmul(x, up, "nt", { bias: upBias })), down, "nt", { bias: downBias });
    const y = layer(layer(tape.input("x", float("f16", tape.extent("rows", rows), width))));
    const gradients = gradient(tape, y, parameters, { seed: tape.input("dy", y) });
    return Object.fromEntries(Object.keys(shapes).map((name, i) => [name, gradients[i]!]));
  };
  // Single products as the device computes them itself, and several in tiles with loops, which it compiles sooner.
  const choose: Choose = (node) =>
    node.operation.name === "matmul"
      ? { name: "own", lower: () => node.operation.lower(node, device.capabilities) }
      : chooseNamed("tile 64×64×16")(node, node.operation.variants?.(node, { ...asGpu, software: true }) ?? []);
  const arena = new ArenaTensor("gradients", "f32", [held.reduce((sum, { shape }) => sum + elementCount(shape), 0)]);
  arena.buffer = device.createBuffer("gradients", arena.bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
  let end = 0;
  const kept = held.map((parameter) => {
    const own = arena.part(`gradient of ${parameter.name}`, end, parameter.shape);
    end += elementCount(parameter.shape);
    return { ...parameter, gradient: own };
  });
  const apart = await build(device, (tape) => record(tape, held));
  // Where gradients have places, they are summed up there.
  const inPlace = await build(
    device,
    (tape) => {
      record(tape, kept);
      return {};
    },
    asGpu,
    choose,
  );
  const productsIn = ({ steps }: Pick<Plan, "steps">) =>
    steps.flatMap(({ node: { operation, inputs } }) => (operation.name === "groupedMatmul" ? [inputs.length / 2] : []));
  // Both of the last layer wait with one of the layer before, until that is added to its like.
  const tape = new Tape();
  expect(productsIn(plan(tape, record(tape, held), asGpu))).toEqual([3]);
  expect(productsIn(inPlace.plan)).toEqual([2, 2]);
  expect(inPlace.plan.steps.filter(({ node }) => ["add", "accumulate"].includes(node.operation.name))).toEqual([]);
  const step = { inputs: { x: toHalves(normals(7 * width, 5)), dy: toHalves(normals(7 * width, 6)) }, live: { rows: 7 } };
  const expected = await execute(apart, step);
  device.write(arena.buffer, 0, new Float32Array(end).fill(Number.NaN));
  await execute(inPlace, step);
  const all = new Float32Array(await device.read(arena.window));
  let begin = 0;
  for (const [name, values] of Object.entries(expected)) {
    const error = norm(values.map((value, i) => value - all[begin + i]!));
    // What the products read is rounded to halves, which may fall on either side.
    expect(error / norm(values), name).toBeLessThan(2 ** -10);
    begin += values.length;
  }
  for (const program of [apart, inPlace]) program.close();
});

it("stay apart where something between them reads the first one, the tape pauses, or parts are recomputed", () => {
  const namesWith = (between?: (first: Value, tape: Tape) => Record<string, Value>) => {
    const tape = new Tape();
    const outputs = products(tape, between && ((first) => between(first, tape)));
    return plan(tape, outputs, asGpu).steps.map(({ node }) => node.operation.name);
  };
  expect(namesWith()).toEqual(["groupedMatmul"]);
  expect(namesWith((first) => ({ read: tanh(first) }))).toEqual(["matmul", "tanh", "matmul"]);
  // What only adds a result to a gradient waits.
  const adding = (first: Value) => {
    addInto(first, memoryless("gradient", width, middle));
    return {};
  };
  expect(namesWith(adding)).toEqual(["groupedMatmul", "accumulate"]);
  const pausing = (_: Value, tape: Tape) => {
    tape.pause();
    return {};
  };
  expect(namesWith(pausing)).toEqual(["matmul", "matmul"]);
  const recomputing = (_: Value, tape: Tape) => tape.recomputed(() => ({}));
  expect(namesWith(recomputing)).toEqual(["matmul", "matmul"]);
});
