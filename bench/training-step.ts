/** The training step of SimCSE, in f32 and in mixed precision. */
import type { FloatType } from "../src/kernels/language/operation.ts";
import { infoNce } from "../src/simcse/losses/infonce.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { TrainingStep } from "../src/simcse/training/training-step.ts";
import { type BenchTable, measure, percent, short, workOf } from "./measure.ts";
import { type BenchModel, benchModels, bertConfig, syntheticSentences } from "./models.ts";
import type { Bench } from "./open-bench.ts";

const batchSize = 64;
const tokens = 32;

const head = [
  `training step, 2 × ${batchSize} sentences × ${tokens} tokens`,
  "ms",
  "sentences/s",
  "of ceiling",
  "dispatches",
  "ms of JavaScript",
  "MB",
  "first loss",
];

const row = (name: string, ms: number, ...rest: string[]) => [name, short(ms), ((2 * batchSize * 1000) / ms).toFixed(0), ...rest];

async function ownRow({ device, ceilings, rounds }: Bench, model: BenchModel, dtype: FloatType): Promise<string[]> {
  const simcse = await SimCseModel.allocate(device, bertConfig(model), { training: true, mlp: true, halves: dtype === "f16" });
  simcse.store.initialize(42);
  const step = await TrainingStep.create(simcse, {
    batchSize,
    maxLength: tokens,
    pooler: "cls",
    loss: infoNce({ temperature: 0.05 }),
    seed: 42,
  });
  const batch = syntheticSentences(batchSize, tokens).map((ids) => ({ sentences: [ids, ids] }));
  const hostTimes: number[] = [];
  let update = 0;
  const run = async () => {
    const start = performance.now();
    step.run(batch, ++update, 1e-4);
    hostTimes.push(performance.now() - start);
    await device.finish();
    return undefined;
  };
  const [ms] = await measure([{ run }], rounds);
  const { roofline } = workOf(await step.profile(batch, ++update, 1e-4), ceilings);
  const { plan } = step.program;
  const [first] = await step.metrics(1, 1);
  const host = hostTimes.sort((a, b) => a - b)[Math.floor(hostTimes.length / 2)]!;
  const megabytes = (plan.bytes.total + simcse.store.bytes) / 1e6;
  step.close();
  simcse.close();
  return row(
    `${model.name}, ${dtype}`,
    ms!,
    percent(roofline / ms!),
    String(plan.kernels.length),
    host.toFixed(1),
    megabytes.toFixed(0),
    first!.loss.toFixed(4),
  );
}

/** The same step in other software, as the first cells of rows. */
export type StepPeers = (
  bench: Bench,
  model: BenchModel,
  step: { readonly batchSize: number; readonly tokens: number },
) => readonly PeerStep[];

export interface PeerStep {
  readonly name: string;
  /** Milliseconds of a step, or why it was not measured. */
  readonly result: number | string;
}

/** The table of all models. */
export async function trainingStepTable(bench: Bench, peers: StepPeers = () => []): Promise<BenchTable> {
  const { features } = bench.device.capabilities;
  const rows: string[][] = [];
  for (const model of benchModels(bench)) {
    rows.push(await ownRow(bench, model, "f32"));
    if (features.has("shader-f16")) rows.push(await ownRow(bench, model, "f16"));
    for (const { name, result } of peers(bench, model, { batchSize, tokens })) {
      const cells = typeof result === "number" ? row(name, result) : [name, result];
      rows.push([...cells, ...Array<string>(head.length - cells.length).fill("")]);
    }
  }
  return {
    head,
    rows,
    note: "Of ceiling: the time that all kernels take at least, one after another, of the time that the step took. One submit a step. MB: what the plan allocates, parameters and optimiser state. The first loss is that of the same weights, sentences and masks in each dtype.",
  };
}
