/** A run that was interrupted, wherever, and resumed ends with the bits of one that was not: after a checkpoint, and after its device was lost. */
import { expect, it } from "vitest";
import { FileError, FormatError, OptionError } from "../../../src/errors.ts";
import type { Device } from "../../../src/gpu/device.ts";
import { openDevice } from "../../../src/gpu/node.ts";
import { withReopenedDevice } from "../../../src/gpu/reopen.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { parseBertConfig } from "../../../src/nn/architectures/bert-config.ts";
import {
  checkResumable,
  loadTrainingCheckpoint,
  readTrainingState,
  trainingCheckpointFiles,
} from "../../../src/simcse/checkpoint/training-checkpoint.ts";
import { SimCseModel } from "../../../src/simcse/model/model.ts";
import { type LogEntry, type TrainerHooks, type TrainingArguments, train, trainingDefaults } from "../../../src/simcse/training/trainer.ts";
import { openTestDevice } from "../../device.ts";
import { tinyConfig, tinySentences } from "../../tiny-model.ts";

const device = await openTestDevice();
const { json, tokenizer } = tinyConfig();
const config = parseBertConfig("tiny", json);
const pairs = Array.from({ length: 23 }, (_, i) => [tinySentences[i % 6]!, `${tinySentences[i % 6]} ${tinySentences[Math.floor(i / 6)]}`]);
const args: TrainingArguments = {
  ...trainingDefaults,
  per_device_train_batch_size: 5,
  max_steps: 9,
  logging_steps: 4,
  save_steps: 3,
  warmup_steps: 2,
  lr_scheduler_type: "cosine",
  learning_rate: 1e-3,
  max_seq_length: 20,
  no_duplicates: true,
};
const simcse = { pooler_type: "cls", max_seq_length: 20 };

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
  changes: Partial<TrainingArguments>,
  from: MemoryFolder | null,
  hooks: TrainerHooks = {},
  checkpoints = new Map<number, MemoryFolder>(),
): Promise<Run> {
  const own = { ...args, ...changes };
  const model = await SimCseModel.allocate(on, config, { training: true, mlp: true, mlm: own.do_mlm, halves: own.fp16 });
  model.store.initialize(own.seed);
  const state = from && (await readTrainingState(from));
  if (from) await loadTrainingCheckpoint(from, model);
  const losses: LogEntry[] = [...((state?.log_history ?? []) as LogEntry[])];
  await train(
    model,
    tokenizer,
    pairs,
    own,
    {
      ...hooks,
      onLog: (entry) => void losses.push(entry),
      saveCheckpoint: async (at) => {
        const saved = { ...at, best_metric: null, log_history: [...losses], arguments: own, train_examples: pairs.length };
        const files: [string, string | Uint8Array][] = [];
        for (const { name, content } of trainingCheckpointFiles(model, tokenizer, simcse, saved))
          files.push([name, await bytesOf(content)]);
        checkpoints.set(at.global_step, new MemoryFolder(`checkpoint-${at.global_step}`, files));
      },
    },
    state,
  );
  const tensors: Float32Array[] = [];
  for (const name of model.store.pieces.keys()) {
    tensors.push(await model.store.read(name), await model.store.readMoment(name, "first"), await model.store.readMoment(name, "second"));
  }
  tensors.push(new Float32Array(await on.read(model.store.layout.optimizer!.window)));
  model.close();
  return { losses: losses.map(({ loss }) => loss), tensors, checkpoints };
}

const ways: readonly (readonly [string, Partial<TrainingArguments>])[] = [
  ["in f32", {}],
  ["in mixed precision", { fp16: true }],
  ["with masked language modelling and accumulation", { do_mlm: true, gradient_accumulation_steps: 2 }],
  ["with GradCache", { gradient_cache_chunk: 2, no_duplicates: false }],
  ["with GradCache, masked language modelling and mixed precision", { gradient_cache_chunk: 2, do_mlm: true, fp16: true }],
];

it.each(ways)("from any checkpoint, %s", async (_, changes) => {
  const whole = await run(device, changes, null);
  expect([...whole.checkpoints.keys()]).toEqual([3, 6, 9]);
  for (const step of [3, 6]) {
    const resumed = await run(device, changes, whole.checkpoints.get(step)!);
    expect(resumed.tensors).toEqual(whole.tensors);
    expect(resumed.losses).toEqual(whole.losses);
  }
});

it("after the device was lost, from the last checkpoint", async () => {
  const whole = await run(device, {}, null);
  const checkpoints = new Map<number, MemoryFolder>();
  const lost: number[] = [];
  const found = await withReopenedDevice({
    open: () => openDevice(process.env.SIMCSE_DEVICE === "core" ? { profile: "core" } : {}),
    run: (own, losses) => {
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
  expect(resumed.tensors).toEqual((await run(device, {}, null)).tensors);
});

it("refuses to go on under other options or on other data, but lets what is logged and kept change", async () => {
  const { checkpoints } = await run(device, { max_steps: 3 }, null);
  const state = await readTrainingState(checkpoints.get(3)!);
  expect(() => checkResumable(state, { ...args, max_steps: 3, save_steps: 7 }, pairs.length)).not.toThrow();
  expect(() => checkResumable(state, { ...args, max_steps: 3, seed: 43, temp: 0.1 }, pairs.length)).toThrow(OptionError);
  expect(() => checkResumable(state, { ...args, max_steps: 3, seed: 43 }, pairs.length)).toThrow(/--seed 42; now it is 43/);
  expect(() => checkResumable(state, { ...args, max_steps: 3 }, 24)).toThrow(/23 examples; the training file has 24/);
});

it.each([
  ["model.safetensors", FileError],
  ["optimizer.safetensors", FileError],
  ["trainer_state.json", FileError],
])("refuses a checkpoint without %s", async (missing, kind) => {
  const { checkpoints } = await run(device, { max_steps: 3 }, null);
  const whole = checkpoints.get(3)!;
  const files = await Promise.all(
    whole.files.filter((name) => name !== missing).map(async (name) => [name, await whole.read(name)] as const),
  );
  const going = run(device, { max_steps: 3 }, new MemoryFolder("checkpoint-3", files));
  await expect(going).rejects.toThrow(kind);
  await expect(going).rejects.toThrow(missing);
});

it.each(["null", "{}", '{"global_step": 1, "unlogged": [], "log_history": [], "arguments": null}', '{"global_step": 1'])(
  "refuses a state that is %s",
  async (content) => {
    await expect(readTrainingState(new MemoryFolder("checkpoint-1", [["trainer_state.json", content]]))).rejects.toThrow(FormatError);
  },
);

it("ends early when evaluations gain nothing", async () => {
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: true });
  model.store.initialize(1);
  const scores = [0.5, 0.6, 0.6005, 0.55, 0.9];
  let seen = 0;
  const summary = await train(
    model,
    tokenizer,
    pairs,
    { ...args, max_steps: 100, eval_steps: 1, early_stopping_patience: 2, early_stopping_threshold: 0.01 },
    { evaluate: async () => ({ eval_stsb_spearman: scores[seen++]! }) },
  );
  expect(summary).toMatchObject({ steps: 4, stopped: true, best: { value: 0.6005, step: 3 } });
  model.close();
});
