/**
 * The third layer of tests: a tiny BERT and a tiny RoBERTa as SimCSE against PyTorch. Activations, every parameter's gradient and ten training losses, see
 * test/golden/README.md. Tolerances are relative to each tensor's norm: 1e-4, of which PyTorch in f32 itself uses up to 2e-6.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { gradient } from "../../src/autograd/gradient.ts";
import { compile } from "../../src/autograd/program.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import { openSafetensors } from "../../src/io/safetensors.ts";
import type { Value } from "../../src/kernels/operation.ts";
import { weightedSum } from "../../src/kernels/weighted-sum.ts";
import { type AdamWOptions, adamWStep } from "../../src/nn/adamw.ts";
import { parseBertConfig } from "../../src/nn/bert-config.ts";
import { BatchPacker, declareBatch, tableSizes } from "../../src/simcse/batch.ts";
import { loadWeights } from "../../src/simcse/checkpoint.ts";
import { contrastiveLoss, type Views } from "../../src/simcse/contrastive-loss.ts";
import { MaskedPacker, maskedLanguageLoss } from "../../src/simcse/mlm-loss.ts";
import type { MaskedSentence } from "../../src/simcse/mlm-masking.ts";
import { SimCseModel } from "../../src/simcse/model.ts";
import { type PoolerType, poolerTypes, poolSentences } from "../../src/simcse/poolers.ts";
import { openTestDevice } from "../device.ts";

type Group = "sentences" | "pairs" | "negatives";
interface Golden {
  readonly config: Record<string, unknown>;
  readonly sentences: Record<Group, number[][]>;
  readonly cases: Record<
    string,
    {
      views: Group[];
      pooler: PoolerType;
      temperature: number;
      hard_negative_weight: number;
      mlm: { weight: number; every: number; mask: number } | null;
      loss: number;
      gradient_norm: number;
      gradient_norms: Record<string, number>;
    }
  >;
  readonly training: {
    readonly case: string;
    readonly steps: number;
    readonly learning_rate: number;
    readonly adam_beta1: number;
    readonly adam_beta2: number;
    readonly adam_epsilon: number;
    readonly weight_decay: number;
    readonly max_grad_norm: number;
    readonly losses: number[];
    readonly gradient_norms: number[];
    readonly parameters: Record<string, { sum: number; norm: number }>;
  };
}

const device = await openTestDevice();
const folder = await openFolder(new URL(".", import.meta.url).pathname);
const tolerance = 1e-4;

/** Names in the goldens have no prefix. */
const goldenName = (name: string) => name.replace(/^bert\./, "");

/** A softmax does not see a shift of all its scores, so this gradient is zero but for rounding. */
const isZeroGradient = (name: string) => name.endsWith("attention.self.key.bias");

function relativeError(found: Float32Array, wanted: Float32Array): number {
  let difference = 0;
  let norm = 0;
  wanted.forEach((value, i) => {
    difference += (found[i]! - value) ** 2;
    norm += value ** 2;
  });
  return Math.sqrt(difference / norm);
}

/** Every so many tokens but the first and the last are asked for, and stand in the input as the mask. */
function maskEvery(ids: readonly number[], { every, mask }: { every: number; mask: number }): MaskedSentence {
  const positions = Uint32Array.from([...ids.keys()].filter((i) => i > 0 && i < ids.length - 1 && i % every === 1));
  const labels = positions.map((position) => ids[position]!);
  return { ids: Uint32Array.from(ids, (id, i) => (positions.includes(i) ? mask : id)), positions, labels };
}

describe.each(["bert", "roberta"])("%s", async (kind) => {
  const golden = JSON.parse(readFileSync(new URL(`${kind}.json`, import.meta.url), "utf8")) as Golden;
  const weights = await openSafetensors(folder, `${kind}.safetensors`);
  const config = parseBertConfig(`${kind}.json`, golden.config);

  async function loadModel(training: boolean, mlp: boolean, mlm = false) {
    const model = await SimCseModel.allocate(device, config, { training, mlp, mlm });
    await loadWeights(model, weights, { head: "checkpoint" });
    return model;
  }

  /** The sentences of groups as views of examples: first sentence of each group, then second of each, … */
  function views(groups: readonly Group[]) {
    const count = golden.sentences[groups[0]!].length;
    return Array.from({ length: count }, (_, i) => groups.map((group) => golden.sentences[group][i]!))
      .flat()
      .map((ids, key) => ({ ids, key }));
  }

  function capacityOf(batch: readonly { ids: readonly number[] }[]) {
    const tokens = batch.reduce((sum, { ids }) => sum + ids.length, 0);
    return { sentences: batch.length + 3, tokens: tokens + 20, ...tableSizes(config) };
  }

  describe("activations", () => {
    it.each(["sentences", "pairs", "negatives"] as const)("of the group %s", async (group) => {
      const model = await loadModel(false, true);
      const batch = views([group]);
      const program = await compile(device, (tape) => {
        const inputs = declareBatch(tape, capacityOf(batch), { training: false });
        const hidden = model.modules.bert.forward(inputs, { training: false });
        const pooled = poolerTypes.map((type) => [type, poolSentences(type, hidden, inputs, model.mlp)] as const);
        const outputs: Record<string, Value> = { ...Object.fromEntries(hidden.map((value, i) => [`hidden.${group}.${i}`, value])) };
        for (const [type, value] of pooled) outputs[`pooled.${group}.${type}`] = value;
        return outputs;
      });
      program.run(new BatchPacker(capacityOf(batch)).pack(batch, { training: false }));
      for (const name of Object.keys(program.outputs)) {
        const wanted = await weights.readF32(name);
        expect(relativeError((await program.read(name)).subarray(0, wanted.length), wanted), name).toBeLessThan(tolerance);
      }
      program.close();
      model.close();
    });
  });

  describe.each(Object.keys(golden.cases))("the case %s", (name) => {
    it("has PyTorch's loss and gradients", async () => {
      const { views: groups, pooler, temperature, hard_negative_weight, mlm, loss, gradient_norms } = golden.cases[name]!;
      const model = await loadModel(true, pooler === "cls", mlm !== null);
      const batch = views(groups);
      const examples = batch.length / groups.length;
      const capacity = capacityOf(batch);
      // Room for more examples than there are: the second half of the logits begins elsewhere than the live one ends.
      const options = { temperature, views: groups.length as Views, hardNegativeWeight: hard_negative_weight };
      const program = await compile(device, (tape) => {
        const inputs = declareBatch(tape, capacity, { training: true });
        const hidden = model.modules.bert.forward(inputs, { training: true });
        const embeddings = poolSentences(pooler, hidden, inputs, model.mlp);
        const contrast = contrastiveLoss(embeddings, { ...options, examples: tape.extent("examples", examples + 1) });
        const masked = mlm && maskedLanguageLoss(tape, model.modules, capacity, { probability: 1, dtype: "f32", recompute: false });
        const value = masked ? weightedSum(contrast, masked, 1, mlm.weight) : contrast;
        gradient(tape, value, model.store.layout.parameters);
        return { value };
      });
      const packed = new BatchPacker(capacity).pack(batch, { training: true });
      const second =
        mlm && new MaskedPacker(capacity, 1).pack(batch.map((sentence) => ({ ...sentence, masked: maskEvery(sentence.ids, mlm) })));
      program.run({ inputs: { ...packed.inputs, ...second?.inputs }, live: { ...packed.live, ...second?.live, examples } });
      expect(Math.abs((await program.read("value"))[0]! / loss - 1)).toBeLessThan(tolerance);
      for (const [pieceName, { parameter, offset, shape }] of model.store.pieces) {
        const { buffer, offset: start } = parameter.gradient!.window;
        const count = shape.reduce((a, b) => a * b, 1);
        const found = new Float32Array(await device.read({ buffer, offset: start + offset * 4, size: count * 4 }));
        const norm = Math.hypot(...found);
        if (isZeroGradient(pieceName)) {
          expect(norm, pieceName).toBeLessThan(1e-5);
          continue;
        }
        expect(Math.abs(norm / gradient_norms[goldenName(pieceName)]! - 1), pieceName).toBeLessThan(tolerance);
        const stored = `gradient.${name}.${goldenName(pieceName)}`;
        if (weights.tensors.has(stored)) expect(relativeError(found, await weights.readF32(stored)), pieceName).toBeLessThan(tolerance);
      }
      program.close();
      model.close();
    });
  });

  it("ten AdamW steps have PyTorch's losses, gradient norms and parameters", async () => {
    const { training } = golden;
    const { views: groups, pooler, temperature } = golden.cases[training.case]!;
    const optimizer: AdamWOptions = {
      beta1: training.adam_beta1,
      beta2: training.adam_beta2,
      epsilon: training.adam_epsilon,
      weightDecay: training.weight_decay,
      maxGradNorm: training.max_grad_norm,
    };
    const model = await loadModel(true, pooler === "cls");
    const batch = views(groups);
    const program = await compile(device, (tape) => {
      const inputs = declareBatch(tape, capacityOf(batch), { training: true });
      const embeddings = poolSentences(pooler, model.modules.bert.forward(inputs, { training: true }), inputs, model.mlp);
      const loss = contrastiveLoss(embeddings, { temperature, examples: tape.extent("examples", batch.length / 2) });
      return { loss, norm: adamWStep(tape, loss, model.store.layout, optimizer) };
    });
    const packed = new BatchPacker(capacityOf(batch)).pack(batch, { training: true });
    for (let step = 0; step < training.steps; step++) {
      program.run({ ...packed, scalars: { learningRate: training.learning_rate } });
      expect(Math.abs((await program.read("loss"))[0]! / training.losses[step]! - 1), `loss ${step}`).toBeLessThan(tolerance);
      expect(Math.abs((await program.read("norm"))[0]! / training.gradient_norms[step]! - 1), `norm ${step}`).toBeLessThan(tolerance);
    }
    for (const [name] of model.store.pieces) {
      if (isZeroGradient(name)) continue; // Adam turns its rounding into steps.
      const { norm } = training.parameters[goldenName(name)]!;
      expect(Math.abs(Math.hypot(...(await model.store.read(name))) / norm - 1), name).toBeLessThan(tolerance);
    }
    program.close();
    model.close();
  });
});
