/** A run that was interrupted anywhere and resumed ends with the same bits as one that was not: after a checkpoint, and after its device was lost. */
import { describe, expect, it } from "vitest";
import { FileError, FormatError, OptionError } from "../../../src/errors.ts";
import type { Device } from "../../../src/gpu/device.ts";
import { openDevice } from "../../../src/gpu/node.ts";
import { withReopenedDevice } from "../../../src/gpu/reopen.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { encodeSafetensors, openSafetensors } from "../../../src/io/weights/safetensors.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import {
  checkResumable,
  examplesOf,
  loadTrainingCheckpoint,
  readTrainingState,
  trainingCheckpointFiles,
} from "../../../src/simcse/checkpoint/training-checkpoint.ts";
import { SimCseModel } from "../../../src/simcse/model/model.ts";
import { modelNeeds } from "../../../src/simcse/training/prepare-model.ts";
import { type TrainerHooks, train } from "../../../src/simcse/training/trainer.ts";
import type { LogEntry } from "../../../src/simcse/training/training-log.ts";
import { type TrainingSettings, trainingDefaults } from "../../../src/simcse/training/training-options.ts";
import { exampleSet } from "../../../src/simcse/training/training-set.ts";
import { openTestDevice } from "../../device.ts";
import { tinyConfig, tinySentences } from "../../tiny-model.ts";

const device = await openTestDevice();
const { json, tokenizer } = tinyConfig();
const config = parseConfig("tiny", json);
const pairs = Array.from({ length: 23 }, (_, i) => [tinySentences[i % 6]!, `${tinySentences[i % 6]} ${tinySentences[Math.floor(i / 6)]}`]);
const settings: TrainingSettings = {
  ...trainingDefaults,
  batchSize: 5,
  maxSteps: 9,
  loggingSteps: 4,
  saveSteps: 3,
  warmupSteps: 2,
  scheduler: "cosine",
  learningRate: 1e-3,
  maxLength: 20,
  noDuplicates: true,
};
const simcse = { pooler_type: "cls", max_seq_length: 20 };
const set = exampleSet(pairs, tokenizer, settings.maxLength);

async function bytesOf(content: string | Uint8Array | AsyncIterable<Uint8Array>): Promise<string | Uint8Array> {
  if (typeof content === "string" || content instanceof Uint8Array) return content;
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part.slice());
  return Buffer.concat(parts);
}

interface Run {
  readonly losses: readonly number[];
  readonly tensors: readonly Float32Array[];
  /** Checkpoints in memory by their step. */
  readonly checkpoints: ReadonlyMap<number, MemoryFolder>;
}

/** Trains from the beginning, or on from a checkpoint, and reads everything that training changes. */
async function run(
  on: Device,
  changes: Partial<TrainingSettings>,
  from: MemoryFolder | null,
  hooks: TrainerHooks = {},
  checkpoints = new Map<number, MemoryFolder>(),
): Promise<Run> {
  const own = { ...settings, ...changes };
  const model = await SimCseModel.allocate(on, config, modelNeeds(own, set));
  model.store.initialize(own.seed);
  const state = from && (await readTrainingState(from));
  if (from) await loadTrainingCheckpoint(from, model);
  const losses: LogEntry[] = [...((state?.log_history ?? []) as LogEntry[])];
  await train({
    model,
    tokenizer,
    set,
    settings: own,
    hooks: {
      ...hooks,
      onLog: (entry) => void losses.push(entry),
      saveCheckpoint: async (at) => {
        const saved = { ...at, best_metric: null, options: own, train_examples: pairs.length };
        const files: [string, string | Uint8Array][] = [];
        for (const { name, content } of trainingCheckpointFiles(model, tokenizer, simcse, saved))
          files.push([name, await bytesOf(content)]);
        checkpoints.set(at.global_step, new MemoryFolder(`checkpoint-${at.global_step}`, files));
      },
    },
    from: state,
  });
  const tensors: Float32Array[] = [];
  for (const name of model.store.pieces.keys()) {
    tensors.push(await model.store.read(name));
  }
  for (const { name } of model.store.layout.trained) {
    for (const moment of ["first", "second"] as const) tensors.push(await model.store.readMoment(name, moment));
  }
  tensors.push(new Float32Array(await on.read(model.store.layout.optimizer!.window)));
  model.close();
  return { losses: losses.map(({ loss }) => loss), tensors, checkpoints };
}

/** The run that nothing interrupts, in f32, and one to the first checkpoint. */
const whole = await run(device, {}, null);
const short = (await run(device, { maxSteps: 3 }, null)).checkpoints.get(3)!;

it("from any checkpoint", async () => {
  expect([...whole.checkpoints.keys()]).toEqual([3, 6, 9]);
  for (const step of [3, 6]) {
    const resumed = await run(device, {}, whole.checkpoints.get(step)!);
    expect(resumed.tensors).toEqual(whole.tensors);
    expect(resumed.losses).toEqual(whole.losses);
  }
});

it.each<[string, Partial<TrainingSettings>]>([
  ["masked language modelling and accumulation", { mlm: true, gradientAccumulationSteps: 2 }],
  ["GradCache, masked language modelling and mixed precision", { gradientCacheChunk: 2, mlm: true, fp16: true }],
  ["frozen embeddings in mixed precision", { freeze: ["embeddings"], fp16: true }],
  [
    "adapters, GradCache and mixed precision",
    { loraRank: 4, loraTargets: ["all-linear"], loraDropout: 0.1, gradientCacheChunk: 2, noDuplicates: false, fp16: true },
  ],
])("with %s", async (_, changes) => {
  const whole = await run(device, changes, null);
  const resumed = await run(device, changes, whole.checkpoints.get(3)!);
  expect(resumed.tensors).toEqual(whole.tensors);
  expect(resumed.losses).toEqual(whole.losses);
});

it("after the device was lost, from the last checkpoint", async () => {
  const checkpoints = new Map<number, MemoryFolder>();
  const lost: number[] = [];
  const found = await withReopenedDevice({
    open: () => openDevice(),
    run: (own, { losses }) => {
      const lossAt = [5, 8][losses];
      return run(
        own,
        {},
        [...checkpoints.values()].at(-1) ?? null,
        { onStep: ({ step }) => void (step === lossAt && own.gpu.destroy()) },
        checkpoints,
      );
    },
    onLoss: () => void lost.push([...checkpoints.keys()].at(-1)!),
  });
  expect(lost).toEqual([3, 6]);
  expect(found.tensors).toEqual(whole.tensors);
});

it("stops when asked, with a checkpoint of that step", async () => {
  const controller = new AbortController();
  const stopped = await run(device, {}, null, { signal: controller.signal, onStep: ({ step }) => void (step === 4 && controller.abort()) });
  expect([...stopped.checkpoints.keys()]).toEqual([3, 4]);
  const resumed = await run(device, {}, stopped.checkpoints.get(4)!);
  expect(resumed.tensors).toEqual(whole.tensors);
});

it("refuses to go on under other options or on other data, but lets what is logged and kept change", async () => {
  const state = await readTrainingState(short);
  const same = { ...settings, maxSteps: 3 };
  expect(() => checkResumable(state, { ...same, saveSteps: 7 }, set)).not.toThrow();
  expect(() => checkResumable(state, { ...same, seed: 43, temperature: 0.1 }, set)).toThrow(OptionError);
  expect(() => checkResumable(state, { ...same, seed: 43 }, set)).toThrow(/`seed` 42; now it is 43/);
  const setOf = (examples: typeof pairs) => exampleSet(examples, tokenizer, settings.maxLength);
  expect(() => checkResumable(state, same, setOf([...pairs, ["a", "b"]]))).toThrow(/23 examples; now there are 24/);
  // The trainer's own states in this file have no digest, as those of version 0.1.
  expect(() => checkResumable(state, same, setOf(pairs.toReversed()))).not.toThrow();
  const now = { ...state, ...examplesOf(set) };
  expect(() => checkResumable(now, same, setOf([...pairs]))).not.toThrow();
  for (const other of [pairs.toReversed(), pairs.with(7, ["a", "b"]), pairs.with(7, [`${pairs[7]!.join("")}`, ""])]) {
    expect(() => checkResumable(now, same, setOf(other))).toThrow(/began on 23 other examples, or on these in another order/);
  }
  // A tokenizer with as many tokens, in which two of them have each other's ids.
  const swapped = {
    ...tokenizer,
    encode: (text: string, length: number) => tokenizer.encode(text, length).map((id) => [6, 5][id - 5] ?? id),
  };
  expect(() => checkResumable(now, same, exampleSet(pairs, swapped, settings.maxLength))).toThrow(/began with another tokenizer/);
});

it.each([
  ["model.safetensors", FileError],
  ["optimizer.safetensors", FileError],
  ["trainer_state.json", FileError],
])("refuses a checkpoint without %s", async (missing, kind) => {
  const files = await Promise.all(
    short.files.filter((name) => name !== missing).map(async (name) => [name, await short.read(name)] as const),
  );
  const going = run(device, { maxSteps: 3 }, new MemoryFolder("checkpoint-3", files));
  await expect(going).rejects.toThrow(kind);
  await expect(going).rejects.toThrow(missing);
  await expect(going).rejects.toMatchObject({ remedy: expect.stringContaining("If checkpoint-3 is damaged, remove it") });
  // Another folder may be no checkpoint at all, and is not to be removed.
  const elsewhere = run(device, { maxSteps: 3 }, new MemoryFolder("model", files));
  await expect(elsewhere).rejects.toMatchObject({ remedy: expect.not.stringContaining("remove it") });
});

describe("a state", () => {
  const good = {
    ...{
      global_step: 3,
      max_steps: 9,
      epoch: 0.5,
      seconds: 1,
      evaluator: null,
      unlogged: [{ loss: 1, gradientNorm: null }],
      best_metric: null,
    },
    ...{ log_history: [{ step: 1, loss: null }], options: settings, train_examples: 23 },
  };
  const read = (state: unknown) =>
    readTrainingState(
      new MemoryFolder("checkpoint-1", [["trainer_state.json", typeof state === "string" ? state : JSON.stringify(state)]]),
    );

  it("is read, an infinite norm again from null", async () => {
    expect((await read(good)).unlogged).toEqual([{ loss: 1, gradientNorm: Number.POSITIVE_INFINITY }]);
  });

  it.each<[string, unknown]>([
    ["null", null],
    ["nothing", {}],
    ["no JSON", '{"global_step": 1'],
    ["a negative step", { ...good, global_step: -1 }],
    ["a step beyond whole numbers", JSON.stringify(good).replace('"global_step":3', '"global_step":1e300')],
    ["unlogged steps that are none", { ...good, unlogged: [null] }],
    ["a log of nothing", { ...good, log_history: [null] }],
    ["an evaluator of texts", { ...good, evaluator: { best: "x", withoutGain: 0 } }],
    ["no options", { ...good, options: null }],
    ["options that cannot be", { ...good, options: { ...settings, learningRate: "fast" } }],
  ])("is refused with %s", async (_, state) => {
    await expect(read(state)).rejects.toThrow(FormatError);
  });

  it("is refused beyond the end of the run", async () => {
    const model = await SimCseModel.allocate(device, config, { training: true, mlp: true });
    const from = { ...(await read(good)), global_step: 1_000_000_000 };
    await expect(train({ model, tokenizer, set, settings, from })).rejects.toThrow(/step 1000000000; the run has 9 steps/);
    model.close();
  });
});

it("ends early when evaluations gain nothing", async () => {
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: true });
  model.store.initialize(1);
  const scores = [0.5, 0.6, 0.6005, 0.55, 0.9];
  let seen = 0;
  const summary = await train({
    model,
    tokenizer,
    set,
    settings: { ...settings, maxSteps: 100, evalSteps: 1, earlyStoppingPatience: 2, earlyStoppingThreshold: 0.01 },
    hooks: { evaluate: async () => scores[seen++]! },
  });
  expect(summary).toMatchObject({ steps: 4, stopped: true, best: { value: 0.6005, step: 3 } });
  model.close();
});

it("but not from moments of another shape, which are named", async () => {
  const good = whole.checkpoints.get(3)!;
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: true });
  const name = [...model.store.pieces.keys()][0]!;
  const file = await openSafetensors(good, "optimizer.safetensors");
  const tensors = [...file.tensors].map(([tensor, { shape }]) => ({
    name: tensor,
    dtype: "F32" as const,
    shape: tensor === `first.${name}` ? [shape[0]! * shape[1]!] : [...shape],
    data: () => file.readBytes(tensor),
  }));
  const folder = new MemoryFolder("changed", [
    ["model.safetensors", await good.read("model.safetensors")],
    ["optimizer.safetensors", await bytesOf(encodeSafetensors(tensors))],
  ]);
  await expect(loadTrainingCheckpoint(folder, model)).rejects.toThrow(`the moment first.${name} has the shape`);
  model.close();
});
