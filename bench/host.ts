/**
 * The cost of a step on the host: JavaScript from `TrainingStep.run` to the submit, for a model of BERT-base's 12 layers, on Dawn's null backend, which computes
 * nothing and runs no driver on the same thread. The model is narrow, because the null backend has little memory. So the gradients of its
 * weights are too small to be computed together, and it has more dispatches than BERT-base: 275 for 210.
 */
import { openDevice } from "../src/gpu/node.ts";
import { parseConfig } from "../src/nn/architectures/architectures.ts";
import { infoNce } from "../src/simcse/losses/infonce.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { TrainingStep } from "../src/simcse/training/training-step.ts";
import type { BenchTable } from "./measure.ts";
import { syntheticSentences } from "./models.ts";

const batchSize = 64;
const tokens = 32;
const config = parseConfig("bench", {
  model_type: "bert",
  vocab_size: 30_522,
  hidden_size: 48,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 192,
  max_position_embeddings: 512,
});

/** Number of warm-up steps and of timed steps. */
const warmUp = 200;
const steps = 300;

export async function hostTable(): Promise<BenchTable> {
  await using device = await openDevice({ backend: "null" });
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: true });
  const step = await TrainingStep.create(model, {
    batchSize,
    maxLength: tokens,
    pooler: "cls",
    loss: infoNce({ temperature: 0.05 }),
    seed: 42,
  });
  const batch = syntheticSentences(batchSize, tokens).map((ids) => ({ sentences: [ids, ids] }));
  const times: number[] = [];
  for (let update = 1; update <= warmUp + steps; update++) {
    const start = performance.now();
    step.run(batch, update, 1e-4);
    if (update > warmUp) times.push(performance.now() - start);
    if (update % 20 === 0) await device.finish();
  }
  const dispatches = step.program.dispatches.length;
  step.close();
  model.close();
  times.sort((a, b) => a - b);
  const quantile = (part: number) => times[Math.floor(times.length * part)]!;
  const [lowest, median] = [quantile(0.1), quantile(0.5)];
  return {
    head: [
      `the host's part of a step, 12 layers, 2 × ${batchSize} sentences × ${tokens} tokens`,
      "ms of JavaScript, median",
      "lowest tenth",
      "dispatches",
      "µs each",
      "submits",
    ],
    rows: [
      [
        "Dawn's null backend",
        median.toFixed(2),
        lowest.toFixed(2),
        String(dispatches),
        `${((1000 * lowest) / dispatches).toFixed(1)} to ${((1000 * median) / dispatches).toFixed(1)}`,
        "1",
      ],
    ],
  };
}
