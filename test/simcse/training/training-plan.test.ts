/** The dispatches and memory of a step of BERT's size, planned for a GPU without having one: the plan allocates nothing. */
import { describe, expect, it } from "vitest";
import type { Plan } from "../../../src/autograd/plan.ts";
import type { Capabilities } from "../../../src/gpu/capabilities.ts";
import { capacity } from "../../../src/kernels/language/operation.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { infoNce } from "../../../src/simcse/losses/infonce.ts";
import type { PoolerType } from "../../../src/simcse/model/poolers.ts";
import type { TrainingStepOptions } from "../../../src/simcse/training/step/step-recording.ts";
import { planTrainingStep } from "../../../src/simcse/training/step/training-step.ts";
import { openTestDevice } from "../../device.ts";

const device = await openTestDevice();

const base = parseConfig("base", {
  model_type: "bert",
  vocab_size: 30_522,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  max_position_embeddings: 512,
});
const options = { batchSize: 64, maxLength: 32, pooler: "cls", loss: infoNce({ temperature: 0.05 }), seed: 1 } as const;
// A GPU binds more buffers than WebGPU guarantees, and then LayerNorm's gradients are one kernel.
const limits = { ...device.capabilities.limits, maxStorageBuffersPerShaderStage: 16 };
/** A GPU with matrix units. */
const capabilities: Capabilities = {
  ...device.capabilities,
  features: new Set([...device.capabilities.features, "shader-f16", "subgroups"]),
  limits,
  software: false,
  subgroupSize: 32,
  subgroupMatrices: [{ componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 }],
};

const planned = (halves: boolean, gradientCheckpointing: boolean) =>
  planTrainingStep(base, { mlp: true, halves }, { ...options, gradientCheckpointing }, capabilities);

describe("a step of BERT-base on 64 sentences of 32 tokens, twice", () => {
  const joinsOf = ({ kernels }: Plan) => kernels.filter(({ shader }) => /joins?$|total$|layerNormParameterGradient/.test(shader.label));
  const groupsOf = ({ steps }: Plan) => steps.filter(({ node }) => node.operation.name === "groupedMatmul");

  it("takes at most 216 dispatches on matrix units: one for the gradients of a layer's weights, and a few that join what is added up in parts", () => {
    const { plan } = planned(true, false);
    expect(plan.kernels.length).toBeLessThanOrEqual(216);
    // The last layer has few rows, so its feed-forward network's products are split along k. What follows reads them at once.
    expect(joinsOf(plan).length).toBeLessThanOrEqual(5);
    expect(groupsOf(plan)).toHaveLength(base.num_hidden_layers);
  });

  it("takes at most 220 in f32, where these gradients are split along k, and their parts are joined together", () => {
    const { plan } = planned(false, false);
    expect(plan.kernels.length).toBeLessThanOrEqual(220);
    expect(new Set(joinsOf(plan).map(({ shader }) => shader.label))).toEqual(new Set(["matmul nt join", "matmul nn join", "joins"]));
    expect(joinsOf(plan).length).toBeLessThanOrEqual(15);
    expect(groupsOf(plan)).toHaveLength(base.num_hidden_layers);
  });

  it("takes no more dispatches for a part of a batch, whose gradients are added where they are computed", () => {
    const plans = (form: Partial<TrainingStepOptions>) =>
      planTrainingStep(base, { mlp: true, halves: true }, { ...options, ...form }, capabilities).plans;
    expect(plans({ accumulation: 2 }).batch!.kernels.length).toBeLessThanOrEqual(213);
    expect(plans({ batchSize: 512, cacheChunk: 64 }).chunk!.kernels.length).toBeLessThanOrEqual(200);
    // Products of so few rows are split along k.
    expect(plans({ batchSize: 512, cacheChunk: 16 }).chunk!.kernels.length).toBeLessThanOrEqual(268);
  });

  it("takes at most 2.5 GB of activations in f32 and 1.25 GB in f16", () => {
    expect(planned(false, false).plan.bytes.slots).toBeLessThan(2.5e9);
    expect(planned(true, false).plan.bytes.slots).toBeLessThan(1.25e9);
  });

  it("computes the last layer after attention for one row per sentence, where the pooler reads no other", () => {
    const flopOf = (pooler: PoolerType) =>
      planTrainingStep(base, { mlp: true }, { ...options, pooler }, device.capabilities).plan.kernels.reduce(
        (sum, { flop }) => sum + (flop?.(capacity) ?? 0),
        0,
      );
    // Forward and backward: the output projection and the feed-forward network.
    const rows = 2 * options.batchSize * (options.maxLength - 1);
    const saved = 3 * 2 * rows * (768 * 768 + 2 * 768 * 3072);
    expect(flopOf("avg") - flopOf("cls_before_pooler")).toBe(saved);
    expect(saved / flopOf("avg")).toBeCloseTo(0.06, 2);
  });

  it("takes less than a third of that where layers are computed again", () => {
    for (const halves of [false, true]) {
      expect(planned(halves, true).plan.bytes.slots * 3).toBeLessThan(planned(halves, false).plan.bytes.slots);
    }
  });

  it("keeps four numbers a parameter, and half a one more in mixed precision", () => {
    const parameters = 109_000_000;
    expect(planned(false, false).persistentBytes / (16 * parameters)).toBeCloseTo(1, 1);
    expect(planned(true, false).persistentBytes / (18 * parameters)).toBeCloseTo(1, 1);
  });
});

it.each([false, true])("a batch of 512 in chunks takes less than one of 64 and the embeddings (masked words too: %s)", (masked) => {
  const capabilities = { ...device.capabilities, software: false };
  const mlm = { weight: 0.1, probability: 0.15, maskId: 103, specialIds: new Set([101, 102]) };
  const shared = { ...options, ...(masked && { mlm }) };
  const modules = { mlp: true, mlm: masked };
  const chunked = planTrainingStep(base, modules, { ...shared, batchSize: 512, cacheChunk: 32 }, capabilities);
  const embeddings = 512 * 2 * 768 * 4;
  const whole = planTrainingStep(base, modules, shared, capabilities);
  expect(chunked.bytes).toBeLessThan(whole.bytes + embeddings);
  // No kernel does nothing but add: gradients and losses are added where they are computed.
  const additions = chunked.plans.chunk!.steps.filter(({ node }) => node.operation.name === "accumulate");
  expect(additions.map(({ node }) => node.outputs[0]!.name)).toEqual([]);
});
