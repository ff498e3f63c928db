/**
 * A step that several devices share equals that of one device, leaves all devices with the same bits, and goes on when a device is lost.
 *
 * In the same chunks the bits are those of GradCache on one device. Otherwise sums have another order: losses and parameters agree to 1e-6.
 */
import { expect, it, vi } from "vitest";
import { type Cut, Program } from "../../../src/autograd/program.ts";
import type { Device } from "../../../src/gpu/device.ts";
import { openDevice } from "../../../src/gpu/node.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import type { TransformerConfig } from "../../../src/nn/architectures/architecture.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { infoNce } from "../../../src/simcse/losses/infonce.ts";
import { type ModelOptions, SimCseModel } from "../../../src/simcse/model/model.ts";
import { SimCSE } from "../../../src/simcse/simcse.ts";
import { ParallelStep } from "../../../src/simcse/training/step/parallel-step.ts";
import type { TokenizedExample, TrainingStepOptions } from "../../../src/simcse/training/step/step-recording.ts";
import { planTrainingStep, type StepMetrics, TrainingStep } from "../../../src/simcse/training/step/training-step.ts";
import type { TrainingOptions } from "../../../src/simcse/training/train-loaded.ts";
import { openTestDevice } from "../../device.ts";
import { tinyConfig, tinySentences } from "../../tiny-model.ts";

const devices = [await openTestDevice(), await openTestDevice()] as const;
const { json, tokenizer } = tinyConfig();
const config = parseConfig("tiny", json);
const examples: readonly TokenizedExample[] = Array.from({ length: 12 }, (_, i) => {
  const ids = tokenizer.encode(`${tinySentences[i % 6]} ${tinySentences[Math.floor(i / 6)]}`, 20);
  return { sentences: [ids, ids] };
});
const mlm = { weight: 0.5, probability: 0.3, maskId: tokenizer.maskId, specialIds: new Set([tokenizer.clsId, tokenizer.sepId]) };
const base: TrainingStepOptions = { batchSize: 6, maxLength: 20, pooler: "cls", loss: infoNce({ temperature: 0.05 }), seed: 1 };

/** What lasts of a model: parameters, moments and the optimiser's state. */
async function lasting({ store, device }: SimCseModel): Promise<Float32Array[]> {
  return Promise.all(store.layout.lasting.map(async ({ window }) => new Float32Array(await device.read(window))));
}

interface Trained {
  readonly metrics: readonly StepMetrics[];
  /** Of each device that is left. */
  readonly states: readonly Float32Array[][];
}

interface Setting {
  /** The first one alone if absent. */
  readonly on?: readonly Device[];
  readonly model?: Partial<ModelOptions>;
  readonly of?: TransformerConfig;
  /** The update whose kernels are timed. */
  readonly profiled?: number;
  readonly onUpdate?: (update: number) => void;
}

/** Three steps, the last one on a smaller batch. */
async function trained(
  step: Partial<TrainingStepOptions>,
  { on = devices.slice(0, 1), model: parts = {}, of = config, profiled, onUpdate }: Setting = {},
): Promise<Trained & { readonly left: readonly number[] }> {
  const options = { ...base, ...step };
  const [first, ...others] = on as [Device, ...Device[]];
  const model = await SimCseModel.allocate(first, of, { training: true, mlp: true, mlm: options.mlm !== undefined, ...parts });
  const left: number[] = [];
  try {
    model.store.initialize(1);
    using training =
      others.length === 0
        ? await TrainingStep.create(model, options)
        : await ParallelStep.create(model, options, { others, onLoss: (_, count) => void left.push(count) });
    if (others.length > 0) {
      const allocation = { mlp: true, mlm: options.mlm !== undefined, ...parts };
      const { bytes } = planTrainingStep(of, allocation, { ...options, devices: on.length }, first.capabilities);
      expect(training.bytes).toBe(bytes);
    }
    const perUpdate = options.batchSize * (options.accumulation ?? 1);
    for (let update = 1; update <= 3; update++) {
      const run = update === profiled ? training.profile : training.run;
      const done = run.call(training, examples.slice(0, update === 3 ? perUpdate - 1 : perUpdate), update, 1e-3);
      onUpdate?.(update);
      await done;
    }
    const models = training instanceof ParallelStep ? training.models : [model];
    return { metrics: await training.metrics(1, 3), states: await Promise.all(models.map(lasting)), left };
  } finally {
    model.close();
  }
}

/** Throws unless losses and parameters agree to 1e-6. */
function expectClose(found: Trained, wanted: Trained, tolerance = 1e-6): void {
  for (const [i, { loss, mlmLoss = 1 }] of wanted.metrics.entries()) {
    expect(Math.abs(found.metrics[i]!.loss / loss - 1)).toBeLessThan(tolerance);
    expect(Math.abs((found.metrics[i]!.mlmLoss ?? 1) / mlmLoss - 1)).toBeLessThan(tolerance);
  }
  const [parameters] = wanted.states[0]!;
  const error = Math.hypot(...parameters!.map((value, i) => found.states[0]![0]![i]! - value)) / Math.hypot(...parameters!);
  expect(error).toBeLessThan(tolerance);
}

it("in the same chunks, two devices give the bits of one, and end with the same ones", async () => {
  const one = await trained({ cacheChunk: 3 });
  const profiled = devices[0].capabilities.features.has("timestamp-query") ? 2 : 0;
  const two = await trained({}, { on: devices, profiled });
  expect(two.metrics).toEqual(one.metrics);
  expect(two.states).toEqual([one.states[0], one.states[0]]);
  expectClose(two, await trained({}));
});

it.each<[string, Partial<TrainingStepOptions>, Partial<ModelOptions>]>([
  ["several chunks a device, masked words besides, layers computed again", { cacheChunk: 1, mlm, gradientCheckpointing: true }, {}],
  ["masked language modelling alone", { mlm: { ...mlm, weight: 1 }, loss: null }, { mlp: false }],
  ["accumulated batches", { batchSize: 3, accumulation: 3 }, {}],
  ["adapters beside frozen weights", {}, { lora: { rank: 4, alpha: 16, targets: ["query", "value"], dropout: 0 } }],
])("agrees with one device: %s", async (_, step, model) => {
  const wanted = await trained(step, { model });
  const found = await trained(step, { on: devices, model });
  expectClose(found, wanted);
  expect(found.states[1]).toEqual(found.states[0]);
});

it("agrees with one device where layers share their parameters, whose gradients are then complete last", async () => {
  const of = parseConfig("albert", { ...json, model_type: "albert", embedding_size: 8, num_hidden_layers: 3 });
  for (const model of [{}, { halves: true }]) {
    const one = await trained({ cacheChunk: 3 }, { of, model });
    const two = await trained({}, { of, model, on: devices });
    expect(two.metrics).toEqual(one.metrics);
    expect(two.states).toEqual([one.states[0], one.states[0]]);
  }
});

it("in mixed precision all devices scale, skip and update alike", async () => {
  const found = await trained({}, { on: devices, model: { halves: true } });
  expect(found.states[1]).toEqual(found.states[0]);
  expect(found.states[0]).toEqual((await trained({ cacheChunk: 3 }, { model: { halves: true } })).states[0]);
});

it("goes on with the others when a device is lost within a step", async () => {
  const lost = await openDevice();
  const onUpdate = (update: number) => void (update === 2 && setTimeout(() => lost.gpu.destroy()));
  const found = await trained({}, { on: [devices[0], lost], onUpdate });
  expect(found.left).toEqual([1]);
  expectClose(found, await trained({}));
  lost.close();
});

it("goes on with the same bits when a device is lost while its gradients leave", async () => {
  const lost = await openDevice();
  const run = Program.prototype.run;
  let segments = 0;
  const spy = vi.spyOn(Program.prototype, "run").mockImplementation(function (this: Program, input, part, cuts = []) {
    const losing = (cut: Cut, i: number): Cut => ({
      ...cut,
      reached() {
        cut.reached();
        segments = cuts.length;
        if (i === 2) lost.gpu.destroy();
      },
    });
    run.call(this, input, part, this.device === lost ? cuts.map(losing) : cuts);
  });
  try {
    const found = await trained({ cacheChunk: 3 }, { on: [devices[0], lost] });
    expect(segments).toBeGreaterThan(4);
    expect(found.left).toEqual([1]);
    const one = await trained({ cacheChunk: 3 });
    expect(found.metrics).toEqual(one.metrics);
    expect(found.states).toEqual(one.states);
  } finally {
    spy.mockRestore();
    lost.close();
  }
});

it("exchanges tensors that are bound in windows, in the memory that the plan states", async () => {
  const of = parseConfig("tiny", { ...json, vocab_size: 600, intermediate_size: 128 });
  const on = [await openDevice({ largestBinding: 65_536 }), await openDevice({ largestBinding: 65_536 })];
  const two = await trained({}, { on, of });
  expect(two.states).toEqual([two.states[0], two.states[0]]);
  expect(two.states[0]).toEqual((await trained({ cacheChunk: 3 }, { on: on.slice(0, 1), of })).states[0]);
  for (const device of on) device.close();
});

it("a checkpoint of one device is resumed on two, with the same bits in the same chunks", async () => {
  const texts = Array.from({ length: 24 }, (_, i) => `${tinySentences[i % 6]} ${tinySentences[Math.floor(i / 6)]}`);
  const settings = { pooler: "cls", batchSize: 6, gradientCacheChunk: 3, maxSteps: 4, maxLength: 20, learningRate: 1e-3 } as const;
  const folder = new MemoryFolder("tiny", [["config.json", JSON.stringify(json)], ...tokenizer.files]);
  const run = async (options: TrainingOptions) => {
    await using model = await SimCSE.loadFrom(devices[0], folder, { training: true, pooler: "cls", maxLength: 20 });
    await model.train(texts, { ...settings, ...options });
    return lasting(model.model);
  };
  const whole = await run({});
  const checkpoints = new MemoryFolder("run");
  const stop = new AbortController();
  const evaluate = async () => {
    stop.abort();
    return 0;
  };
  await run({ checkpoints, evalSteps: 2, evaluate, signal: stop.signal });
  expect(await run({ checkpoints, resume: true, devices })).toEqual(whole);
  await expect(run({ devices: [{}] as never })).rejects.toThrow("`devices` must be a list of devices.");
});
