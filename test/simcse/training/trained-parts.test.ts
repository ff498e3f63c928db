/** Frozen parts: what is trained gets the same update as in a full run, what is frozen keeps its bits and takes neither memory nor work. */
import { describe, expect, it } from "vitest";
import { OptionError } from "../../../src/errors.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { infoNce } from "../../../src/simcse/losses/infonce.ts";
import { SimCseModel } from "../../../src/simcse/model/model.ts";
import { modelNeeds } from "../../../src/simcse/training/prepare-model.ts";
import { planTrainingStep } from "../../../src/simcse/training/step/training-step.ts";
import { train } from "../../../src/simcse/training/trainer.ts";
import { type TrainingSettings, trainingDefaults } from "../../../src/simcse/training/training-options.ts";
import { exampleSet } from "../../../src/simcse/training/training-set.ts";
import { openTestDevice } from "../../device.ts";
import { tinyConfig, tinySentences } from "../../tiny-model.ts";

const device = await openTestDevice();
const { json, tokenizer } = tinyConfig();
const config = parseConfig("tiny", { ...json, num_hidden_layers: 3 });
const pairs = tinySentences.map((sentence, i) => [sentence, tinySentences[(i + 1) % 6]!]);
const set = exampleSet(pairs, tokenizer, 16);
const settings: TrainingSettings = {
  ...trainingDefaults,
  batchSize: 6,
  maxSteps: 1,
  maxLength: 16,
  learningRate: 1e-3,
  weightDecay: 0.1,
  // Clipping would make the update depend on the gradients of frozen parameters.
  maxGradNorm: 0,
};

/** Every tensor of a fresh model after one step. */
async function trained(changes: Partial<TrainingSettings>): Promise<Map<string, Float32Array>> {
  const own = { ...settings, ...changes };
  const model = await SimCseModel.allocate(device, config, modelNeeds(own, set));
  model.store.initialize(1);
  if (own.maxSteps > 0) await train({ model, tokenizer, set, settings: own });
  const tensors = new Map<string, Float32Array>();
  for (const name of model.store.pieces.keys()) tensors.set(name, await model.store.read(name));
  model.close();
  return tensors;
}

const isFrozen = (name: string) => /embeddings\.|layer\.[01]\./.test(name);
const freeze = ["embeddings", "0-1"];

it.each<[string, Partial<TrainingSettings>]>([
  ["the whole batch at once", {}],
  ["accumulation", { batchSize: 3, gradientAccumulationSteps: 2 }],
  ["GradCache", { gradientCacheChunk: 2 }],
  ["masked words", { mlm: true }],
  ["GradCache and masked words", { gradientCacheChunk: 4, mlm: true }],
  ["recomputation", { gradientCheckpointing: true }],
])("with %s, the trained part learns what it learns in a full run, and the rest keeps its bits", async (_, changes) => {
  const model = await SimCseModel.allocate(device, config, modelNeeds({ ...settings, ...changes }, set));
  model.store.initialize(1);
  const full = await trained(changes);
  for (const [name, tensor] of await trained({ ...changes, freeze })) {
    expect(tensor, name).toEqual(isFrozen(name) ? await model.store.read(name) : full.get(name));
  }
  model.close();
});

it("in mixed precision, frozen matrices are kept as f16 alone", async () => {
  const model = await SimCseModel.allocate(device, config, modelNeeds({ ...settings, fp16: true, freeze }, set));
  model.store.initialize(1);
  const before = new Map<string, Float32Array>();
  for (const name of model.store.pieces.keys()) before.set(name, await model.store.read(name));
  // The first steps overflow, and lower the loss scale.
  await train({ model, tokenizer, set, settings: { ...settings, fp16: true, freeze, maxSteps: 12 } });
  for (const [name, { parameter }] of model.store.pieces) {
    const after = await model.store.read(name);
    expect(parameter.dtype, name).toBe(isFrozen(name) && parameter.decays ? "f16" : "f32");
    if (isFrozen(name)) expect(after, name).toEqual(before.get(name));
    else expect(after, name).not.toEqual(before.get(name));
  }
  model.close();
});

describe("a plan", () => {
  const step = { batchSize: 8, maxLength: 16, pooler: "cls", loss: infoNce({ temperature: 0.05 }), seed: 1 } as const;
  const planned = (parts: readonly string[]) => planTrainingStep(config, { mlp: true, freeze: parts }, step, device.capabilities);

  it("of less to train takes fewer dispatches and less memory, and none for what is frozen", () => {
    const plans = [[], ["embeddings"], ["embeddings", "0"], ["embeddings", "0-1"], ["embeddings", "0-2"]].map(planned);
    for (const [i, { dispatches, plan, persistentBytes, parameters }] of plans.entries()) {
      const gradients = plan.steps.filter(({ node }) => /Gradient/.test(node.operation.name)).map(({ node }) => node.operation.name);
      expect(gradients.filter((name) => name === "attentionGradient").length).toBe(3 - Math.max(0, i - 1));
      expect(gradients.includes("embeddingGradient")).toBe(i === 0);
      expect([...plan.tape.inputs.keys()].some((name) => name.endsWith("runs"))).toBe(i === 0);
      if (i === 0) continue;
      const more = plans[i - 1]!;
      expect(dispatches).toBeLessThan(more.dispatches);
      expect(plan.bytes.slots).toBeLessThanOrEqual(more.plan.bytes.slots);
      expect(persistentBytes).toBeLessThan(more.persistentBytes);
      expect(parameters.trained).toBeLessThan(more.parameters.trained);
      expect(parameters.all).toBe(more.parameters.all);
    }
    expect(plans[4]!.plan.bytes.slots * 2).toBeLessThan(plans[0]!.plan.bytes.slots);
  });

  it.each([
    [["3"], /no part "3" to freeze.*layers 0 to 2/s],
    [["1-0"], /"1-0"/],
    [["embedding"], /"embedding".*embeddings, pooler/s],
    [[""], /""/],
    [["embeddings", "0-2", "pooler"], /leaves nothing to train/],
  ] as const)("refuses %s", (parts, message) => {
    const refused = () => planned(parts);
    expect(refused).toThrow(OptionError);
    try {
      refused();
    } catch (error) {
      expect(`${(error as Error).message} ${(error as OptionError).remedy}`).toMatch(message);
    }
  });
});
