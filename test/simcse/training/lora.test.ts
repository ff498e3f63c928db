/** Low-rank adapters: they begin as the base, have the gradients that the chain rule gives, and become part of the weights when saved. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { openSafetensors } from "../../../src/io/weights/safetensors.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { isAdapter, type LoraOptions, loraTargets } from "../../../src/nn/lora.ts";
import { normal } from "../../../src/nn/random.ts";
import { infoNce } from "../../../src/simcse/losses/infonce.ts";
import { SimCseModel } from "../../../src/simcse/model/model.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { planTrainingStep, TrainingStep } from "../../../src/simcse/training/step/training-step.ts";
import { exampleSet } from "../../../src/simcse/training/training-set.ts";
import { openTestDevice } from "../../device.ts";
import { goldenModel } from "../../golden/golden-model.ts";
import { readGradients } from "../../golden/step-gradients.ts";
import { hasPython, pythonTimeout, runPython } from "../../python.ts";
import { temporaryFolder, tinyConfig, tinySentences, writeTinyModel } from "../../tiny-model.ts";

const device = await openTestDevice();
const { json, tokenizer } = tinyConfig();
const config = parseConfig("tiny", { ...json, num_hidden_layers: 2 });
const sharing = parseConfig("albert", { ...json, model_type: "albert", embedding_size: 8, num_hidden_layers: 2, initializer_range: 0.1 });
const pairs = tinySentences.map((sentence, i) => [sentence, tinySentences[(i + 1) % 6]!] as const);
const set = exampleSet(pairs, tokenizer, 16);
const examples = pairs.map((_, i) => set.example(i));
const step = {
  batchSize: 6,
  maxLength: 16,
  pooler: "avg",
  loss: infoNce({ temperature: 0.05 }),
  // Weights stay as they are, so that the gradients are those of a known model.
  seed: 3,
} as const;

/** The loss of one step and every gradient. */
async function gradientsOf(model: SimCseModel) {
  using training = await TrainingStep.create(model, step);
  training.run(examples, 1, 0);
  const [metrics] = await training.metrics(1, 1);
  return { loss: metrics!.loss, gradients: await readGradients(model) };
}

/** left [m, k] · right [k, n], times `scale`; `transposed` takes the transpose of one side as it lies. */
function product(
  left: (i: number, p: number) => number,
  right: (p: number, j: number) => number,
  [m, k, n]: readonly number[],
  scale: number,
) {
  return Float64Array.from({ length: m! * n! }, (_, at) => {
    let sum = 0;
    for (let p = 0; p < k!; p++) sum += left(Math.floor(at / n!), p) * right(p, at % n!);
    return scale * sum;
  });
}

const rank = 4;
const scale = 1.5;
const lora = (targets: LoraOptions["targets"]): LoraOptions => ({ rank, alpha: scale * rank, dropout: 0, targets });

describe.each([
  ["query and value", lora(["query", "value"]), config, config.num_hidden_layers],
  ["all linear layers", lora(loraTargets), config, config.num_hidden_layers],
  ["all linear layers of an ALBERT, whose layers share their adapters", lora(loraTargets), sharing, 1],
] as const)("on %s", (_, options, of, layers) => {
  it("a model begins as its base, and the base has no gradients", async () => {
    using base = await SimCseModel.allocate(device, of, { training: true, mlp: false });
    using adapted = await SimCseModel.allocate(device, of, { training: true, mlp: false, lora: options });
    for (const model of [base, adapted]) model.store.initialize(1);
    const [plain, own] = [await gradientsOf(base), await gradientsOf(adapted)];
    expect(own.loss).toBe(plain.loss);
    expect([...own.gradients.keys()].every(isAdapter)).toBe(true);
    expect(own.gradients.size).toBe(2 * layers * options.targets.length);
  });

  it("the adapters' gradients are those of the merged weights, by the chain rule", async () => {
    using adapted = await SimCseModel.allocate(device, of, { training: true, mlp: false, lora: options });
    adapted.store.initialize(1);
    for (const [name, { shape }] of adapted.store.pieces) {
      if (name.includes("lora_B")) adapted.store.write(name, normal(5, name, shape[0]! * shape[1]!, 0.02));
    }
    using merged = await SimCseModel.allocate(device, of, { training: true, mlp: false });
    expect(await merged.copyFrom(adapted)).toEqual([]);
    const [own, full] = [await gradientsOf(adapted), await gradientsOf(merged)];
    expect(Math.abs(own.loss - full.loss)).toBeLessThan(2e-6 * full.loss);
    for (const name of own.gradients.keys()) {
      if (!name.includes("lora_A")) continue;
      const down = name;
      const up = name.replace("lora_A", "lora_B");
      const [a, b] = [await adapted.store.read(down), await adapted.store.read(up)];
      const dw = full.gradients.get(name.replace("lora_A.", ""))!;
      const [out, width] = [b.length / rank, a.length / rank];
      const expected = {
        [down]: product(
          (k, o) => b[o * rank + k]!,
          (o, i) => dw[o * width + i]!,
          [rank, out, width],
          scale,
        ),
        [up]: product(
          (o, i) => dw[o * width + i]!,
          (i, k) => a[k * width + i]!,
          [out, width, rank],
          scale,
        ),
      };
      for (const [tensor, gradient] of Object.entries(expected)) {
        const found = own.gradients.get(tensor)!;
        const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const error = gradient.reduce((most, value, i) => Math.max(most, Math.abs(found[i]! - value)), 0);
        expect(error, tensor).toBeLessThan(3e-5 * largest);
      }
    }
  });
});

describe("a plan", () => {
  const planned = (options: { readonly freeze?: readonly string[]; readonly lora?: LoraOptions }) =>
    planTrainingStep(config, { mlp: false, ...options }, step, device.capabilities);

  it("has no adapters in frozen layers, and no backward pass below", () => {
    const [all, upper] = [planned({ lora: lora(["query"]) }), planned({ lora: lora(["query"]), freeze: ["0"] })];
    expect(upper.parameters.trained * 2).toBe(all.parameters.trained);
    const count = ({ plan }: typeof all, name: string) => plan.steps.filter(({ node }) => node.operation.name === name).length;
    expect([count(all, "attentionGradient"), count(upper, "attentionGradient")]).toEqual([2, 1]);
    expect([count(all, "embeddingGradient"), count(all, "layerNormParameterGradient")]).toEqual([0, 0]);
  });
});

describe("in the library", async () => {
  const path = await temporaryFolder();
  await writeTinyModel(path);
  const settings = { batchSize: 4, learningRate: 1e-2, maxSteps: 6, maxLength: 16, loraRank: 4, loraTargets: ["all-linear"] } as const;
  const texts = tinySentences.slice(0, 3);
  const saved = async (model: SimCSE) => {
    const folder = new MemoryFolder("saved");
    await model.save(folder);
    return folder;
  };
  const load = (pooler: "avg" | "cls") => SimCSE.load(path, { device, pooler, dtype: "f32" });

  it.each([
    ["avg", {}],
    ["avg", { fp16: true, loraDropout: 0.1 }],
    ["cls", { gradientCacheChunk: 2, batchSize: 6, freeze: ["pooler"] }],
  ] as const)("a trained model, pooler %s with %o, is saved merged and gives the same vectors", async (pooler, changes) => {
    const model = await load(pooler);
    const before = await model.encode(texts);
    const { parameters } = model.plan({ ...settings, ...changes });
    expect(parameters.trained).toBeLessThan(parameters.all / 2);
    await model.train(pairs, { ...settings, ...changes });
    const adapted = await model.encode(texts);
    expect(largestDifference(adapted.data, before.data)).toBeGreaterThan(0.01);
    const folder = await saved(model);
    const opened = await SimCSE.loadFrom(device, folder, { dtype: "f32" });
    expect(largestDifference((await opened.encode(texts)).data, adapted.data)).toBeLessThan(1e-6);
    // Trained further in another way, the adapters are part of its weights.
    await model.train(pairs, { batchSize: 4, maxSteps: 1, learningRate: 1e-9, maxLength: 16 });
    expect(largestDifference((await model.encode(texts)).data, adapted.data)).toBeLessThan(1e-6);
    opened.close();
    model.close();
  });

  it("the adapters alone are saved as PEFT saves them", async () => {
    const model = await load("cls");
    await expect(model.saveAdapter(new MemoryFolder())).rejects.toThrow(/no adapters/);
    await model.train(pairs, { ...settings, loraTargets: ["query", "output"], loraAlpha: 6 });
    const folder = new MemoryFolder("adapter");
    await model.saveAdapter(folder, "some/base");
    const written = JSON.parse(new TextDecoder().decode(await folder.read("adapter_config.json")));
    expect(written).toMatchObject({
      ...{ peft_type: "LORA", base_model_name_or_path: "some/base", r: 4, lora_alpha: 6, modules_to_save: ["pooler"] },
      target_modules: ["encoder.layer.0.attention.self.query", "encoder.layer.0.output.dense"],
    });
    const { tensors } = await openSafetensors(folder, "adapter_model.safetensors");
    const prefix = "base_model.model.encoder.layer.0";
    expect(Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]))).toEqual({
      [`${prefix}.attention.self.query.lora_A.weight`]: [4, 32],
      [`${prefix}.attention.self.query.lora_B.weight`]: [32, 4],
      [`${prefix}.output.dense.lora_A.weight`]: [4, 64],
      [`${prefix}.output.dense.lora_B.weight`]: [32, 4],
      "base_model.model.pooler.dense.weight": [32, 32],
      "base_model.model.pooler.dense.bias": [32],
    });
    model.close();
  });

  it.runIf(await hasPython("torch", "transformers", "peft"))(
    "PEFT opens them (needs SIMCSE_PYTHON with transformers and peft)",
    async () => {
      const place = await temporaryFolder();
      for (const kind of ["albert", "modernbert", "nomic_bert", "gte", "eurobert"]) {
        const at = (name: string) => join(place, `${kind}-${name}`);
        const [base, adapter, vectors] = [at("base"), at("adapter"), at("vectors.json")];
        const model = await SimCSE.loadFrom(device, goldenModel(kind), { pooler: "avg", dtype: "f32" });
        await model.save(base);
        await model.train(pairs, settings);
        await model.saveAdapter(adapter, base);
        const sentences = ["he plays guitar .", "he plays"];
        const rows = await Promise.all(sentences.map((sentence) => model.encode(sentence)));
        await writeFile(vectors, JSON.stringify({ pooler: "avg", sentences, vectors: rows.map((row) => [...row]) }));
        model.close();
        await runPython(["test/golden/peft_adapter.py", base, adapter, vectors]);
      }
    },
    pythonTimeout,
  );

  it.each([
    [{ loraRank: 1.5 }, /`loraRank` must be a whole number/],
    [{ loraTargets: ["dense"] }, /`loraTargets` must be a list of one or more of query, key, value/],
    [{ loraRank: 0, loraAlpha: 8, loraTargets: ["query", "value"] }, /`loraAlpha` does nothing without `loraRank`/],
    [{ loraDropout: 1 }, /`loraDropout` must be/],
    [{ freeze: ["0"] }, /leaves nothing to train/],
  ] as const)("refuses %o", async (changes, message) => {
    const model = await load("avg");
    await expect(model.train(pairs, { ...settings, ...(changes as object) })).rejects.toThrow(message);
    model.close();
  });

  it("refuses to freeze weights that nothing has trained", async () => {
    const empty = await temporaryFolder();
    await writeTinyModel(empty, { tensors: null });
    const model = await SimCSE.load(empty, { device, training: true, pooler: "avg" });
    await expect(model.train(pairs, settings)).rejects.toThrow(/frozen, but has fresh weights/);
    model.close();
  });
});

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}
