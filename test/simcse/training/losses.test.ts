/** Training with each loss: chosen by the kind of examples, the same in chunks (GradCache) and in mixed precision, and it falls. */
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { SimCseModel } from "../../../src/simcse/model/model.ts";
import { TrainingStep } from "../../../src/simcse/training/step/training-step.ts";
import { stepOptions } from "../../../src/simcse/training/trainer.ts";
import { checkSettings, type TrainingSettings, trainingDefaults } from "../../../src/simcse/training/training-options.ts";
import { exampleSet, type TrainingExample } from "../../../src/simcse/training/training-set.ts";
import { openTestDevice } from "../../device.ts";
import { arenaGradients, expectSameGradients } from "../../golden/step-gradients.ts";
import { tinyConfig, tinySentences } from "../../tiny-model.ts";

const device = await openTestDevice();
const { json, tokenizer } = tinyConfig();
const config = parseConfig("tiny", { ...json, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 });
const dimension = config.hidden_size;
const settings: TrainingSettings = { ...trainingDefaults, pooler: "avg", batchSize: 6, maxLength: 20 };

const other = (i: number, step = 1) => tinySentences[(i + step) % tinySentences.length]!;
const examples = {
  pairs: tinySentences.map((text, i) => [text, other(i)]),
  scored: tinySentences.map((text, i) => [text, other(i), [0.1, 0.9, 0.5, 0.5, 0.2, 1][i]!]),
  labelled: tinySentences.map((text, i) => [text, other(i), i % 2]),
  vectors: tinySentences.map((text, i) => ({ text, vector: Float32Array.from({ length: dimension }, (_, j) => Math.sin(7 * i + j)) })),
} satisfies Record<string, readonly TrainingExample[]>;

const optionsOf = (given: readonly TrainingExample[], changes: Partial<TrainingSettings>) => {
  const chosen = { ...settings, ...changes };
  checkSettings(chosen);
  return stepOptions(exampleSet(given, tokenizer, chosen.maxLength), chosen, { tokenizer, dimension });
};

describe("the loss is the one that the examples ask for", () => {
  it.each([
    ["pairs", {}, "infonce", true],
    ["scored", {}, "cosent", true],
    ["scored", { loss: "cosine" }, "cosine", false],
    ["labelled", {}, "contrastive", false],
    ["labelled", { loss: "cosent" }, "cosent", true],
    ["vectors", {}, "distill", false],
    ["vectors", { similarityWeight: 2 }, "distill", true],
    ["scored", { matryoshkaDims: [dimension, 4] }, `cosent at ${dimension}, 4`, true],
  ] satisfies [keyof typeof examples, Partial<TrainingSettings>, string, boolean][])("%s with %o: %s", (kind, changes, name, couples) => {
    expect(optionsOf(examples[kind], changes).loss).toMatchObject({ name, couples });
  });

  it.each([
    ["pairs", { loss: "cosent" }, /cosent takes 2 sentences an example and a score; the examples have 2 sentences an example/],
    ["scored", { loss: "contrastive" }, /contrastive takes .* a label/],
    ["pairs", { matryoshkaDims: [dimension + 1] }, new RegExp(`names ${dimension + 1} numbers`)],
    ["pairs", { matryoshkaDims: [dimension, 4, 4] }, /names 4 numbers twice/],
    ["pairs", { matryoshkaDims: [4, 2] }, new RegExp(`leaves out ${dimension}, .* after the first 4 would stay untrained`)],
    ["pairs", { matryoshkaDims: [] }, /`matryoshkaDims` must be/],
  ] satisfies [keyof typeof examples, Partial<TrainingSettings>, RegExp][])("refuses %s with %o", (kind, changes, message) => {
    expect(() => optionsOf(examples[kind], changes)).toThrow(message);
  });

  it("refuses scores that are no cosines where cosines are wanted, and vectors of another length", () => {
    const far: TrainingExample[] = examples.scored.map(([a, b], i) => [a as string, b as string, i]);
    expect(() => optionsOf(far, { loss: "cosine" })).toThrow(/from -1 to 1; the examples have 0 to 5/);
    expect(optionsOf(far, {}).loss?.name).toBe("cosent");
    const short = examples.vectors.map(({ text, vector }) => ({ text, vector: vector.subarray(1) }));
    expect(() => optionsOf(short, {})).toThrow(`vectors have ${dimension - 1} numbers; the model's have ${dimension}`);
  });

  it.each([
    [["a", "b", Number.NaN], /Example 2 has the score NaN/],
    [{ text: "a", vector: [] }, /Example 2 has no vector/],
    [{ text: 5, vector: [1] } as unknown as TrainingExample, /Example 2 has a value of type number/],
    [{ text: "a", vector: [Number.NaN, 1] }, /Example 2 has NaN in its vector/],
    [["a", "b"], /Example 2 has 2 columns and the first has 2 columns and a score/],
  ] satisfies [TrainingExample, RegExp][])("refuses the example %o", (example, message) => {
    expect(() => exampleSet([["a", "b", 0.5], example], tokenizer, 20)).toThrow(message);
  });
});

describe.each([
  ["infonce, symmetric", "pairs", { symmetric: true }],
  ["cosent", "scored", {}],
  ["cosine", "scored", { loss: "cosine" }],
  ["contrastive", "labelled", {}],
  ["distill", "vectors", { similarityWeight: 2 }],
  ["cosent, Matryoshka", "scored", { matryoshkaDims: [dimension, 4] }],
] satisfies [string, keyof typeof examples, Partial<TrainingSettings>][])("%s", (_, kind, changes) => {
  /** The metrics of `updates` steps on five examples where six have room, and the first step's gradients. */
  async function steps(more: Partial<TrainingSettings>, updates: number) {
    const model = await SimCseModel.allocate(device, config, { training: true, mlp: false, halves: more.fp16 === true });
    model.store.initialize(1);
    const chosen = { ...settings, ...changes, ...more };
    const set = exampleSet(examples[kind], tokenizer, chosen.maxLength);
    const step = await TrainingStep.create(model, stepOptions(set, chosen, { tokenizer, dimension }));
    const batch = Array.from({ length: 5 }, (_, i) => set.example(i));
    step.run(batch, 1, 3e-3);
    const gradients = await arenaGradients(model);
    for (let update = 2; update <= updates; update++) step.run(batch, update, 3e-3);
    const metrics = await step.metrics(1, updates);
    step.close();
    model.close();
    return { gradients, losses: metrics.map(({ loss }) => loss) };
  }

  it("is the same in chunks, close to it in mixed precision, and falls", async () => {
    const whole = await steps({}, 20);
    const cached = await steps({ gradientCacheChunk: 2 }, 1);
    expect(Math.abs(cached.losses[0]! / whole.losses[0]! - 1)).toBeLessThan(1e-5);
    expectSameGradients(cached.gradients, whole.gradients);
    const halves = await steps({ fp16: true }, 1);
    expect(Math.abs(halves.losses[0]! / whole.losses[0]! - 1)).toBeLessThan(2e-2);
    expect(whole.losses.at(-1)!).toBeLessThan(whole.losses[0]! * 0.9);
  });
});
