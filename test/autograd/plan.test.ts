import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatPlan, type Plan, plan } from "../../src/autograd/plan.ts";
import { Tape } from "../../src/autograd/tape.ts";
import { CapacityError } from "../../src/errors.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import { tokenTable } from "../../src/kernels/batch.ts";
import { columnSum } from "../../src/kernels/column-sum.ts";
import { copyInto } from "../../src/kernels/copy.ts";
import { embedding } from "../../src/kernels/embedding.ts";
import {
  byteSize,
  elementCount,
  f32,
  float,
  type Kernel,
  type Persistent,
  Scratch,
  type Tensor,
  Value,
} from "../../src/kernels/language/operation.ts";
import { layerNorm } from "../../src/kernels/layer-norm.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { recordHistory } from "../../src/kernels/optimizer/history.ts";
import { add, gelu, tanh } from "../../src/kernels/pointwise/pointwise.ts";
import { reshape } from "../../src/kernels/reshape.ts";
import { openTestDevice } from "../device.ts";
import { memoryless } from "../kernels/memoryless.ts";
import { build, tensor } from "../kernels/run.ts";

const device = await openTestDevice();

/** A device with only what WebGPU guarantees. */
const smallest: Capabilities = {
  features: new Set(),
  limits: {
    maxBufferSize: 256 * 2 ** 20,
    maxStorageBufferBindingSize: 128 * 2 ** 20,
    maxStorageBuffersPerShaderStage: 8,
    maxComputeWorkgroupStorageSize: 16_384,
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupsPerDimension: 65_535,
    maxTextureDimension2D: 8192,
    maxTextureArrayLayers: 256,
  },
  software: false,
  subgroupSize: null,
  asksForSubgroupSize: false,
  subgroupMatrices: [],
  matrixTextures: false,
};

const isShared = ({ label }: { label: string }) => label.startsWith("slot");

/** The tensor whose content a binding means: a view means what it shows. */
function contentOf(tensor: Tensor): Tensor {
  let content = tensor;
  while (content instanceof Value && content.base !== null) content = content.base;
  return content instanceof Value && content.persistent !== null ? content.persistent : content;
}

/**
 * Simulates a plan on memory that records whose content each place holds: what is read must still be there, what is
 * written must not overlap anything else that the dispatch binds, and inputs and outputs must be there at the end.
 */
function checkMemory({ tape, outputs, kernels, slots, place }: Plan): void {
  const where = (tensor: Tensor) => {
    const found = place(tensor);
    if ("slot" in found) expect(slots[found.slot]!.bytes).toBeGreaterThanOrEqual(byteSize(tensor));
    return "slot" in found ? `${found.slot} from ${found.offset}` : found.persistent;
  };
  const holds = new Map<string | Persistent, Tensor>();
  const isThere = (tensor: Tensor, what: string) => {
    const content = contentOf(tensor);
    const isPersistent = !(content instanceof Value) && !(content instanceof Scratch);
    if (!isPersistent) expect(holds.get(where(tensor)), what).toBe(content);
  };
  for (const input of tape.inputs.values()) holds.set(where(input), input);
  for (const { bindings, shader } of kernels) {
    const written = bindings.filter(({ access }) => access === "read_write");
    for (const { tensor } of bindings.filter(({ access }) => access === "read")) {
      isThere(tensor, `what ${shader.label} reads`);
      for (const write of written) expect(where(write.tensor), `${shader.label} binds one place twice`).not.toBe(where(tensor));
    }
    expect(new Set(written.map(({ tensor }) => where(tensor))).size).toBe(written.length);
    for (const { tensor } of written) holds.set(where(tensor), contentOf(tensor));
  }
  for (const input of tape.inputs.values()) isThere(input, `the input ${input.name} in the next step`);
  for (const [name, output] of Object.entries(outputs)) isThere(output, `the output ${name}`);
}

/** One instruction of a random program: what to do with which earlier values, counted from the latest. */
const instruction = fc.record({
  kind: fc.constantFrom("gelu", "add", "norm", "gram", "project", "view", "sum", "copy", "input"),
  a: fc.nat(8),
  b: fc.nat(8),
});
type Instruction = typeof instruction extends fc.Arbitrary<infer T> ? T : never;

/** Records a random program over matrices of several sizes; instructions that do not fit become a gelu. */
function recordRandom(tape: Tape, program: readonly Instruction[]): Value[] {
  const values: Value[] = [tape.input("first", f32(8, 4))];
  const width = (value: Value) => value.shape[1] as number;
  program.forEach(({ kind, a, b }, i) => {
    const pick = (index: number) => values.at(-1 - (index % values.length))!;
    const [x, y] = [pick(a), pick(b)];
    const next: Record<Instruction["kind"], () => Value> = {
      gelu: () => gelu(x),
      add: () => (x.shape.every((size, at) => size === y.shape[at]) ? add(x, y) : gelu(x)),
      norm: () => layerNorm(x, memoryless(`weight ${i}`, width(x)), memoryless(`bias ${i}`, width(x)), 1e-5),
      gram: () => (elementCount(x.shape) < 500 ? matmul(x, x, "nt") : gelu(x)),
      project: () => matmul(x, memoryless(`matrix ${i}`, width(x), 4 * (1 + (b % 3))), "nn"),
      view: () => (elementCount(x.shape) % 4 === 0 ? reshape(x, [elementCount(x.shape) / 4, 4]) : gelu(x)),
      sum: () => columnSum(x, 1 + (b % 3)),
      copy: () => {
        copyInto(x, memoryless(`target ${i}`, ...(x.shape as number[])));
        return x;
      },
      input: () => tape.input(`input ${i}`, f32(8, 4)),
    };
    values.push(next[kind]());
  });
  return values;
}

describe("plan", () => {
  it("reuses slots: a chain of twenty operations needs few", () => {
    const tape = new Tape();
    let x = tape.input("x", f32(64));
    for (let i = 0; i < 20; i++) x = gelu(x);
    const { slots, steps } = plan(tape, { y: x }, smallest);
    expect(steps).toHaveLength(20);
    expect(slots.filter(isShared).length).toBeLessThanOrEqual(3);
    expect(slots.filter((slot) => !isShared(slot)).map(({ label }) => label)).toEqual(["input x", "output"]);
  });

  it("never lets two lives overlap in a slot, whatever the program", () => {
    fc.assert(
      fc.property(fc.array(instruction, { minLength: 1, maxLength: 40 }), fc.array(fc.nat(40), { maxLength: 4 }), (program, chosen) => {
        const tape = new Tape();
        const values = recordRandom(tape, program);
        const outputs = Object.fromEntries(chosen.map((at, i) => [`y${i}`, values[at % values.length]!]));
        checkMemory(plan(tape, { ...outputs, last: values.at(-1)! }, smallest));
      }),
      { numRuns: 300 },
    );
  });

  it("drops what no output and no persistent tensor needs", () => {
    const tape = new Tape();
    const x = tape.input("x", f32(8, 4));
    gelu(gelu(x));
    const kept = gelu(x);
    copyInto(add(x, x), memoryless("target", 8, 4));
    const { steps } = plan(tape, { kept }, smallest);
    expect(steps.map(({ node }) => node.operation.name)).toEqual(["gelu", "add", "copy"]);
  });

  it("counts every byte that building the program allocates", async () => {
    const parameter = tensor(device, [64, 64], new Float32Array(64 * 64), "parameter");
    const before = { ...device.counters };
    const program = await build(device, (tape) => {
      const x = tape.input("x", f32(tape.extent("rows", 57), 64));
      const y = layerNorm(gelu(matmul(x, parameter, "nt", { scale: 2 })), tape.input("w", f32(64)), tape.input("b", f32(64)), 1e-5);
      return { y, sum: columnSum(y), again: y, view: reshape(y, [x.shape[0]!, 8, 8]) };
    });
    const { bytes, slots } = program.plan;
    expect(device.counters.bufferBytes - before.bufferBytes).toBe(bytes.total);
    expect(bytes.total).toBe(bytes.slots + bytes.inputs + bytes.outputs + bytes.uniforms + bytes.staging);
    expect(bytes.persistent).toBe(64 * 64 * 4);
    expect(bytes.inputs).toBe((57 * 64 + 64 + 64) * 4);
    expect(bytes.outputs).toBe((57 * 64 + 64) * 4);
    // One for each slot, the uniforms, and one staging buffer for each value that can be read.
    expect(device.counters.buffers - before.buffers).toBe(slots.length + 1 + 3);
    program.close();
  });

  it("binds in windows what is too large to bind at once", () => {
    const tape = new Tape();
    const y = matmul(tape.input("x", f32(4, 768)), memoryless("word_embeddings", 50_265, 768), "nt");
    const [{ shader }] = plan(tape, { y }, smallest).kernels as [Kernel];
    const windows = Object.fromEntries(shader.bindings.map(({ name, windows }) => [name, windows]));
    expect(windows).toMatchObject({ ownA: null, ownB: { count: 2, elements: 2 ** 27 / 16 }, c: null });
  });

  it("names what no buffer holds", () => {
    const tape = new Tape();
    const y = matmul(tape.input("x", f32(4, 768)), memoryless("word_embeddings", 250_002, 768), "nt");
    const planned = () => plan(tape, { y }, smallest);
    expect(planned).toThrow(CapacityError);
    expect(planned).toThrow(/matmul binds word_embeddings \[250002, 768\], 768006144 bytes; .* 268435456 \(maxBufferSize\)/);
  });

  it("names a table of indices that is too large to bind", () => {
    const tape = new Tape();
    const tables = { word: memoryless("word", 8, 4), position: memoryless("position", 8, 4), tokenType: memoryless("type", 2, 4) };
    const y = embedding(tape.input("tokens", tokenTable(10_000_000)), tables);
    expect(() => plan(tape, { y }, smallest)).toThrow(/embedding binds tokens .*\(maxStorageBufferBindingSize\)/);
  });

  it("refuses a kernel that binds too many buffers", () => {
    const tape = new Tape();
    const values = Array.from({ length: 9 }, (_, i) => tape.input(`x${i}`, f32(1)));
    recordHistory(values, memoryless("ring", 4, 9));
    const planned = () => plan(tape, {}, smallest);
    expect(planned).toThrow(CapacityError);
    expect(planned).toThrow(/binds 10 buffers; this device allows 8/);
  });

  it("refuses more elements than kernels can count, where a device has room for them", () => {
    const limits = { ...smallest.limits, maxBufferSize: 2 ** 36, maxStorageBufferBindingSize: 2 ** 32 - 4 };
    const planned = (rows: number) => {
      const tape = new Tape();
      return () => plan(tape, { y: gelu(tape.input("x", float("f16", rows, 2 ** 15))) }, { ...smallest, limits });
    };
    expect(planned(2 ** 17)).not.toThrow();
    expect(planned(2 ** 17 + 1)).toThrow(CapacityError);
    expect(planned(2 ** 17 + 1)).toThrow("gelu binds x [131073, 32768], 4295000064 elements; kernels count to 4294967296.");
  });

  it("refuses a dispatch of too many workgroups", () => {
    const tape = new Tape();
    const y = matmul(tape.input("x", f32(9_000_000, 4)), tape.input("w", f32(4, 4)), "nn");
    expect(() => plan(tape, { y }, smallest)).toThrow(CapacityError);
  });

  it("prints itself as a table", () => {
    const tape = new Tape();
    const x = tape.input("x", f32(tape.extent("rows", 1000), 64));
    const hidden = tanh(matmul(x, memoryless("weight", 128, 64), "nt"));
    copyInto(reshape(columnSum(hidden), [2, 64]), memoryless("sums", 2, 64));
    const text = formatPlan(plan(tape, { hidden }, smallest));
    const [head, , product, activation, sum, view, copy, dispatches, allocated, used] = text.split("\n");
    expect(head).toMatch(/^# +operation +shape +variant +place +bytes$/);
    expect(product).toMatch(/^0 +matmul +\[rows≤1000, 128\] +tile 64×64×16 +slot \d +512,000$/);
    expect(activation).toMatch(/^1 +tanh +\[rows≤1000, 128\] +point ×4 +output +512,000$/);
    expect(sum).toMatch(/^2 +columnSum +\[128\] +chunks of 16 rows +slot \d +512$/);
    expect(view).toMatch(/^3 +reshape +\[2, 64\] +view +512$/);
    expect(copy).toMatch(/^4 +copy +\[2, 64\] +point .* sums +512$/);
    expect(dispatches).toMatch(/^5 operations in 5 dispatches; \d buffers$/);
    expect(allocated).toMatch(/^this plan allocates [\d,]+ bytes: .* 256,000 inputs, 512,000 outputs/);
    expect(used).toBe("and uses 33,280 bytes of parameters and optimiser state");
  });
});
