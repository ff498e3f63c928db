/** The training step of a small BERT, beside the same step in PyTorch on the CPU where Debian's python3-torch is there. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Device } from "../src/gpu/device.ts";
import { parseBertConfig } from "../src/nn/bert-config.ts";
import { SimCseModel } from "../src/simcse/model.ts";
import { TrainingStep } from "../src/simcse/training-step.ts";
import { markdown, measure } from "./measure.ts";

/** The work that all peers are measured on. */
export const work = {
  batchSize: 64,
  tokens: 32,
  config: { vocab_size: 30_522, hidden_size: 128, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 512 },
};

/** Milliseconds of the step in PyTorch, or null where there is none. */
function pytorchStep(rounds: number): number | null {
  const script = fileURLToPath(new URL("training_step.py", import.meta.url));
  const { status, stdout } = spawnSync("/usr/bin/python3", [script, String(rounds)], { encoding: "utf8" });
  return status === 0 ? Number(stdout.trim()) : null;
}

export async function trainingStepTable(device: Device, rounds = 7): Promise<string> {
  const config = parseBertConfig("bench", { model_type: "bert", max_position_embeddings: 512, ...work.config });
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: true });
  model.store.initialize(42);
  const step = await TrainingStep.create(model, {
    batchSize: work.batchSize,
    maxSeqLength: work.tokens,
    pooler: "cls",
    temperature: 0.05,
    seed: 42,
  });
  const batch = Array.from({ length: work.batchSize }, (_, i) =>
    Array.from({ length: work.tokens }, (_, j) => (1 + i * 7919 + j * 104_729) % work.config.vocab_size),
  );
  let update = 0;
  let host = 0;
  const run = async () => {
    const start = performance.now();
    step.run(
      batch.map((ids) => [ids, ids]),
      ++update,
      1e-4,
    );
    host = performance.now() - start;
    await device.finish();
  };
  const [time] = await measure([{ name: "step", run }], rounds);
  const { plan } = step.program;
  const sentences = 2 * work.batchSize;
  const row = (name: string, ms: number) => [name, ms.toFixed(0), ((sentences * 1000) / ms).toFixed(0)];
  const torch = pytorchStep(rounds);
  const rows = [row("simcse-webgpu", time!), ...(torch === null ? [["PyTorch, CPU", "not installed", ""]] : [row("PyTorch, CPU", torch)])];
  step.close();
  model.close();
  return [
    markdown(["2 × 64 sentences × 32 tokens; 2 layers, hidden 128, vocabulary 30,522", "ms a step", "sentences/s"], rows),
    "",
    `${plan.kernels.length} dispatches, 1 submit, ${host.toFixed(1)} ms of JavaScript a step; the plan takes ${(plan.bytes.total / 1e6).toFixed(1)} MB beside ${(model.store.bytes / 1e6).toFixed(1)} MB of parameters and optimiser state.`,
  ].join("\n");
}
