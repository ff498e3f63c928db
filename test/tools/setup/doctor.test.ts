/** The doctor's report on simulated machines, and on this one. */
import { describe, expect, it } from "vitest";
import type { Limits } from "../../../src/gpu/capabilities.ts";
import { type AdapterFacts, diagnose } from "../../../tools/setup/diagnose.ts";
import { simcse } from "../run-simcse.ts";

const limits = { maxStorageBufferBindingSize: 2 ** 31, maxBufferSize: 2 ** 32 } as Limits;
const gpu: AdapterFacts = {
  name: "Some GPU",
  architecture: "ampere",
  capabilities: {
    features: new Set(["subgroups", "shader-f16"]),
    limits,
    software: false,
    subgroupSize: 32,
    asksForSubgroupSize: false,
    subgroupMatrices: [],
    matrixTextures: true,
  },
  gigaflops: 5000,
  matmul: "tile",
  runtime: { name: "Node", version: "v22.1.0" },
};
const software = { ...gpu.capabilities, software: true };

const verdicts = (facts: AdapterFacts) => Object.fromEntries(diagnose(facts).map(({ what, verdict }) => [what, verdict]));

describe("diagnose", () => {
  it("finds nothing wrong with a GPU", () => {
    for (const { verdict, fix } of diagnose(gpu)) expect({ verdict, fix }).toEqual({ verdict: "good", fix: null });
  });

  it.each<[string, AdapterFacts, string, string]>([
    ["a software adapter", { ...gpu, capabilities: software, gigaflops: 12 }, "adapter", "slow"],
    ["a slow one", { ...gpu, gigaflops: 12 }, "speed", "slow"],
    ["SwiftShader", { ...gpu, architecture: "swiftshader", capabilities: software }, "software driver", "slow"],
    ["a software adapter without subgroups", { ...gpu, capabilities: { ...software, subgroupSize: null } }, "subgroups", "slow"],
    [
      "buffers of 128 MB",
      { ...gpu, capabilities: { ...gpu.capabilities, limits: { ...limits, maxBufferSize: 2 ** 27 } } },
      "largest tensor",
      "missing",
    ],
    ["an old Node", { ...gpu, runtime: { name: "Node", version: "v18.20.0" } }, "Node", "missing"],
  ])("names what %s lacks, with the fix", (_, facts, what, verdict) => {
    expect(verdicts(facts)[what]).toBe(verdict);
    for (const finding of diagnose(facts)) expect(finding.fix === null).toBe(finding.verdict === "good");
  });

  it("asks no version of another runtime", () => {
    expect(verdicts({ ...gpu, runtime: { name: "Bun", version: "1.4.5" } }).Bun).toBe("good");
  });

  it("names the models that do not fit", () => {
    const small = { ...limits, maxBufferSize: 2 ** 27 };
    const { found } = diagnose({ ...gpu, capabilities: { ...gpu.capabilities, limits: small } }).find(
      ({ what }) => what === "largest tensor",
    )!;
    expect(found).toContain("RoBERTa base, RoBERTa large");
    expect(found).not.toContain("BERT base,");
  });

  it("names the models that are bound in windows at default limits", () => {
    const core = { ...limits, maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 };
    const findings = diagnose({ ...gpu, capabilities: { ...gpu.capabilities, limits: core } });
    expect(findings.find(({ what }) => what === "bound at once")!.found).toContain("words of RoBERTa base, RoBERTa large");
    for (const { verdict } of findings) expect(verdict).toBe("good");
  });
});

it("prints its findings of this machine", async () => {
  const { code, stdout } = await simcse(["doctor"]);
  expect(code).toBe(0);
  for (const word of ["adapter", "GFLOP/s", "maxStorageBufferBindingSize", "features: "]) expect(stdout).toContain(word);
});
