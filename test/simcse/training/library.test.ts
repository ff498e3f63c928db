/** Training as a library call: the same model encodes, trains, searches and goes on training; what it saves opens again; runs are stopped and resumed. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { DataError, OptionError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import type { TrainingOptions } from "../../../src/simcse/training/train-loaded.ts";
import type { TrainedStep } from "../../../src/simcse/training/training-run.ts";
import { openTestDevice } from "../../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";
import { simcse, words } from "../../tools/run-simcse.ts";

const device = await openTestDevice();
const folder = await temporaryFolder();
const path = join(folder, "model");
await writeTinyModel(path);

const load = (options: { training?: boolean; pooler?: "avg" | "cls"; maxLength?: number } = {}) =>
  SimCSE.load(path, { device, training: true, pooler: "avg", ...options });
const pairs = Array.from({ length: 12 }, (_, i) => [tinySentences[i % 6]!, `${tinySentences[(i + 1) % 6]} ${i}`] as const);
const options: TrainingOptions = { batchSize: 4, learningRate: 1e-3, maxSteps: 6, maxLength: 16 };

async function bytesOf(model: SimCSE): Promise<Uint8Array> {
  const saved = new MemoryFolder();
  await model.save(saved);
  return saved.read("model.safetensors");
}

it("yields every step, with the score of its evaluation, and the model encodes, searches and trains on", async () => {
  const model = await load();
  const before = await model.encode("A cat.");
  const steps: TrainedStep[] = [];
  let scores = 0;
  const run = model.train(pairs, { ...options, evalSteps: 3, evaluate: async (encode) => (await encode(["a"])).length + scores++ });
  for await (const step of run) steps.push(step);
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(steps.every(({ loss, learningRate, totalSteps }) => loss > 0 && learningRate > 0 && totalSteps === 6)).toBe(true);
  expect(steps.map(({ score }) => score)).toEqual([undefined, undefined, model.dimension, undefined, undefined, model.dimension + 1]);
  expect(await run).toMatchObject({ steps: 6, stopped: false, best: { step: 6 } });

  const after = await model.encode("A cat.");
  expect(after).not.toEqual(before);
  await model.buildIndex(tinySentences);
  expect((await model.search(tinySentences[2]!))[0]!.id).toBe(2);
  await model.train(pairs, { ...options, maxSteps: 1 });
  expect(await model.encode("A cat.")).not.toEqual(after);
  await expect(model.search("A cat.")).rejects.toThrow(/no index/); // Its vectors were made before.
  model.close();
});

it("can be trained again behind a loop that was left, by a break or by an error", async () => {
  const model = await load();
  const many = { ...options, maxSteps: 100_000 };
  for await (const { step } of model.train(pairs, many)) if (step > 1) break;
  const failing = async () => {
    for await (const { step } of model.train(pairs, many)) if (step > 1) throw new Error("the caller's");
  };
  await expect(failing()).rejects.toThrow("the caller's");
  expect(await model.train(pairs, options)).toMatchObject({ steps: 6, stopped: false });
  model.close();
});

it("what is saved in memory opens with the same vectors", async () => {
  for (const pooler of ["avg", "cls"] as const) {
    const model = await load({ pooler });
    await model.train(pairs, { ...options, maxSteps: 1 });
    const saved = new MemoryFolder("saved");
    await model.save(saved);
    expect(saved.files).toContain("modules.json");
    const opened = await SimCSE.loadFrom(device, saved, { dtype: "f32" });
    expect(opened.pooler).toBe(pooler);
    expect(await opened.encode(tinySentences)).toEqual(await model.encode(tinySentences));
    opened.close();
    model.close();
  }
});

it("trains to the same bits with memory taken at loading or later", async () => {
  const [ready, later] = [await load(), await load({ training: false })];
  for (const model of [ready, later]) await model.train(pairs, options);
  expect(Buffer.compare(await bytesOf(later), await bytesOf(ready))).toBe(0);
  ready.close();
  later.close();
});

it("trains to the bits of the command line", async () => {
  const model = await load();
  await model.train(pairs, options);
  const [file, output, saved] = [join(folder, "pairs.jsonl"), join(folder, "command"), join(folder, "library")];
  await model.save(saved);
  model.close();
  await writeFile(file, pairs.map(([sent0, sent1]) => JSON.stringify({ sent0, sent1 })).join("\n"));
  const { code, stderr } = await simcse(
    words(`train --model_name_or_path ${path} --train_file ${file} --output_dir ${output} --pooler_type avg
      --per_device_train_batch_size 4 --learning_rate 1e-3 --max_steps 6 --max_seq_length 16 --no-autotune`),
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const [command, library] = await Promise.all([output, saved].map((own) => readFile(join(own, "model.safetensors"))));
  expect(Buffer.compare(command!, library!)).toBe(0);
});

it.each<[string, TrainingOptions, () => Promise<MemoryFolder | string>]>([
  ["in memory, in f32", {}, async () => new MemoryFolder("checkpoints")],
  [
    "on disk, in mixed precision, with GradCache and masked words",
    { fp16: true, gradientCacheChunk: 2, mlm: true },
    async () => join(folder, "no folder yet", "checkpoints"),
  ],
])("is resumed to the same bits from a place %s", async (_, changes, place) => {
  const whole = await load();
  await whole.train(pairs, { ...options, ...changes });
  const stopped = await load();
  const controller = new AbortController();
  const evaluate = async () => {
    controller.abort();
    return 0;
  };
  const checkpoints = await place();
  const kept = { checkpoints, saveSteps: 2, keepCheckpoints: 1, resume: true };
  const run = stopped.train(pairs, { ...options, ...changes, ...kept, evalSteps: 3, evaluate, signal: controller.signal });
  expect(await run).toMatchObject({ steps: 3, totalSteps: 6, interrupted: true });
  const resumed = await load();
  await resumed.train(pairs, { ...options, ...changes, checkpoints, resume: true });
  expect(Buffer.compare(await bytesOf(resumed), await bytesOf(whole))).toBe(0);
  for (const model of [whole, stopped, resumed]) model.close();
});

it("keeps the best weights also if they were found before an interruption, and finds them anew if better means something else", async () => {
  const checkpoints = new MemoryFolder("best");
  const kept: TrainingOptions = { ...options, loraRank: 2, keepBest: true, evalSteps: 2, checkpoints };
  const stopped = await load();
  const controller = new AbortController();
  let best: Float32Array = new Float32Array();
  const first = async (encode: (texts: string[]) => Promise<Float32Array>) => {
    if (best.length > 0) controller.abort();
    else best = await encode(["A cat."]);
    return controller.signal.aborted ? 0 : 1;
  };
  expect(await stopped.train(pairs, { ...kept, evaluate: first, signal: controller.signal })).toMatchObject({
    steps: 4,
    best: { step: 2 },
  });
  stopped.close();

  const resumed = await load();
  expect(await resumed.train(pairs, { ...kept, resume: true, evaluate: async () => 0 })).toMatchObject({ best: { step: 2 } });
  expect(await resumed.encode("A cat.")).toEqual(best);
  resumed.close();

  const otherwise = await load();
  const lower = { resume: true, greaterIsBetter: false, evaluate: async () => 3 };
  expect(await otherwise.train(pairs, { ...kept, ...lower })).toMatchObject({ best: { step: 6, value: 3 } });
  expect(await otherwise.encode("A cat.")).not.toEqual(best);
  otherwise.close();
});

it("stops at a signal, keeps the best weights, and pretrains", async () => {
  const model = await load({ maxLength: 16 });
  const controller = new AbortController();
  const evaluate = async () => {
    controller.abort();
    return { recall: 1 };
  };
  const summary = await model.train(pairs, { ...options, evalSteps: 2, evaluate, signal: controller.signal });
  expect(summary).toMatchObject({ steps: 2, interrupted: true, best: { metric: "eval_recall" } });

  const scores = [1, 0, 0];
  const vectors: Float32Array[] = [];
  const long = "A cat sleeps on the mat. ".repeat(4);
  const run = model.train(pairs, {
    ...options,
    evalSteps: 2,
    keepBest: true,
    evaluate: async (encode) => {
      vectors.push(await encode([long]));
      expect(await encode([long], { maxLength: 512 })).not.toEqual(vectors.at(-1));
      return scores[vectors.length - 1]!;
    },
  });
  expect(await run).toMatchObject({ best: { step: 2 } });
  expect(await model.encode(long)).toEqual(vectors[0]); // Read as far as the model itself reads it.

  const { steps } = await model.pretrain([...tinySentences, ...tinySentences], { ...options, maxSteps: 2 });
  expect(steps).toBe(2);
  model.close();
});

it("a start that failed leaves nothing of its seed", async () => {
  const [model, other] = [await load({ pooler: "cls" }), await load({ pooler: "cls" })];
  await expect(model.train(pairs, { ...options, seed: 1, matryoshkaDims: [7] })).rejects.toThrow(OptionError);
  for (const one of [model, other]) await one.train(pairs, { ...options, seed: 2, maxSteps: 1 });
  expect(Buffer.compare(await bytesOf(model), await bytesOf(other))).toBe(0);
  for (const one of [model, other]) one.close();
});

it("takes an option that is undefined as one that is not given", async () => {
  const model = await load();
  const unset = { learningRate: undefined, maxLength: undefined, evaluationStrategy: undefined, evalSteps: undefined } as object;
  const evaluate = async () => 1;
  expect(await model.train(pairs, { ...unset, epochs: 1, evaluate })).toMatchObject({ best: { step: 2 } });
  const vectors = { length: 6, dimension: model.dimension, data: new Float32Array(6 * model.dimension).fill(1) };
  const run = model.distill(vectors, tinySentences, { ...unset, warmupSteps: 0, maxSteps: 1 });
  for await (const { learningRate } of run) expect(learningRate).toBe(5e-4);
  // The length of a distillation is its own, as on the command line, and not that of the longest text.
  const checkpoints = new MemoryFolder();
  await model.distill(vectors, tinySentences, { ...unset, maxSteps: 1, saveSteps: 1, checkpoints });
  const state = JSON.parse(new TextDecoder().decode(await checkpoints.read("checkpoint-1/trainer_state.json")));
  expect(state.options.maxLength).toBe(Math.min(64, model.encoder.maxLength));
  model.close();
});

it("says what a step takes before it is run, and takes it", async () => {
  const model = await load();
  const small = model.plan({ ...options, batchSize: 4 });
  const large = model.plan({ ...options, batchSize: 64 });
  expect(large.stepBytes).toBeGreaterThan(small.stepBytes);
  expect(large.modelBytes).toBe(model.model.store.bytes);
  expect(model.plan({ ...options, batchSize: 64, gradientCacheChunk: 4 }).stepBytes).toBeLessThan(large.stepBytes);
  model.close();
});

it("takes any iterable of examples, and refuses what it cannot do by name", async () => {
  const model = await load();
  async function* read() {
    yield* pairs;
  }
  expect(await model.train(read(), { ...options, maxSteps: 1 })).toMatchObject({ steps: 1 });
  expect(await model.train(new Set(tinySentences), { ...options, maxSteps: 1 })).toMatchObject({ steps: 1 });
  const train = (examples: unknown, more: object = {}) => model.train(examples as never, { ...options, ...more });
  await expect(train(pairs, { learningrate: 1 })).rejects.toThrow(/no option "learningrate"/);
  await expect(train(pairs, { learningRate: Number.NaN })).rejects.toThrow(OptionError);
  await expect(train(pairs, { resume: true })).rejects.toThrow(/`checkpoints`/);
  await expect(train(pairs, { maxLength: 4096 })).rejects.toThrow(OptionError);
  await expect(train(pairs, { signal: 5 })).rejects.toThrow("signal of train must be an AbortSignal");
  await expect(train(pairs, { keepBest: true })).rejects.toThrow("`keepBest` needs `evaluate`");
  await expect(train(pairs, { earlyStoppingPatience: 2 })).rejects.toThrow("`earlyStoppingPatience` needs `evaluate`");
  const never = { keepBest: true, evaluationStrategy: "steps", evaluate: async () => 1 };
  await expect(train(pairs, never)).rejects.toThrow("`evalSteps` 0 leaves nothing");
  await expect(
    train([
      ["a", "b", "0.5"],
      ["c", "d", "0.1"],
    ]),
  ).rejects.toThrow('The third texts of all examples are numbers, such as "0.5"');
  await expect(
    train([
      ["a", "b", 0.5],
      ["c", "d", 0.5],
    ]),
  ).rejects.toThrow("Every example has the score 0.5: the `loss` cosent");
  await expect(
    train([
      ["a", "b", 1],
      ["c", "d", 1],
    ]),
  ).rejects.toThrow("Every example has the label 1: the `loss` contrastive");
  // A text can be iterated too, character by character.
  const vectors = { length: 2, dimension: 1, data: new Float32Array(2) };
  for (const call of [
    () => model.pretrain("One text."),
    () => model.pretrain(["A text.", null as never]),
    () => model.distill(vectors, "ab"),
    () => model.distill(null as never, ["a", "b"]),
    () => model.student({ vocabSize: 100, texts: "One text." }),
    () => model.paraphrases("One text."),
    () => model.clusters(null as never),
    () => model.encode("A text.", { normalize: "no" as never }),
  ]) {
    await expect((async (): Promise<unknown> => call())()).rejects.toThrow(OptionError);
  }
  await expect(train([])).rejects.toThrow(DataError);
  await expect(train("A sentence.")).rejects.toThrow(DataError);
  await expect(train(42)).rejects.toThrow(DataError);
  await expect(
    train([
      ["a", "b"],
      ["c", null],
    ]),
  ).rejects.toThrow(/Example 2 has null in the place of text 2/);
  await expect(
    train([
      ["a", "b", 0.5],
      ["c", "d", "e"],
    ]),
  ).rejects.toThrow(/Example 2 has 3 columns and the first has 2 columns and a score/);
  const scored = pairs.map(([a, b], i) => [a, b, i / 5]);
  expect(await train(scored, { maxSteps: 1 })).toMatchObject({ steps: 1 });
  const [one, other] = [train(pairs, { maxSteps: 1 }), train(pairs)];
  await expect(other).rejects.toThrow(/being trained already/);
  expect(await one).toMatchObject({ steps: 1 });
  model.close();
});

it("refuses sentences for a model without dropout, unless some is given or it is said to be meant", async () => {
  const bare = join(folder, "bare");
  await writeTinyModel(bare, { config: { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 } });
  const model = await SimCSE.load(bare, { device, training: true, pooler: "avg" });
  const one = { ...options, maxSteps: 1 };
  await expect(model.train(tinySentences, one)).rejects.toThrow("The model has no dropout of its own");
  for (const dropout of [0, 0.1]) expect(await model.train(tinySentences, { ...one, dropout })).toMatchObject({ steps: 1 });
  expect(await model.train(pairs, one)).toMatchObject({ steps: 1 });
  model.close();
});

it("evaluates with the prompts of queries and of searched texts", async () => {
  const plain = await load();
  const saved = new MemoryFolder("prompted");
  await plain.save(saved);
  plain.close();
  const prompts = { query: "q: ", document: "d: " };
  await saved.write("config_sentence_transformers.json", new TextEncoder().encode(JSON.stringify({ prompts })));
  const model = await SimCSE.loadFrom(device, saved, { training: true, dtype: "f32" });
  const first = async (text: string) => model.encode(text);
  const expected = [await first("A cat."), await first("q: A cat."), await first("d: A cat.")];
  const found: Float32Array[] = [];
  await model.train(pairs, {
    ...options,
    evalOnStart: true,
    evaluate: async (encode, { encodeQueries, encodeDocuments }) => {
      for (const one of [encode, encodeQueries!, encodeDocuments!]) found.push(await one(["A cat."]));
      return 1;
    },
    evalSteps: 6,
  });
  expect(found.slice(0, 3)).toEqual(expected);
  model.close();
});

it("says how alike the vectors of different texts are", async () => {
  const model = await load();
  const { meanCosine: usual } = await model.train(pairs, { ...options, learningRate: 1e-4 });
  const { meanCosine: collapsed } = await model.train(pairs, { ...options, learningRate: 10, maxSteps: 10 });
  // The first sentences of the pairs, as the model embeds them.
  const { data } = await model.encoder.encode(tinySentences, { maxLength: 16 });
  const width = model.dimension;
  let sum = 0;
  for (let i = 0; i < 6; i++)
    for (let j = 0; j < i; j++) for (let k = 0; k < width; k++) sum += data[i * width + k]! * data[j * width + k]!;
  expect(collapsed).toBeCloseTo(sum / 15, 5); // Sums of 480 products in f32.
  expect(collapsed).toBeGreaterThan(0.995);
  expect(usual).toBeLessThan(collapsed!);
  expect(await model.pretrain([...tinySentences, ...tinySentences], { ...options, maxSteps: 1 })).toMatchObject({ meanCosine: null });
  model.close();
});

it("refuses to keep the worst model", async () => {
  const model = await load();
  const run = (changes: TrainingOptions) =>
    model.train(pairs, { ...options, evalSteps: 3, evaluate: async () => ({ my_loss: 1 }), ...changes });
  await expect(run({ keepBest: true })).rejects.toThrow(/Of the `metric` eval_my_loss less is better/);
  expect(await run({ keepBest: true, greaterIsBetter: false })).toMatchObject({ best: { value: 1 } });
  expect(await run({})).toMatchObject({ steps: 6 });
  model.close();
});

it.each<[string, readonly (string | readonly string[])[], RegExp]>([
  ["texts", ["a", "a", "a"], /The texts of all 3 examples are the same: "a"/],
  [
    "second texts",
    [
      ["a", "b"],
      ["c", "b"],
    ],
    /The second texts of all 2 examples are the same: "b"/,
  ],
  [
    "first texts",
    [
      ["a", "b", "x"],
      ["a", "c", "y"],
    ],
    /The first texts of all 2 examples are the same/,
  ],
])("refuses examples with the same %s", async (_, examples, message) => {
  const model = await load();
  await expect(model.train(examples, options)).rejects.toThrow(message);
  model.close();
});
