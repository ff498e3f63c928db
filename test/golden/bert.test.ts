/**
 * The third layer of tests: a tiny BERT and a tiny RoBERTa as SimCSE against PyTorch. Activations, a masked language model's logits and ten training
 * losses, see test/golden/README.md; losses and gradients of every objective are in parity.test.ts. Tolerances are relative to each tensor's norm: 1e-4,
 * of which PyTorch in f32 itself uses up to 2e-6.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/autograd/program.ts";
import type { Weights } from "../../src/io/weights/tensor-file.ts";
import { openTorchCheckpoint } from "../../src/io/weights/torch-checkpoint.ts";
import { JoinedWeights } from "../../src/io/weights.ts";
import type { Value } from "../../src/kernels/language/operation.ts";
import { type AdamWOptions, adamWStep } from "../../src/nn/adamw.ts";
import { loadWeights } from "../../src/simcse/checkpoint/checkpoint.ts";
import { contrastiveLoss } from "../../src/simcse/losses/infonce.ts";
import { BatchPacker, declareBatch, tableSizes } from "../../src/simcse/model/batch.ts";
import { type ModelOptions, SimCseModel } from "../../src/simcse/model/model.ts";
import { poolerTypes, poolSentences } from "../../src/simcse/model/poolers.ts";
import { openTestDevice } from "../device.ts";
import { type Group, goldenFolder, goldenName, isZeroGradient, kinds, readGolden, relativeError } from "./golden.ts";

const device = await openTestDevice();
const tolerance = 1e-4;

describe.each(kinds)("%s", async (kind) => {
  const { golden, weights, config } = await readGolden(kind);

  async function loadModel(options: ModelOptions, from: Weights = weights) {
    const model = await SimCseModel.allocate(device, config, options);
    await loadWeights(model, from, { head: "checkpoint" });
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
      const model = await loadModel({ training: false, mlp: true });
      const batch = views([group]);
      const program = await compile(device, (tape) => {
        const inputs = declareBatch(tape, capacityOf(batch), { indices: false });
        const hidden = model.modules.transformer.forward(inputs, { training: false });
        const pooled = poolerTypes.map((type) => [type, poolSentences(type, hidden, inputs, model.mlp)] as const);
        const outputs: Record<string, Value> = { ...Object.fromEntries(hidden.map((value, i) => [`hidden.${group}.${i}`, value])) };
        for (const [type, value] of pooled) outputs[`pooled.${group}.${type}`] = value;
        return outputs;
      });
      program.run(new BatchPacker(capacityOf(batch), { indices: false }).pack(batch));
      for (const name of Object.keys(program.outputs)) {
        const wanted = await weights.readF32(name);
        expect(relativeError((await program.read(name)).subarray(0, wanted.length), wanted), name).toBeLessThan(tolerance);
      }
      program.close();
      model.close();
    });
  });

  describe("a masked language model's logits", () => {
    const renamed = (from: Weights, rename: (name: string) => string) =>
      new JoinedWeights(from.path, new Map([...from.tensors.keys()].map((source) => [rename(source), { weights: from, source }])));
    const checkpoints: Record<string, () => Promise<Weights>> = {
      "from the checkpoint of a masked language model": () => openTorchCheckpoint(goldenFolder, `${kind}_mlm.bin`),
      // The original keeps BERT's head under RoBERTa's name, and its inner names as they are.
      "from a checkpoint of the original's --do_mlm": async () =>
        kind === "bert" ? renamed(weights, (name) => name.replace("cls.predictions.", "lm_head.")) : weights,
    };

    it.each(Object.keys(checkpoints))("%s", async (name) => {
      const model = await loadModel({ training: false, mlp: false, mlm: true }, await checkpoints[name]!());
      const { transformer, maskedHead } = model.modules;
      const batch = views(["negatives"]);
      const program = await compile(device, (tape) => {
        const hidden = transformer.forward(declareBatch(tape, capacityOf(batch), { indices: false }), { training: false });
        return { logits: maskedHead!.forward(hidden.at(-1)!, transformer.words) };
      });
      program.run(new BatchPacker(capacityOf(batch), { indices: false }).pack(batch));
      const wanted = await weights.readF32("mlm_logits.negatives");
      expect(relativeError((await program.read("logits")).subarray(0, wanted.length), wanted)).toBeLessThan(tolerance);
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
    const model = await loadModel({ training: true, mlp: pooler === "cls" });
    const batch = views(groups);
    const program = await compile(device, (tape) => {
      const inputs = declareBatch(tape, capacityOf(batch), { indices: true });
      const embeddings = poolSentences(pooler!, model.modules.transformer.forward(inputs, { training: true }), inputs, model.mlp);
      const loss = contrastiveLoss(embeddings, { temperature, examples: tape.extent("examples", batch.length / 2) });
      return { loss, norm: adamWStep(tape, loss, model.store.layout, optimizer) };
    });
    const packed = new BatchPacker(capacityOf(batch), { indices: true }).pack(batch);
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
