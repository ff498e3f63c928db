/** This package itself. */
import { compile } from "../../../src/autograd/program.ts";
import { openDevice } from "../../../src/gpu/node.ts";
import { f32, type Value } from "../../../src/kernels/language/operation.ts";
import { layerNorm } from "../../../src/kernels/layer-norm.ts";
import { matmul } from "../../../src/kernels/matmul/matmul.ts";
import { softmax } from "../../../src/kernels/softmax.ts";
import { adamWDefaults } from "../../../src/nn/adamw.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { EncoderProgram } from "../../../src/simcse/embedding/encoder-program.ts";
import { infoNce } from "../../../src/simcse/losses/infonce.ts";
import { SimCseModel } from "../../../src/simcse/model/model.ts";
import { TrainingStep } from "../../../src/simcse/training/step/training-step.ts";
import type { Kernel, OpenPeer } from "../peer.ts";
import { countGpuCalls } from "../webgpu-node.ts";
import {
  adam,
  batchSize,
  config,
  initialWeights,
  type KernelWork,
  layerNormEpsilon,
  operands,
  sentences,
  temperature,
  tokensPerSentence,
} from "../work.ts";

export async function open(): Promise<OpenPeer> {
  const calls = countGpuCalls();
  const device = await openDevice();

  const loadModel = async (options: { training: boolean; dropout: number }) => {
    const probabilities = { hidden_dropout_prob: options.dropout, attention_probs_dropout_prob: options.dropout };
    const model = await SimCseModel.allocate(device, parseConfig("work.ts", { ...config, ...probabilities }), {
      training: options.training,
      mlp: true,
    });
    for (const [name, { data }] of initialWeights()) model.store.write(name, data);
    return model;
  };

  return {
    version: "this commit",
    calls,
    async trainer(dropout) {
      const model = await loadModel({ training: true, dropout });
      const step = await TrainingStep.create(model, {
        batchSize,
        maxLength: tokensPerSentence,
        pooler: "cls",
        loss: infoNce({ temperature }),
        // No peer clips gradients; the norm is computed nevertheless.
        optimizer: { ...adamWDefaults, beta1: adam.beta1, beta2: adam.beta2, epsilon: adam.epsilon, maxGradNorm: Number.POSITIVE_INFINITY },
        seed: 42,
      });
      const batch = sentences().map((ids) => ({ sentences: [ids, ids] }));
      let update = 0;
      return {
        async step() {
          step.run(batch, ++update, adam.learningRate);
          const [metrics] = await step.metrics(update, update);
          return metrics!.loss;
        },
      };
    },
    async encoder() {
      const model = await loadModel({ training: false, dropout: 0 });
      const size = { sentences: batchSize, tokens: batchSize * tokensPerSentence, longest: tokensPerSentence, normalize: false };
      const encoder = await EncoderProgram.compile(model, "cls", size);
      const batch = sentences().map((ids) => ({ ids, promptTokens: 0 }));
      return { encode: async () => (await encoder.submit(batch))() };
    },
    async kernel(work) {
      const record = recipes[work.op];
      const tensors = operands(work);
      const program = await compile(device, (tape) => ({
        y: record(tensors.map(({ shape }, i) => tape.input(`operand ${i}`, f32(...shape)) as Value)),
      }));
      const inputs = Object.fromEntries(tensors.map(({ data }, i) => [`operand ${i}`, data]));
      program.run({ inputs });
      return {
        async run(times) {
          for (let i = 0; i < times; i++) program.run({});
          await device.finish();
        },
        result: () => program.read("y"),
      } satisfies Kernel;
    },
  };
}

const recipes: Record<KernelWork["op"], (operands: Value[]) => Value> = {
  matmul: ([a, b]) => matmul(a!, b!, "nn"),
  layerNorm: ([x, weight, bias]) => layerNorm(x!, weight!, bias!, layerNormEpsilon),
  softmax: ([x]) => softmax(x!),
};
