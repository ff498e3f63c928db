/** A training step of all parameters, of some parts, and of adapters: the memory that BERT-base takes, as planned for a GPU, and the time of a small model. */
import { loraTargets } from "../src/nn/lora.ts";
import { type ModelOptions, SimCseModel } from "../src/simcse/model/model.ts";
import { planTrainingStep, TrainingStep } from "../src/simcse/training/step/training-step.ts";
import { type BenchTable, measure, timeCells } from "./measure.ts";
import { base, bertConfig, small, stepExamples, stepOptions, stepTokens, syntheticSentences } from "./models.ts";
import type { Bench } from "./open-bench.ts";

const batchSize = 32;
const step = stepOptions(batchSize);

type Parts = Pick<ModelOptions, "freeze" | "lora">;

const adapters = (targets: typeof loraTargets | readonly ["query", "value"]) => ({ rank: 8, alpha: 16, dropout: 0, targets });

/** What is trained. `half` freezes the lower half of the layers. */
const ways = (half: string): readonly (readonly [name: string, parts: Parts])[] => [
  ["everything", {}],
  ["without the embeddings", { freeze: ["embeddings"] }],
  [`without the embeddings and layers ${half}`, { freeze: ["embeddings", half] }],
  ["LoRA of rank 8 on query and value", { lora: adapters(["query", "value"]) }],
  ["LoRA of rank 8 on all linear layers", { lora: adapters(loraTargets) }],
];

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);

/** What a step of BERT-base takes. Planning allocates nothing, so that any machine can say it. */
export function memoryTable({ device }: Bench): BenchTable {
  const capabilities = { ...device.capabilities, software: false };
  const rows = [false, true].flatMap((halves) =>
    ways("0-5").map(([name, parts]) => {
      const planned = planTrainingStep(bertConfig(base), { mlp: true, halves, ...parts }, step, capabilities);
      const { bytes, persistentBytes, parameters, dispatches } = planned;
      return [
        `${name}, ${halves ? "f16" : "f32"}`,
        parameters.trained.toLocaleString("en-US"),
        ...[persistentBytes, bytes, persistentBytes + bytes].map(megabytes),
        String(dispatches),
      ];
    }),
  );
  return {
    head: [
      `BERT-base, 2 × ${batchSize} sentences × ${stepTokens} tokens`,
      "trained parameters",
      "MB of arenas",
      "MB of the step",
      "MB in all",
      "dispatches",
    ],
    rows,
    note: "As planned for a GPU without subgroups; nothing was allocated. Arenas: parameters, gradients, moments. The step: activations, gradients in flight, inputs.",
  };
}

/** The time of a step on this adapter. */
export async function partsTable({ device, rounds }: Bench): Promise<BenchTable> {
  const rows: string[][] = [];
  for (const [name, parts] of ways("0")) {
    using model = await SimCseModel.allocate(device, bertConfig(small), { training: true, mlp: true, ...parts });
    model.store.initialize(42);
    using training = await TrainingStep.create(model, step);
    const batch = stepExamples(syntheticSentences(batchSize, stepTokens));
    let update = 0;
    const run = async () => {
      training.run(batch, ++update, 1e-4);
      await device.finish();
    };
    const [timing] = await measure(device, [{ run }], rounds);
    rows.push([
      name,
      model.store.layout.counts.trained.toLocaleString("en-US"),
      ...timeCells(timing!),
      String(training.program.plan.kernels.length),
    ]);
  }
  return {
    head: [
      `training step of ${small.name}, 2 × ${batchSize} sentences × ${stepTokens} tokens, f32`,
      "trained parameters",
      "ms",
      "spread",
      "dispatches",
    ],
    rows,
    note: "One submit a step.",
  };
}
