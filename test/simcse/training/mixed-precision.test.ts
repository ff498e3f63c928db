/** Mixed precision and recomputed layers: a few steps follow those in f32, or are the same to the bit. It also runs on a core device, which packs halves. */
import { expect, it } from "vitest";
import { initialOptimizerState } from "../../../src/kernels/optimizer/optimizer-state.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { infoNce } from "../../../src/simcse/losses/infonce.ts";
import { SimCseModel } from "../../../src/simcse/model/model.ts";
import { TrainingStep } from "../../../src/simcse/training/step/training-step.ts";
import { openTestDevice } from "../../device.ts";
import { tinyConfig, tinySentences } from "../../tiny-model.ts";

const device = await openTestDevice();
const { json, tokenizer } = tinyConfig();
const config = parseConfig("tiny", json);
const batch = tinySentences.map((text) => {
  const ids = tokenizer.encode(text, 20);
  return { sentences: [ids, ids] };
});

/** Losses and gradient norms of a few steps, and the bytes of the plan. */
async function trainedSteps(halves: boolean, gradientCheckpointing = false) {
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: true, halves });
  model.store.initialize(42);
  // A first scale that does not overflow: each step is an update.
  const state = initialOptimizerState({ lossScale: halves ? 256 : 1 });
  device.gpu.queue.writeBuffer(model.store.layout.optimizer!.window.buffer, 0, state);
  const step = await TrainingStep.create(model, {
    batchSize: 6,
    maxLength: 20,
    pooler: "cls",
    loss: infoNce({ temperature: 0.05 }),
    seed: 1,
    gradientCheckpointing,
  });
  for (let update = 1; update <= 4; update++) step.run(batch, update, 1e-3);
  const metrics = await step.metrics(1, 4);
  const { bytes } = step.program.plan;
  step.close();
  model.close();
  return { metrics, bytes };
}

const [single, half] = [await trainedSteps(false), await trainedSteps(true)];

it.each([
  ["f32", false, single],
  ["mixed precision", true, half],
] as const)("computing layers again in the backward pass changes not a bit, and takes less memory, in %s", async (_, halves, kept) => {
  const again = await trainedSteps(halves, true);
  expect(again.metrics).toEqual(kept.metrics);
  expect(again.bytes.slots).toBeLessThan(kept.bytes.slots);
});

it("mixed precision follows f32", () => {
  half.metrics.forEach(({ loss, gradientNorm }, i) => {
    expect(Math.abs(loss / single.metrics[i]!.loss - 1), `loss ${i}`).toBeLessThan(2e-2);
    expect(Math.abs(gradientNorm / single.metrics[i]!.gradientNorm - 1), `gradient norm ${i}`).toBeLessThan(2e-2);
  });
  expect(half.metrics).not.toEqual(single.metrics);
});
