/**
 * The invariants of training: a rerun is bit-identical, a step creates nothing, masks do not depend on how sentences are packed, the loss falls, and
 * a run that diverges says so.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../../../src/autograd/program.ts";
import { ClosedError, DataError, DivergenceError, ShapeError } from "../../../src/errors.ts";
import { crossEntropy } from "../../../src/kernels/cross-entropy.ts";
import { matmul } from "../../../src/kernels/matmul/matmul.ts";
import { normalize } from "../../../src/kernels/normalize.ts";
import { initialOptimizerState } from "../../../src/kernels/optimizer/optimizer-state.ts";
import { mean } from "../../../src/kernels/sum.ts";
import { splitViews } from "../../../src/kernels/views.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { infoNce } from "../../../src/simcse/losses/infonce.ts";
import type { Loss } from "../../../src/simcse/losses/loss.ts";
import { BatchPacker, declareBatch, type PackedSentence } from "../../../src/simcse/model/batch.ts";
import { SimCseModel } from "../../../src/simcse/model/model.ts";
import { poolSentences } from "../../../src/simcse/model/poolers.ts";
import type { TokenizedExample, TrainingStepOptions } from "../../../src/simcse/training/step/step-recording.ts";
import { TrainingStep } from "../../../src/simcse/training/step/training-step.ts";
import { train } from "../../../src/simcse/training/trainer.ts";
import type { EvaluationEntry } from "../../../src/simcse/training/training-evaluator.ts";
import { type TrainingSettings, trainingDefaults } from "../../../src/simcse/training/training-options.ts";
import { exampleSet } from "../../../src/simcse/training/training-set.ts";
import { openTestDevice } from "../../device.ts";
import { arenaGradients, expectSameGradients } from "../../golden/step-gradients.ts";
import { tinyConfig, tinySentences } from "../../tiny-model.ts";

const device = await openTestDevice();
const { json, tokenizer } = tinyConfig();
const config = parseConfig("tiny", json);
const sentences = Array.from({ length: 24 }, (_, i) => `${tinySentences[i % 6]} ${tinySentences[Math.floor(i / 6)]}`);
const settings: TrainingSettings = {
  ...trainingDefaults,
  batchSize: 7,
  maxSteps: 8,
  loggingSteps: 2,
  learningRate: 1e-3,
  maxLength: 20,
};

/** A sentence as an example of unsupervised training. */
const twice = (ids: readonly number[]): TokenizedExample => ({ sentences: [ids, ids] });

const set = exampleSet(sentences, tokenizer, settings.maxLength);

async function freshModel(seed = 1) {
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: true });
  model.store.initialize(seed);
  return model;
}

async function parametersOf(model: SimCseModel): Promise<Float32Array[]> {
  const all: Float32Array[] = [];
  for (const name of model.store.pieces.keys()) all.push(await model.store.read(name));
  return all;
}

async function trained(changes: Partial<TrainingSettings> = {}) {
  const model = await freshModel();
  const losses: number[] = [];
  await train({ model, tokenizer, set, settings: { ...settings, ...changes }, hooks: { onLog: ({ loss }) => void losses.push(loss) } });
  const parameters = await parametersOf(model);
  model.close();
  return { losses, parameters };
}

it("a rerun is bit-identical, and another seed is not", async () => {
  const [first, again, other] = [await trained(), await trained(), await trained({ seed: 43 })];
  expect(again).toEqual(first);
  expect(other.parameters).not.toEqual(first.parameters);
});

it.each<[Partial<TrainingSettings>, number[]]>([
  [{ saveStrategy: "epoch" }, [4, 8]],
  [{ saveStrategy: "steps", saveSteps: 3 }, [3, 6]],
  // Of eight updates; 2.4 are rounded up, as transformers counts them.
  [{ saveStrategy: "steps", saveSteps: 0.3 }, [3, 6]],
  [{ saveStrategy: "no", saveSteps: 3 }, []],
])("writes checkpoints as %o says", async (changes, expected) => {
  const model = await freshModel();
  const steps: number[] = [];
  const hooks = { saveCheckpoint: async ({ global_step: step }: { global_step: number }) => void steps.push(step) };
  await train({ model, tokenizer, set, settings: { ...settings, ...changes }, hooks });
  model.close();
  expect(steps).toEqual(expected);
});

it("warms up for a part of the steps, as transformers counts it", async () => {
  const model = await freshModel();
  const rates: number[] = [];
  const given = { ...settings, maxSteps: 5, loggingSteps: 1, warmupSteps: 0.3 };
  await train({ model, tokenizer, set, settings: given, hooks: { onLog: ({ learning_rate }) => void rates.push(learning_rate) } });
  model.close();
  // Two steps of five, rounded up, then linearly down.
  [0, 0.5, 1, 2 / 3, 1 / 3].forEach((part, i) => void expect(rates[i]).toBeCloseTo(part * settings.learningRate, 9));
});

it("logs and evaluates after a part of all steps, rounded up", async () => {
  const model = await freshModel();
  const logged: number[] = [];
  const evaluated: number[] = [];
  await train({
    ...{ model, tokenizer, set },
    settings: { ...settings, maxSteps: 7, loggingSteps: 0.4, evalSteps: 0.25 },
    hooks: {
      evaluate: async () => 1,
      onLog: ({ step }) => void logged.push(step),
      onEvaluate: ({ step }) => void evaluated.push(step),
    },
  });
  model.close();
  expect(logged).toEqual([3, 6, 7]);
  expect(evaluated).toEqual([2, 4, 6, 7]);
});

it("the loss falls", async () => {
  const { losses } = await trained({ maxSteps: 60, loggingSteps: 10 });
  expect(losses.at(-1)!).toBeLessThan(losses[0]! * 0.9);
});

it("a step creates no buffer, bind group or pipeline and reads nothing back", async () => {
  const model = await freshModel();
  const step = await TrainingStep.create(model, {
    batchSize: 6,
    maxLength: 20,
    pooler: "cls",
    loss: infoNce({ temperature: 0.05 }),
    seed: 1,
  });
  const batch = tinySentences.map((text) => twice(tokenizer.encode(text, 20)));
  const { submits, ...created } = { ...device.counters };
  for (let update = 1; update <= 20; update++) step.run(update % 2 ? batch : batch.slice(1), update, 1e-3);
  await device.finish();
  expect(device.counters).toEqual({ ...created, submits: submits + 20 });
  const metrics = await step.metrics(1, 20);
  expect(new Set(metrics.map(({ loss }) => loss)).size).toBe(20); // Each step's own: other masks, other batches.
  for (const id of [config.vocab_size, -1, 1.5, Number.NaN]) {
    expect(() => step.run([twice([2, id, 3])], 21, 1e-3)).toThrow(`Token 1 of a sentence is ${id}`);
  }
  step.close();
  step.close();
  expect(() => step.run(batch, 21, 1e-3)).toThrow("The training step is closed.");
  await expect(step.metrics(1, 2)).rejects.toThrow(ClosedError);
  model.close();
});

it("the plan allocates the bytes that it states", async () => {
  const model = await freshModel();
  const before = device.counters.bufferBytes;
  const step = await TrainingStep.create(model, {
    batchSize: 4,
    maxLength: 16,
    pooler: "avg",
    loss: infoNce({ temperature: 0.05 }),
    seed: 1,
  });
  const history = step.history.window.size * 2; // Its ring, and the staging it is read through.
  expect(device.counters.bufferBytes - before).toBe(step.program.plan.bytes.total + history);
  step.close();
  model.close();
});

describe("dropout masks", () => {
  const capacity = { sentences: 6, tokens: 120, vocabulary: config.vocab_size, positions: config.max_position_embeddings };
  const all: PackedSentence[] = tinySentences.map((text, key) => ({ ids: tokenizer.encode(text, 20), key }));

  async function embedTraining(batches: readonly (readonly PackedSentence[])[]): Promise<Map<number, Float32Array>> {
    const model = await freshModel();
    const program = await compile(device, (tape) => {
      const batch = declareBatch(tape, capacity, { indices: false });
      return { z: poolSentences("avg", model.modules.transformer.forward(batch, { training: true }), batch, null) };
    });
    const packer = new BatchPacker(capacity, { indices: false });
    const vectors = new Map<number, Float32Array>();
    for (const batch of batches) {
      program.run({ ...packer.pack(batch), seed: 3, step: 5 });
      const rows = await program.read("z");
      for (const [row, { key }] of batch.entries()) vectors.set(key, rows.slice(row * 32, row * 32 + 32));
    }
    program.close();
    model.close();
    return vectors;
  }

  it("are the same packed, in chunks, in another order, and alone", async () => {
    const whole = await embedTraining([all]);
    for (const batches of [[all.slice(0, 2), all.slice(2)], [all.toReversed()], all.map((sentence) => [sentence])]) {
      const vectors = await embedTraining(batches);
      // Rows do not depend on their neighbours, so not even a bit differs.
      for (const [key, vector] of whole) expect(vectors.get(key)).toEqual(vector);
    }
  });

  it("differ between sentences of the same words", async () => {
    const twice = await embedTraining([[all[0]!, { ...all[0]!, key: 9 }]]);
    expect(twice.get(9)).not.toEqual(twice.get(0));
  });
});

it("keeps the best evaluation, stops when asked, and evaluates every so many steps", async () => {
  const scores = [0.1, 0.5, 0.3];
  const controller = new AbortController();
  const seen: EvaluationEntry[] = [];
  const saved: number[] = [];
  const model = await freshModel();
  const summary = await train({
    model,
    tokenizer,
    set,
    settings: { ...settings, evalSteps: 2, keepBest: true, maxSteps: 100 },
    hooks: {
      evaluate: async () => ({ eval_stsb_spearman: scores[seen.length]! }),
      onEvaluate: (entry) => void (seen.push(entry) === 3 && controller.abort()),
      saveBest: async ({ step }) => void saved.push(step),
      signal: controller.signal,
    },
  });
  expect(seen.map(({ step }) => step)).toEqual([2, 4, 6]);
  expect(saved).toEqual([2, 4]);
  expect(summary).toMatchObject({ stopped: true, steps: 6, best: { value: 0.5, step: 4 } });
  model.close();
});

it("evaluates at the end of each epoch and of the run, takes no number that is none for the best, and needs the metric that is asked for", async () => {
  const model = await freshModel();
  const scores = [Number.NaN, 0.2, 0.1];
  const seen: number[] = [];
  const epochs = { ...settings, evaluationStrategy: "epoch", maxSteps: 9, metric: "avg_sts" } as const;
  const job = { model, tokenizer, set, settings: epochs };
  const summary = await train({
    ...job,
    hooks: {
      evaluate: async () => ({ avg_sts: scores[seen.length]! }),
      onEvaluate: ({ step }) => void seen.push(step),
    },
  });
  expect(seen).toEqual([4, 8, 9]); // 24 sentences in batches of 7.
  expect(summary.best).toEqual({ metric: "eval_avg_sts", value: 0.2, step: 8 });
  await expect(train({ ...job, hooks: { evaluate: async () => ({ eval_loss: 1 }) } })).rejects.toThrow(/no metric eval_avg_sts/);
  await expect(train({ ...job, hooks: { evaluate: async () => ({ avg_sts: "high" }) as never } })).rejects.toThrow(
    /avg_sts is no number but a string/,
  );
  model.close();
});

it.each([false, true])("stops where a step is no number, with the step and the last finite values (fp16: %s)", async (fp16) => {
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: true, halves: fp16 });
  model.store.initialize(1);
  // A scale whose gradients do not overflow, so that the first step is an update: one that throws the parameters away.
  const state = initialOptimizerState({ lossScale: fp16 ? 16 : 1 });
  device.gpu.queue.writeBuffer(model.store.layout.optimizer!.window.buffer, 0, state);
  const training = train({ model, tokenizer, set, settings: { ...settings, fp16, learningRate: 1e30, maxSteps: 40 } });
  // In mixed precision it may be an overflow, until the scale is down at one.
  const step = fp16 ? "([5-9]|1\\d)" : "2";
  await expect(training).rejects.toThrow(
    new RegExp(
      `^At step ${step} the loss is .* and the gradient norm nan; the last finite ones were \\d+\\.\\d{4} and \\d+\\.\\d{4}\\.$`,
      "i",
    ),
  );
  await expect(training).rejects.toThrow(DivergenceError);
  await expect(training).rejects.toHaveProperty("remedy", expect.stringMatching(/Begin again from the model's files, with a lower/));
  const again = train({ model, tokenizer, set, settings: { ...settings, fp16, learningRate: 1e-5, maxSteps: 40 } });
  await expect(again).rejects.toThrow(DivergenceError);
  await expect(again).rejects.toHaveProperty("remedy", expect.stringMatching(/^Load the model again: .* a run that diverged/));
  model.close();
});

it.each<[string, readonly unknown[], RegExp]>([
  ["one sentence", ["One."], /at least 2 training examples, found 1/],
  ["nothing", [], /found 0/],
  ["what is no text", ["One.", 2, "Three."], /Example 2 has a value of type number in the place of text 1/],
  [
    "a hole",
    [
      ["a", "b"],
      ["c", undefined],
    ],
    /Example 2 has nothing in the place of text 2/,
  ],
  ["other columns", ["One.", ["a", "b"]], /Example 2 has 2 columns and the first has 1 column/],
  [
    "too many columns",
    [
      ["a", "b", "c", "d"],
      ["a", "b", "c", "d"],
    ],
    /Example 1 has 4 texts/,
  ],
  ["empty texts", ["", " "], /empty texts/],
  [
    "a score that is no number",
    [
      ["a", "b", 1],
      ["c", "d", Number.NaN],
    ],
    /Example 2 has the score NaN/,
  ],
])("refuses examples of %s", (_, examples, message) => {
  expect(() => exampleSet(examples as never, tokenizer, 20)).toThrow(message);
  expect(() => exampleSet(examples as never, tokenizer, 20)).toThrow(DataError);
});

it("refuses a batch of one where a loss compares the examples of a batch", async () => {
  const model = await freshModel();
  await expect(train({ model, tokenizer, set, settings: { ...settings, batchSize: 1 } })).rejects.toThrow(/`batchSize` of 1/);
  model.close();
});

describe("a batch that is run in parts", () => {
  const triples: readonly TokenizedExample[] = tinySentences.map((text, i) => ({
    sentences: [text, tinySentences[(i + 1) % 6]!, tinySentences[(i + 3) % 6]!].map((view) => tokenizer.encode(view, 20)),
    target: Float32Array.from({ length: config.hidden_size }, (_, j) => Math.sin(7 * i + j)),
  }));

  const mlm = { weight: 0.5, probability: 0.3, maskId: tokenizer.maskId, specialIds: new Set([tokenizer.clsId, tokenizer.sepId]) };

  /** The metrics of one step on five triples where six have room, and every gradient. */
  async function stepOn(changes: Partial<TrainingStepOptions>) {
    const model = await SimCseModel.allocate(device, config, { training: true, mlp: true, mlm: changes.mlm !== undefined });
    model.store.initialize(1);
    const options = {
      batchSize: 6,
      views: 3,
      maxLength: 20,
      pooler: "cls",
      loss: infoNce({ temperature: 0.05, hardNegativeWeight: 0.5 }),
      seed: 1,
    } as const;
    const step = await TrainingStep.create(model, { ...options, ...changes });
    step.run(triples.slice(0, 5), 1, 1e-3);
    const [metrics] = await step.metrics(1, 1);
    const gradients = await arenaGradients(model);
    step.close();
    model.close();
    return { metrics: metrics!, gradients };
  }

  it("GradCache has the loss and the gradients of the whole batch, whatever the chunk", async () => {
    const whole = await stepOn({});
    const [inTwos, again, ...others] = [
      await stepOn({ cacheChunk: 2 }),
      await stepOn({ cacheChunk: 2 }),
      await stepOn({ cacheChunk: 3 }),
      await stepOn({ cacheChunk: 6 }),
    ];
    expect(again).toEqual(inTwos);
    for (const cached of [inTwos, ...others]) {
      expect(Math.abs(cached.metrics.loss / whole.metrics.loss - 1)).toBeLessThan(1e-6);
      expectSameGradients(cached.gradients, whole.gradients);
    }
  });

  it("GradCache has those of masked language modelling too, with layers computed again or not", async () => {
    const whole = await stepOn({ mlm });
    for (const chunks of [{ cacheChunk: 2 }, { cacheChunk: 3, gradientCheckpointing: true }]) {
      const cached = await stepOn({ mlm, ...chunks });
      for (const name of ["loss", "mlmLoss"] as const) {
        expect(Math.abs(cached.metrics[name]! / whole.metrics[name]! - 1)).toBeLessThan(1e-6);
      }
      expectSameGradients(cached.gradients, whole.gradients);
    }
    // No word is masked: nothing of the head's is a number that is none.
    expect((await stepOn({ mlm: { ...mlm, probability: 1e-9 }, cacheChunk: 2 })).metrics.mlmLoss).toBe(0);
  });

  it("a loss may need a vector for each example: the batch at once and GradCache give it its own", async () => {
    /** Each sentence should find its own target among those of the batch. */
    const toVectors: Loss = {
      name: "to vectors",
      views: [3],
      target: { kind: "vector", width: config.hidden_size },
      couples: true,
      record: (_, embeddings, { examples, views, targets }) =>
        mean(crossEntropy(matmul(splitViews(normalize(embeddings), views, examples)[0]!, normalize(targets!), "nt", { scale: 10 }))),
    };
    const whole = await stepOn({ loss: toVectors });
    expect(whole.metrics.loss).not.toBe((await stepOn({})).metrics.loss);
    const cached = await stepOn({ loss: toVectors, cacheChunk: 2 });
    expect(Math.abs(cached.metrics.loss / whole.metrics.loss - 1)).toBeLessThan(1e-6);
    expectSameGradients(cached.gradients, whole.gradients);
    const narrow: Loss = { ...toVectors, target: { kind: "score", width: 1 } };
    await expect(stepOn({ loss: narrow })).rejects.toThrow(ShapeError);
  });

  it("accumulation contrasts each batch by itself: its gradient is the mean of theirs", async () => {
    const both = await stepOn({ batchSize: 3, accumulation: 2 });
    const single = await stepOn({ batchSize: 6 });
    expect(both.metrics.loss).toBeLessThan(single.metrics.loss); // Fewer negatives.
    expect((await stepOn({ batchSize: 5, accumulation: 1 })).metrics.loss).toBe(single.metrics.loss);
  });

  it("masked language modelling adds its loss, weighted", async () => {
    const model = await SimCseModel.allocate(device, config, { training: true, mlp: true, mlm: true });
    model.store.initialize(1);
    const options = { batchSize: 6, maxLength: 20, pooler: "cls", loss: infoNce({ temperature: 0.05 }), seed: 1 } as const;
    const contrast = await TrainingStep.create(model, options);
    const both = await TrainingStep.create(model, { ...options, mlm });
    const batch = tinySentences.map((text) => twice(tokenizer.encode(text, 20)));
    contrast.run(batch, 1, 0); // A rate of 0: the parameters stay.
    both.run(batch, 1, 0);
    const [[alone], [sum]] = [await contrast.metrics(1, 1), await both.metrics(1, 1)];
    expect(sum!.mlmLoss).toBeCloseTo(Math.log(config.vocab_size), 0);
    expect(sum!.loss).toBeCloseTo(alone!.loss + 0.5 * sum!.mlmLoss!, 4);
    for (let update = 2; update <= 40; update++) both.run(batch, update, 3e-3);
    expect((await both.metrics(40, 40))[0]!.mlmLoss).toBeLessThan(sum!.mlmLoss! * 0.9);
    contrast.close();
    both.close();
    model.close();
  });
});
