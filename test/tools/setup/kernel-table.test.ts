/**
 * The kernels of devices that are not here: what each kind would choose, and whether it compiles. Dawn's null backend checks WGSL and
 * pipelines without a driver. What they compute, the tests of kernels say, which run each variant on this machine's adapter.
 */
import { afterAll, describe, expect, it } from "vitest";
import { type Plan, plan } from "../../../src/autograd/plan.ts";
import { Tape } from "../../../src/autograd/tape.ts";
import type { Capabilities } from "../../../src/gpu/capabilities.ts";
import { Device } from "../../../src/gpu/device.ts";
import { knownDevices } from "../../../src/gpu/known-devices.ts";
import { openDevice } from "../../../src/gpu/node.ts";
import type { ShaderDeclaration } from "../../../src/gpu/shader.ts";
import { normalize } from "../../../src/kernels/normalize.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { ParameterLayout } from "../../../src/nn/parameters/parameter-layout.ts";
import { declareBatch, tableSizes } from "../../../src/simcse/model/batch.ts";
import { Modules } from "../../../src/simcse/model/model.ts";
import { poolSentences } from "../../../src/simcse/model/poolers.ts";
import { kernelTable, trainingPlan } from "../../../tools/setup/kernel-table.ts";
import { tinyConfig } from "../../tiny-model.ts";

const everything = await openDevice({ backend: "null" });
afterAll(() => everything.close());

/** The null device with another one's halves and subgroups. */
function nullDeviceLike({ features, subgroupSize, asksForSubgroupSize }: Capabilities): Device {
  const own = [...everything.capabilities.features].filter((name) => name !== "shader-f16" || features.has(name));
  const capabilities = { ...everything.capabilities, features: new Set(own), subgroupSize, asksForSubgroupSize };
  return new Device(everything.gpu, capabilities, everything.info);
}

const config = parseConfig("tiny", { ...tinyConfig().json, hidden_size: 64 });

/** Encoding with matrices of halves, which needs more than training: no dropout, and vectors of length one. */
function encodingPlan({ limits, ...capabilities }: Capabilities): Plan {
  const modules = new Modules(config, { mlp: true });
  new ParameterLayout(modules, { training: false, halves: true, limits });
  const tape = new Tape();
  const batch = declareBatch(tape, { sentences: 64, tokens: 2048, longest: 512, ...tableSizes(config) }, { indices: false });
  const hidden = modules.transformer.forward(batch, { training: false, dtype: "f16" });
  const vectors = normalize(poolSentences("cls", hidden, batch, modules.mlp!.dense));
  return plan(tape, { vectors }, { ...capabilities, limits });
}

/**
 * Compiles a kernel. The null backend has the limits of a core device, and subgroups of up to 128: a kernel beyond them must be within those
 * of its own device.
 */
async function compile(on: Device, shader: ShaderDeclaration, { limits, subgroupSize }: Capabilities) {
  const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = limits;
  const refusal = await on.pipeline(shader).then(
    () => null,
    ({ message }: Error) => message,
  );
  if (refusal === null) return;
  const [, bytes] = /total use of workgroup storage \((\d+) bytes\)/.exec(refusal) ?? [];
  const [, threads] = /total number of workgroup invocations \((\d+)\)/.exec(refusal) ?? [];
  const [, width] = /x-dimension of workgroup_size \((\d+)\) must be a multiple of the device maxSubgroupSize/.exec(refusal) ?? [];
  expect(bytes ?? threads ?? width, refusal).toBeDefined();
  expect(Number(bytes ?? 0)).toBeLessThanOrEqual(maxComputeWorkgroupStorageSize);
  expect(Number(threads ?? 0)).toBeLessThanOrEqual(maxComputeInvocationsPerWorkgroup);
  expect(Number(width ?? 0) % (subgroupSize ?? 1)).toBe(0);
}

/** The feature that a device must have for a WGSL extension. */
const featureOf: Readonly<Record<string, string>> = {
  f16: "shader-f16",
  subgroups: "subgroups",
  chromium_experimental_subgroup_matrix: "chromium-experimental-subgroup-matrix",
};

describe.each(knownDevices)("$name", ({ name, capabilities }) => {
  it("compiles every kernel of training and of encoding", async () => {
    // Hardware has the f32 kernels of the first device.
    const isOwn = capabilities.software || name === knownDevices[0]!.name;
    const plans = [...(isOwn ? [trainingPlan(capabilities, false)] : []), trainingPlan(capabilities, true), encodingPlan(capabilities)];
    const kernels = plans.flatMap((own) => own.kernels);
    for (const extension of kernels.flatMap(({ shader }) => shader.enables))
      expect([...capabilities.features]).toContain(featureOf[extension]);
    const on = nullDeviceLike(capabilities);
    await Promise.all(kernels.map(({ shader }) => compile(on, shader, capabilities)));
  });
});

it("says what each device would choose", () => {
  const [head, ...rows] = kernelTable(knownDevices);
  const cell = (name: string, column: string) => rows.find(([device]) => device === name)![head!.indexOf(column)];
  expect(rows.map(([name]) => name)).toEqual(knownDevices.map(({ name }) => name));
  expect(cell("NVIDIA, tensor cores", "product, f16")).toMatch(/^subgroup matrix/);
  // Subgroups of 16 lanes: of larger tiles, the results alone would take every register of a thread.
  expect(cell("Intel Xe2", "product, f16")).toBe("subgroup matrix 64×64×32");
  // Its matrix units have no f32 sums of halves.
  expect(cell("Apple M", "product, f16")).toMatch(/^tile/);
  for (const name of ["NVIDIA, tensor cores", "8×8×8 with f32 sums", "AMD RDNA", "AMD, wave64", "Intel Xe2"])
    expect(cell(name, "its gradient")).toMatch(/^matrix units/);
  expect(cell("any WebGPU device", "offers")).toBe("lanes vary, 16 KB");
  expect(cell("llvmpipe, AVX2", "product, f32")).toMatch(/^soft textures/);
  expect(cell("SwiftShader", "attention")).toBe("blocks of 4");
  expect(cell("Intel Xe2", "LayerNorm, softmax")).toBe("workgroup a row");
});
