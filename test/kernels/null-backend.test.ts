/**
 * Every kernel compiles for every kind of device: Dawn's null backend checks WGSL and pipelines without a driver, so the variants for
 * absent adapters are checked too.
 */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { type Choose, plan } from "../../src/autograd/plan.ts";
import { Tape } from "../../src/autograd/tape.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import { Device } from "../../src/gpu/device.ts";
import { openDevice } from "../../src/gpu/node.ts";
import { attention } from "../../src/kernels/attention.ts";
import { type FloatType, f32, float, type Kernel } from "../../src/kernels/language/operation.ts";
import { grouped } from "../../src/kernels/matmul/grouped.ts";
import { functions, type PointwiseFunction } from "../../src/kernels/pointwise/functions.ts";
import { catalogue, sizes, withGradients } from "./catalogue.ts";
import { epilogues } from "./matmul/epilogues.ts";
import { batchInputs } from "./packed-batch.ts";

const full = await openDevice({ backend: "null" });
const core = await openDevice({ backend: "null", profile: "core" });
afterAll(() => {
  full.close();
  core.close();
});

/** The smallest devices that WebGPU allows, and every possible subgroup size: those of CPUs, and those of GPUs. */
const lanes = { software: [null, 4, 8, 16], hardware: [null, 8, 16, 32, 64] };
const machines = Object.entries(lanes).flatMap(([kind, sizes]) =>
  [{ device: core, subgroupSize: null }, ...sizes.map((subgroupSize) => ({ device: full, subgroupSize }))].map(
    ({ device, subgroupSize }) => ({
      name: `${device === core ? "core" : "full"}, ${kind}, subgroups of ${subgroupSize ?? "any size"}`,
      device,
      capabilities: { ...device.capabilities, software: kind === "software", subgroupSize },
    }),
  ),
);
const compiled = new Set<string>();

describe.each(machines)("$name", ({ device, capabilities }) => {
  it.each(Object.entries(catalogue))("compiles %s", async (_, record) => {
    for (const size of sizes) {
      const tape = new Tape();
      const values = record(tape, size).filter((value) => value !== null);
      const outputs = Object.fromEntries(values.map((value, i) => [`y${i}`, value]));
      const planned = plan(tape, outputs, capabilities);
      await Promise.all(planned.kernels.map(({ shader }) => device.pipeline(shader)));
      for (const { node } of planned.steps) compiled.add(node.operation.name);
    }
    expect(device.uncapturedErrors).toEqual([]);
  });
});

/** The null backend has the workgroup memory of a core device and subgroups of up to 128; where a kernel does not suit them, everything else has been checked. */
async function compile({ shader }: Kernel, on: Device = full) {
  try {
    await on.pipeline(shader);
  } catch (error) {
    expect(String(error)).toMatch(/total use of workgroup storage|must be a multiple of the device maxSubgroupSize/);
  }
}

/** The formats of matrix units: NVIDIA's tensor cores, and Apple's; and none. */
const matrixUnits = [16, 8, 0].map((size) => ({
  size,
  matrices: size === 0 ? [] : [{ componentType: "f16", resultComponentType: "f32", M: size, N: size, K: size }],
}));

describe.each(matrixUnits)("matmul on a GPU with matrix units of $size", ({ matrices }) => {
  const limits = { ...full.capabilities.limits, maxComputeWorkgroupStorageSize: 48 * 1024 };
  const capabilities: Capabilities = { ...full.capabilities, software: false, subgroupSize: 32, subgroupMatrices: matrices, limits };
  const dtypes: readonly FloatType[] = matrices.length > 0 ? ["f16"] : ["f16", "f32"];

  it.each(["nn", "nt", "tn"] as const)("compiles every variant of %s with every epilogue", async (layout) => {
    const names = new Set<string>();
    /** The programs in the variant of this number; none where there are fewer. */
    const kernelsOf = (number: number, dtype: FloatType, live: boolean) => {
      const tape = new Tape();
      const size = { m: 136, n: 72, k: 400 };
      const dimensions = live ? { ...size, [layout === "tn" ? "k" : "m"]: tape.extent(layout, 400) } : size;
      let found = false;
      const choose: Choose = (_, variants) => {
        const own = variants.filter(({ name }) => matrices.length === 0 || name.startsWith("subgroup matrix"))[number];
        if (own) {
          names.add(own.name);
          found = true;
        }
        return own;
      };
      const outputs = epilogues(tape, layout, dimensions, dtype);
      const operands = ["a", "b", "b", "a"].map((name) => tape.inputs.get(`${layout} ${name}`)!);
      const [several] = layout === "tn" ? tape.append(grouped, operands, { rowSums: true }) : [];
      const { kernels } = plan(tape, { ...outputs, ...(several ? { several } : {}) }, capabilities, choose);
      return found ? kernels : [];
    };
    for (const dtype of dtypes) {
      for (let number = 0; ; number++) {
        const kernels = [true, false].flatMap((live) => kernelsOf(number, dtype, live));
        if (kernels.length === 0) break;
        await Promise.all(kernels.map((kernel) => compile(kernel)));
      }
    }
    expect(names.size).toBeGreaterThan(4);
    full.check();
  });
});

/** Formats of matrix units, and lanes of a subgroup. */
const formats = [
  { M: 16, N: 16, K: 16, lanes: 32 },
  { M: 16, N: 8, K: 16, lanes: 32 },
  { M: 8, N: 16, K: 16, lanes: 32 },
  { M: 8, N: 8, K: 8, lanes: 64 },
  { M: 8, N: 16, K: 16, lanes: 16 },
  { M: 8, N: 8, K: 8, lanes: 8 },
];

/** Where MPNet's buckets of distances begin. */
const mpnetStarts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];

it.each(formats)("compiles attention on matrix units of $M×$N×$K with $lanes lanes", async ({ lanes, ...size }) => {
  const limits = { ...full.capabilities.limits, maxComputeWorkgroupStorageSize: 48 * 1024 };
  const subgroupMatrices = [{ componentType: "f16", resultComponentType: "f32", ...size }];
  const capabilities: Capabilities = { ...full.capabilities, software: false, subgroupSize: lanes, subgroupMatrices, limits };
  // The null device has subgroups of 4 to 128 lanes.
  const on = new Device(full.gpu, { ...full.capabilities, subgroupSize: lanes, asksForSubgroupSize: true }, full.info);
  const chosen = new Set<string>();
  for (const { headSize, longest, starts, ...options } of [
    { headSize: 32, longest: 128, dropout: 0.1, window: 40 },
    { headSize: 64, longest: 32, dropout: 0.1 },
    { headSize: 64, longest: 100, dropout: 0 },
    { headSize: 96, longest: 57, dropout: 0.1 },
    { headSize: 64, longest: 32, dropout: 0.1, starts: mpnetStarts },
    { headSize: 32, longest: 128, dropout: 0.1, starts: mpnetStarts },
  ]) {
    const tape = new Tape();
    const batch = batchInputs(tape, { tokens: 300, sentences: 7, longest });
    const qkv = tape.input("qkv", float("f16", batch.tokens.shape[0]!, 3 * 2 * headSize));
    const bias = starts && { table: tape.input("table", f32(2 * starts.length, 2)), starts };
    const [y, dQkv, , , dTable] = withGradients(tape, attention(qkv, batch, { heads: 2, ...options, ...(bias ? { bias } : {}) }));
    const choose: Choose = ({ operation }, variants) => {
      const variant = variants.find(({ name }) => name.startsWith("matrix units"));
      if (variant) chosen.add(`${operation.name} ${headSize} ${longest} ${starts !== undefined}`);
      return variant;
    };
    await Promise.all(
      plan(tape, { y: y!, dQkv: dQkv!, ...(dTable ? { dTable } : {}) }, capabilities, choose).kernels.map((kernel) => compile(kernel, on)),
    );
  }
  expect(chosen.size).toBe(12);
  full.check();
});

it("has compiled every operation there is", () => {
  const folder = new URL("../../src/kernels/", import.meta.url);
  const declared = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) =>
      [...readFileSync(new URL(file, folder), "utf8").matchAll(/Operation<.*> = \{\s+name: "(\w+)"/g)].map((match) => match[1]!),
    );
  const gradients = Object.entries<PointwiseFunction>(functions).flatMap(([name, { derivatives, constants = [] }]) =>
    Object.values(derivatives).every((text) => constants.includes(text) || !Number.isNaN(Number(text))) ? [] : [`${name}Gradient`],
  );
  expect(declared.length).toBeGreaterThan(20);
  expect([...compiled].sort()).toEqual([...declared, ...Object.keys(functions), ...gradients].sort());
});
