/** Tensors that are bound in windows: a model trains to the same bits as with whole bindings, and RoBERTa's words fit a device's default limits. */
import { expect, it } from "vitest";
import { openDevice } from "../../../src/gpu/node.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { infoNce } from "../../../src/simcse/losses/infonce.ts";
import { SimCseModel } from "../../../src/simcse/model/model.ts";
import type { TrainingStepOptions } from "../../../src/simcse/training/step/step-recording.ts";
import { TrainingStep } from "../../../src/simcse/training/step/training-step.ts";
import { tinyConfig, tinySentences } from "../../tiny-model.ts";

const options = { batchSize: 2, maxLength: 20, pooler: "cls", loss: infoNce({ temperature: 0.05 }), seed: 1 } as const;
// The norm of a gradient in more spans is summed in another order: what it would clip is left.
const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, maxGradNorm: Number.POSITIVE_INFINITY };

/** Losses of three updates and the parameters after them, where at most `largestBinding` bytes are bound at once. */
async function trained(largestBinding: number, { halves, ...changes }: Partial<TrainingStepOptions> & { halves: boolean }) {
  const { json, tokenizer } = tinyConfig();
  await using device = await openDevice({ largestBinding });
  const config = parseConfig("tiny", { ...json, vocab_size: 300, intermediate_size: 128 });
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: true, mlm: true, halves });
  model.store.initialize(1);
  const mlm = { weight: 0.5, probability: 0.1, maskId: tokenizer.maskId, specialIds: new Set([tokenizer.clsId, tokenizer.sepId]) };
  const step = await TrainingStep.create(model, { ...options, optimizer, ...(changes.cacheChunk === undefined && { mlm }), ...changes });
  const batch = tinySentences.slice(0, 2).map((text) => ({ sentences: [tokenizer.encode(text, 20), tokenizer.encode(text, 20)] }));
  for (let update = 1; update <= 3; update++) step.run(batch, update, 1e-3);
  const losses = (await step.metrics(1, 3)).map(({ loss, mlmLoss }) => ({ loss, mlmLoss }));
  const parameters = new Map<string, Float32Array>();
  for (const name of model.store.pieces.keys()) parameters.set(name, await model.store.read(name));
  const windows = [...step.programs.values()]
    .flatMap(({ plan }) => plan.kernels.flatMap(({ shader }) => shader.bindings))
    .filter(({ windows }) => windows);
  step.close();
  model.close();
  return { losses, parameters, windows: new Set(windows.map(({ windows }) => windows!.count)) };
}

it.each([
  ["in f32", { halves: false }],
  ["in mixed precision", { halves: true }],
  ["in chunks", { halves: false, cacheChunk: 1 }],
])("a model trains to the same bits in windows, %s", async (_, changes) => {
  const whole = await trained(2 ** 27, changes);
  // Word embeddings, logits and the activations of the feed-forward layer are all larger.
  const inWindows = await trained(32_768, changes);
  expect(whole.windows).toEqual(new Set());
  expect(inWindows.windows).toContain(2);
  expect(inWindows.losses).toEqual(whole.losses);
  for (const [name, values] of whole.parameters) expect(inWindows.parameters.get(name), name).toEqual(values);
});

it("RoBERTa's words train where 128 MiB are bound at once, as they do in a small vocabulary", async () => {
  const limit = 2 ** 27;
  const hidden = 768;
  const straddling = Math.floor(limit / (4 * hidden));
  // Words of the large vocabulary, the last of which stand on both sides of the boundary; in the small one they are numbered as here.
  const words = [0, 1, 2, 50, 4321, straddling - 1, straddling, straddling + 1, 50_264];
  const sentences = [
    [0, 4, 5, 6, 2],
    [0, 7, 8, 3, 4, 2],
    [0, 6, 6, 5, 2],
  ];
  await using device = await openDevice({ largestBinding: limit });
  const updated = async (vocabulary: number, idOf: (word: number) => number) => {
    const config = parseConfig("roberta", {
      model_type: "roberta",
      vocab_size: vocabulary,
      hidden_size: hidden,
      num_hidden_layers: 1,
      num_attention_heads: 12,
      intermediate_size: 64,
      max_position_embeddings: 40,
      type_vocab_size: 1,
      pad_token_id: 1,
    });
    const model = await SimCseModel.allocate(device, config, { training: true, mlp: true });
    const { layout, pieces } = model.store;
    const name = [...pieces.keys()].find((name) => name.endsWith("word_embeddings.weight"))!;
    for (const parameter of layout.parameters) if (parameter.name !== name) model.store.initializeParameter(parameter, 1);
    for (const word of words.keys()) {
      const row = Float32Array.from({ length: hidden }, (_, i) => Math.sin(word * hidden + i) / 20);
      model.store.write(name, row, idOf(word) * hidden);
    }
    const step = await TrainingStep.create(model, { ...options, batchSize: 3, optimizer });
    step.run(
      sentences.map((ids) => ({ sentences: [ids.map(idOf), ids.map(idOf)] })),
      1,
      1e-2,
    );
    const [metrics] = await step.metrics(1, 1);
    const table = await model.store.read(name);
    step.close();
    model.close();
    return { loss: metrics!.loss, rows: [...words.keys()].map((word) => table.slice(idOf(word) * hidden, (idOf(word) + 1) * hidden)) };
  };
  const small = await updated(words.length, (word) => word);
  const large = await updated(50_265, (word) => words[word]!);
  expect(large.loss).toBe(small.loss);
  expect(large.rows).toEqual(small.rows);
  expect(new Set(large.rows.map(([first]) => first)).size).toBe(words.length);
});
