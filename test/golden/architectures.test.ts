/**
 * Tiny random models of each architecture against transformers: the output of every layer, a masked language model's logits, the gradients,
 * and ten training steps, from the files that `architectures.py` makes. Errors are relative to each tensor's norm.
 */
import { readdirSync, readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import type { Tuning } from "../../src/autograd/choices.ts";
import { compile } from "../../src/autograd/program.ts";
import { MemoryFolder, readJson } from "../../src/io/folder.ts";
import { wordPieceTokenizer } from "../../src/io/tokenizer.ts";
import { openSafetensors } from "../../src/io/weights/safetensors.ts";
import type { Value } from "../../src/kernels/language/operation.ts";
import { adamWStep } from "../../src/nn/adamw.ts";
import type { ReadRows } from "../../src/nn/architectures/architecture.ts";
import { architectureOf, longestSentence, parseConfig } from "../../src/nn/architectures/architectures.ts";
import { namedPieces } from "../../src/nn/parameters/parameter.ts";
import { inspectWeights, loadWeights, readConfig } from "../../src/simcse/checkpoint/checkpoint.ts";
import { huggingFaceFiles, openConvertible } from "../../src/simcse/checkpoint/convert.ts";
import { onnxFiles } from "../../src/simcse/checkpoint/convert-onnx.ts";
import { studentFiles } from "../../src/simcse/checkpoint/student.ts";
import { contrastiveLoss, infoNce } from "../../src/simcse/losses/infonce.ts";
import { BatchPacker, declareBatch, tableSizes } from "../../src/simcse/model/batch.ts";
import { type ModelOptions, Modules, SimCseModel } from "../../src/simcse/model/model.ts";
import { poolSentences } from "../../src/simcse/model/poolers.ts";
import { type TrainedParts, trainedBy } from "../../src/simcse/model/trained-parts.ts";
import { SimCSE } from "../../src/simcse/simcse.ts";
import { TrainingStep } from "../../src/simcse/training/step/training-step.ts";
import { openTestDevice } from "../device.ts";
import { written } from "../golden-models.ts";
import { distance, type GoldenTraining, goldenFolder, relativeError } from "./golden.ts";
import { goldenModel } from "./golden-model.ts";
import { gradientsOf, readGradients } from "./step-gradients.ts";

interface Golden {
  readonly config: Readonly<Record<string, unknown>>;
  readonly sentences: Readonly<Record<"sentences" | "pairs", readonly (readonly number[])[]>>;
  readonly temperature: number;
  readonly loss: number;
  readonly padding_in_a_text: { readonly ids: readonly number[]; readonly mean: readonly number[] };
  readonly training: GoldenTraining<number>;
}

const kinds = readdirSync(new URL("architectures", import.meta.url)).flatMap((file) => /^(.+)\.json$/.exec(file)?.[1] ?? []);
const device = await openTestDevice();
/** SwiftShader keeps no kernels from run to run, and a core device packs halves: both have enough of them in other tests. */
const hasHalves = device.capabilities.features.has("shader-f16") && !device.name.startsWith("SwiftShader");
const tokenizer = wordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"], { lowerCase: true });

/** Attention in blocks, which the device would not choose by itself: SwiftShader compiles them for ten seconds each. */
const compilesBlocks = !device.name.startsWith("SwiftShader");
const inBlocks: Tuning = {
  prepare: async () => (node) => {
    if (!node.operation.name.startsWith("attention")) return undefined;
    const variants = node.operation.variants!(node, { ...device.capabilities, software: false });
    return variants.find(({ name }) => name.startsWith("blocks"))!;
  },
};

const tolerance = 1e-4;
/** Of ten steps; the largest error on llvmpipe is 4e-6, of a gradient's norm. */
const trainingTolerance = 2e-5;
/** Activations and matrices have 11 bits, and errors add up over the layers; the same bound as for BERT in `parity.test.ts`. */
const halvesTolerance = 2e-2;

describe.each(kinds)("%s", async (kind) => {
  const golden = JSON.parse(readFileSync(new URL(`architectures/${kind}.json`, import.meta.url), "utf8")) as Golden;
  const config = parseConfig(`${kind}.json`, golden.config);
  const weights = await openSafetensors(goldenFolder, `architectures/${kind}.safetensors`);
  const { sentences, pairs } = golden.sentences;
  const tokens = [...sentences, ...pairs].reduce((sum, { length }) => sum + length, 0);
  const capacity = { sentences: sentences.length + pairs.length, tokens, longest: longestSentence(config), ...tableSizes(config) };

  const meanOfRows = (values: Float32Array, rows: number) =>
    Float32Array.from({ length: config.hidden_size }, (_, k) => {
      const column = Array.from({ length: rows }, (_, row) => values[row * config.hidden_size + k]!);
      return column.reduce((sum, value) => sum + value, 0) / rows;
    });

  async function loadModel(options: ModelOptions) {
    const model = await SimCseModel.allocate(device, config, options);
    expect(await loadWeights(model, weights, { head: "checkpoint" })).toEqual([]);
    return model;
  }

  it("computes the layers and the logits that transformers computes", async () => {
    const model = await loadModel({ training: false, mlp: false, mlm: true });
    const { transformer, maskedHead } = model.modules;
    const program = await compile(device, (tape) => {
      const hidden = transformer.forward(declareBatch(tape, capacity, { indices: false }), { training: false });
      const logits = maskedHead!.forward(hidden.at(-1)!, transformer.words);
      const outputs: Record<string, Value> = { logits };
      for (const [layer, value] of hidden.entries()) outputs[`hidden.${layer}`] = value;
      return outputs;
    });
    program.run(new BatchPacker(capacity, { indices: false }).pack([...sentences, ...pairs].map((ids, key) => ({ ids, key }))));
    for (const name of Object.keys(program.outputs)) {
      const wanted = await weights.readF32(`golden.${name}`);
      const found = await program.read(name);
      const rows = name === "logits" ? found.subarray(found.length - wanted.length) : found.subarray(0, wanted.length);
      expect(relativeError(rows, wanted), name).toBeLessThan(tolerance);
    }
    const { ids, mean } = golden.padding_in_a_text;
    program.run(new BatchPacker(capacity, { indices: false }).pack([{ ids, key: 0 }]));
    const last = await program.read(`hidden.${config.num_hidden_layers}`);
    expect(relativeError(meanOfRows(last, ids.length), Float32Array.from(mean)), "padding in a text").toBeLessThan(tolerance);
    program.close();
    model.close();
  });

  // A bias of attention is another code in each variant; the device itself walks. The layers of the others are in `attention.test.ts`.
  const ways: [string, Tuning | undefined][] = [["", undefined]];
  if (kind === "mpnet" && compilesBlocks) ways.push([", with attention in blocks, as a GPU has it", inBlocks]);
  it.each(ways)("has transformers' gradients, and trains as it does%s", async (_, tuning) => {
    const { training } = golden;
    const model = await loadModel({ training: true, mlp: false });
    const program = await compile(
      device,
      (tape) => {
        const batch = declareBatch(tape, capacity, { indices: true });
        const hidden = model.modules.transformer.forward(batch, { training: true });
        const embeddings = poolSentences("avg", hidden, batch, null);
        const loss = contrastiveLoss(embeddings, { temperature: golden.temperature, examples: tape.extent("examples", sentences.length) });
        const optimizer = {
          beta1: training.adam_beta1,
          beta2: training.adam_beta2,
          epsilon: training.adam_epsilon,
          weightDecay: training.weight_decay,
          maxGradNorm: training.max_grad_norm,
        };
        return { loss, norm: adamWStep(tape, loss, model.store.layout, optimizer) };
      },
      { tuning },
    );
    if (tuning) {
      const attended = program.plan.steps.filter(({ node }) => node.operation.name.startsWith("attention"));
      expect(new Set(attended.map(({ lowering }) => lowering.variant))).toEqual(new Set(["blocks of 32"]));
    }
    const examples = sentences.flatMap((ids, i) => [ids, pairs[i]!]).map((ids, key) => ({ ids, key }));
    const packed = new BatchPacker(capacity, { indices: true }).pack(examples);
    // Relative to the first, or to a larger one: the loss itself goes to zero.
    const near = (found: number, wanted: readonly number[], step: number, name: string) =>
      expect(Math.abs(found - wanted[step]!) / Math.max(wanted[0]!, wanted[step]!), `${name} ${step}`).toBeLessThan(trainingTolerance);
    for (let step = 0; step < training.steps; step++) {
      program.run({ ...packed, scalars: { learningRate: training.learning_rate } });
      near((await program.read("loss"))[0]!, training.losses, step, "loss");
      near((await program.read("norm"))[0]!, training.gradient_norms, step, "norm");
      if (step > 0) continue;
      for (const [name, found] of await readGradients(model)) {
        const wanted = await weights.readF32(`golden.gradient.${name.slice(name.indexOf(".") + 1)}`);
        // The gradient of a bias of keys is nothing but rounding: a softmax does not change with a shift of all its scores.
        const scale = Math.max(Math.hypot(...wanted), 1e-3 * training.gradient_norms[0]!);
        expect(Math.hypot(...wanted.map((value, i) => found[i]! - value)) / scale, name).toBeLessThan(tolerance);
      }
    }
    program.close();
    model.close();
  });

  // The layers of the others are ELECTRA's too, or Nomic BERT's.
  it.runIf(["electra", "albert", "modernbert", "gte", "eurobert"].includes(kind))(
    "has the same vectors and gradients if only the first tokens' rows are read",
    async () => {
      const examples = sentences.flatMap((ids, i) => [ids, pairs[i]!]).map((ids, key) => ({ ids, key }));
      const computed = async (rows: ReadRows) => {
        const model = await loadModel({ training: true, mlp: false });
        const program = await compile(device, (tape) => {
          const batch = declareBatch(tape, capacity, { indices: true });
          const hidden = model.modules.transformer.forward(batch, { training: true, rows, dropout: 0.2 });
          const embeddings = poolSentences("cls_before_pooler", hidden, batch, null);
          const loss = contrastiveLoss(embeddings, {
            temperature: golden.temperature,
            examples: tape.extent("examples", sentences.length),
          });
          return {
            embeddings,
            norm: adamWStep(tape, loss, model.store.layout, { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 }),
          };
        });
        program.run({ ...new BatchPacker(capacity, { indices: true }).pack(examples), scalars: { learningRate: 0 }, seed: 3, step: 5 });
        const [embeddings, [norm], gradients] = [await program.read("embeddings"), await program.read("norm"), await readGradients(model)];
        program.close();
        model.close();
        return { embeddings, norm: norm!, gradients };
      };
      const [all, first] = [await computed("all"), await computed("first")];
      expect(relativeError(first.embeddings, all.embeddings)).toBeLessThan(1e-6);
      for (const [name, wanted] of all.gradients) {
        expect(distance(first.gradients.get(name)!, wanted) / all.norm, name).toBeLessThan(1e-6);
      }
    },
  );

  // The layers of the others are BERT's, whose steps in halves `parity.test.ts` holds.
  it.runIf(hasHalves && ["albert", "modernbert", "mpnet", "nomic_bert", "eurobert"].includes(kind))(
    "trains in halves, a chunk at a time and with recomputed layers, on transformers' gradients",
    async () => {
      const model = await loadModel({ training: true, mlp: false, halves: true });
      const step = await TrainingStep.create(model, {
        batchSize: sentences.length,
        views: 2,
        maxLength: longestSentence(config),
        pooler: "avg",
        loss: infoNce({ temperature: golden.temperature, hardNegativeWeight: 0 }),
        seed: 1,
        gradientCheckpointing: true,
        cacheChunk: Math.ceil(sentences.length / 2),
      });
      const examples = sentences.map((ids, i) => ({ sentences: [ids, pairs[i]!] }));
      const { loss, gradients } = await gradientsOf(model, step, (update) => void step.run(examples, update, 0));
      expect(loss / golden.loss - 1).toBeCloseTo(0, 2);
      const norms = { error: 0, wanted: 0 };
      for (const [name, found] of gradients) {
        const wanted = await weights.readF32(`golden.gradient.${name.slice(name.indexOf(".") + 1)}`);
        norms.error = Math.hypot(norms.error, distance(found, wanted));
        norms.wanted = Math.hypot(norms.wanted, ...wanted);
      }
      expect(norms.error / norms.wanted).toBeLessThan(halvesTolerance);
      step.close();
      model.close();
    },
  );

  it("becomes an ONNX graph with the same last layer, files that transformers names alike, and a student", async () => {
    const folder = await written([
      { name: "config.json", content: JSON.stringify(golden.config) },
      ...Array.from(tokenizer.files, ([name, content]) => ({ name, content })),
      { name: "model.safetensors", content: readFileSync(new URL(`architectures/${kind}.safetensors`, import.meta.url)) },
    ]);
    const source = await openConvertible(folder, { pooler: "avg" });
    const session = await InferenceSession.create(await (await written(onnxFiles(source))).read("onnx/model.onnx"));
    const longest = Math.max(...sentences.map(({ length }) => length));
    const table = (of: (ids: readonly number[], place: number) => number) =>
      new Tensor(
        "int64",
        sentences.flatMap((ids) => Array.from({ length: longest }, (_, place) => BigInt(of(ids, place)))),
        [sentences.length, longest],
      );
    const { last_hidden_state: hidden } = await session.run({
      input_ids: table((ids, place) => ids[place] ?? config.pad_token_id),
      attention_mask: table((ids, place) => (place < ids.length ? 1 : 0)),
    });
    const rows = sentences.flatMap((ids, i) =>
      Array.from(
        (hidden!.data as Float32Array).subarray(i * longest * config.hidden_size, (i * longest + ids.length) * config.hidden_size),
      ),
    );
    const wanted = await weights.readF32(`golden.hidden.${config.num_hidden_layers}`);
    expect(relativeError(Float32Array.from(rows), wanted)).toBeLessThan(tolerance);
    const { ids, mean } = golden.padding_in_a_text;
    const one = (values: readonly number[]) => new Tensor("int64", BigInt64Array.from(values, BigInt), [1, ids.length]);
    const padded = await session.run({ input_ids: one(ids), attention_mask: one(ids.map(() => 1)) });
    const last = padded.last_hidden_state!.data as Float32Array;
    expect(relativeError(meanOfRows(last, ids.length), Float32Array.from(mean)), "padding in a text").toBeLessThan(tolerance);
    await session.release();

    const saved = await written(huggingFaceFiles(source, "F32"));
    expect(await readJson<object>(saved, "config.json")).toMatchObject(
      Object.fromEntries(
        Object.entries(golden.config).filter(([field]) => /size|dim|layers|heads|eps|_act|activation|embeddings/.test(field)),
      ),
    );
    const names = [...(await inspectWeights(await readConfig(saved))).weights!.tensors.keys()];
    const { encoder, names: tensors, sharesLayers = false } = architectureOf(config);
    expect([...weights.tensors.keys()]).toEqual(expect.arrayContaining(names.map((name) => `${encoder}.${name}`)));
    const layers = [...new Set([0, config.num_hidden_layers - 1])];
    const student = await openConvertible(await written(await studentFiles(folder, { layers })), { pooler: "avg" });
    const kept = names.filter(
      (name) => sharesLayers || !name.startsWith(tensors.layers) || layers.some((layer) => name.startsWith(`${tensors.layers}${layer}.`)),
    );
    expect([student.transformer.num_hidden_layers, student.tensors.length]).toEqual([layers.length, kept.length]);
  });
});

describe("frozen and adapted layers have the names of", () => {
  const none: string[] = [];
  it.each([
    ["distilbert", "distilbert.transformer.layer.", ["attention.q_lin", "ffn.lin2"], none],
    ["mpnet", "mpnet.encoder.layer.", ["attention.attn.q", "output.dense"], none],
    // One matrix holds query, key and value, and has one adapter. The norm after all layers belongs to none.
    ["modernbert", "model.layers.", ["attn.Wqkv", "mlp.Wo"], ["model.final_norm.weight"]],
    ["eurobert", "model.layers.", ["self_attn.q_proj", "mlp.down_proj"], ["model.norm.weight"]],
  ] as const)("%s", (kind, layers, adapted, outside) => {
    const { config: json } = JSON.parse(readFileSync(new URL(`architectures/${kind}.json`, import.meta.url), "utf8")) as Golden;
    const config = parseConfig(`${kind}.json`, { ...json, num_hidden_layers: 2, layer_types: null });
    const parts = { freeze: ["0"], lora: { rank: 2, alpha: 4, dropout: 0, targets: ["query", "output"] as const } };
    const names = [...namedPieces(new Modules(config, { mlp: true, ...parts })).keys()];
    const mlp = ["mlp.dense.weight", "mlp.dense.bias"];
    expect(names.filter(trainedBy(parts, names, config))).toEqual([
      ...adapted.flatMap((name) => [`${layers}1.${name}.lora_A.weight`, `${layers}1.${name}.lora_B.weight`]),
      ...mlp,
    ]);
    expect(names.filter(trainedBy({ freeze: ["embeddings", "0-1"], lora: null }, names, config))).toEqual([...outside, ...mlp]);
  });

  it("albert, whose layers are one", () => {
    const { config: json } = JSON.parse(readFileSync(new URL("architectures/albert.json", import.meta.url), "utf8")) as Golden;
    const config = parseConfig("albert.json", json);
    const trained = (parts: TrainedParts) => {
      const names = [...namedPieces(new Modules(config, { mlp: true, ...parts })).keys()];
      return names.filter(trainedBy(parts, names, config));
    };
    const layer = "albert.encoder.albert_layer_groups.0.albert_layers.0";
    const lora = { rank: 2, alpha: 4, dropout: 0, targets: ["attention.output"] as const };
    const mlp = ["mlp.dense.weight", "mlp.dense.bias"];
    expect(trained({ freeze: [], lora })).toEqual([
      `${layer}.attention.dense.lora_A.weight`,
      `${layer}.attention.dense.lora_B.weight`,
      ...mlp,
    ]);
    expect(trained({ freeze: ["embeddings", "0"], lora: null })).toEqual(mlp);
    expect(() => trained({ freeze: ["1"], lora: null })).toThrow('The model has no part "1" to freeze.');
  });
});

it("SimCSE's MLP is saved as an ALBERT's pooler, under the name that it has there", async () => {
  const model = await SimCSE.loadFrom(device, goldenModel("albert"), { pooler: "cls", training: true });
  const sentences = ["he plays guitar .", "he plays", "guitar"];
  await model.train(sentences, { maxSteps: 2, batchSize: 3, learningRate: 1e-2, dropout: 0.1 });
  const folder = new MemoryFolder("saved");
  await model.save(folder);
  const { tensors } = await openSafetensors(folder, "model.safetensors");
  expect([...tensors.keys()].filter((name) => /pooler|mlp/.test(name)).sort()).toEqual(["pooler.bias", "pooler.weight"]);
  const opened = await SimCSE.loadFrom(device, folder);
  expect((await opened.encode(sentences)).data).toEqual((await model.encode(sentences)).data);
  opened.close();
  model.close();
});
