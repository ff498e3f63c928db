/** The dispatches and memory of a step of BERT's size, planned for a GPU without having one: the plan allocates nothing. */
import { describe, expect, it } from "vitest";
import { atCapacity } from "../../../src/kernels/language/kernel.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { infoNce } from "../../../src/simcse/losses/infonce.ts";
import type { PoolerType } from "../../../src/simcse/model/poolers.ts";
import type { TrainingStepOptions } from "../../../src/simcse/training/step-recording.ts";
import { planTrainingStep } from "../../../src/simcse/training/training-step.ts";
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
const planned = (halves: boolean, gradientCheckpointing: boolean) =>
  planTrainingStep(base, { mlp: true, halves }, { ...options, gradientCheckpointing }, { ...device.capabilities, limits, software: false });

describe("a step of BERT-base on 64 sentences of 32 tokens, twice", () => {
  it.each([false, true])(
    "takes at most 216 dispatches: one for the gradients of a layer's weights, and a few that join what is added up in parts, halves: %s",
    (halves) => {
      const { kernels, steps } = planned(halves, false).plan;
      expect(kernels.length).toBeLessThanOrEqual(216);
      const joins = kernels.filter(({ shader }) => /joins?$|total$|layerNormParameterGradient/.test(shader.label));
      // The last layer has few rows, and so its feed-forward network's products are split along k. What follows reads them at once.
      expect(new Set(joins.map(({ shader }) => shader.label))).toEqual(new Set(["matmul nt join", "matmul nn join", "joins"]));
      expect(joins.length).toBeLessThanOrEqual(5);
      expect(steps.filter(({ node }) => node.operation.name === "groupedMatmul")).toHaveLength(base.num_hidden_layers);
    },
  );

  it("takes no more dispatches for a part of a batch, whose gradients are added where they are computed", () => {
    const capabilities = { ...device.capabilities, limits, software: false };
    const plans = (form: Partial<TrainingStepOptions>) =>
      planTrainingStep(base, { mlp: true }, { ...options, ...form }, capabilities).plans;
    expect(plans({ accumulation: 2 }).batch!.kernels.length).toBeLessThanOrEqual(212);
    expect(plans({ batchSize: 512, cacheChunk: 64 }).chunk!.kernels.length).toBeLessThanOrEqual(199);
    // Products of so few rows are split along k.
    expect(plans({ batchSize: 512, cacheChunk: 16 }).chunk!.kernels.length).toBeLessThanOrEqual(267);
  });

  it("takes at most 2.45 GB of activations in f32 and 1.25 GB in f16", () => {
    expect(planned(false, false).plan.bytes.slots).toBeLessThan(2.45e9);
    expect(planned(true, false).plan.bytes.slots).toBeLessThan(1.25e9);
  });

  it("computes the last layer after attention for one row per sentence, where the pooler reads no other", () => {
    const flopOf = (pooler: PoolerType) =>
      planTrainingStep(base, { mlp: true }, { ...options, pooler }, device.capabilities).plan.kernels.reduce(
        (sum, { flop }) => sum + (flop?.(atCapacity) ?? 0),
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
