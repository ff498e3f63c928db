/** The training step of SimCSE, in f32 and in mixed precision. */
import type { FloatType } from "../src/kernels/language/operation.ts";
import { infoNce } from "../src/simcse/losses/infonce.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { TrainingStep } from "../src/simcse/training/training-step.ts";
import type { Timing } from "../src/tuning/measure.ts";
import { type BenchTable, measure, percent, timeCells, workOf } from "./measure.ts";
import { type BenchModel, benchModels, bertConfig, syntheticSentences } from "./models.ts";
import type { Bench } from "./open-bench.ts";

const tokens = 32;

const head = ["training step", "tokens", "ms", "spread", "sentences/s", "of ceiling", "dispatches", "ms of JavaScript", "MB", "first loss"];

/** Sentences of a step; each is embedded twice. */
const batchSizes = ({ device, quick }: Bench): readonly number[] => (device.capabilities.software || quick ? [64] : [64, 512]);

const row = (name: string, batchSize: number, live: number, timing: Timing, ...rest: string[]) => [
  `${name}, 2 × ${batchSize} sentences`,
  live.toLocaleString("en-US"),
  ...timeCells(timing),
  ((2 * batchSize * 1000) / timing.milliseconds).toFixed(0),
  ...rest,
];

async function ownRow(
  { device, ceilings, rounds }: Bench,
  model: BenchModel,
  dtype: FloatType,
  ids: readonly (readonly number[])[],
): Promise<string[]> {
  const batchSize = ids.length;
  const simcse = await SimCseModel.allocate(device, bertConfig(model), { training: true, mlp: true, halves: dtype === "f16" });
  simcse.store.initialize(42);
  const step = await TrainingStep.create(simcse, {
    batchSize,
    maxLength: tokens,
    pooler: "cls",
    loss: infoNce({ temperature: 0.05 }),
    seed: 42,
  });
  const batch = ids.map((sentence) => ({ sentences: [sentence, sentence] }));
  const hostTimes: number[] = [];
  let update = 0;
  const run = async () => {
    const start = performance.now();
    step.run(batch, ++update, 1e-4);
    hostTimes.push(performance.now() - start);
    await device.finish();
  };
  const [timing] = await measure(device, [{ run }], rounds);
  hostTimes.splice(0, hostTimes.length - rounds);
  const { roofline } = workOf(step.program.work(), ceilings);
  const { plan } = step.program;
  const [first] = await step.metrics(1, 1);
  const host = hostTimes.sort((a, b) => a - b)[Math.floor(hostTimes.length / 2)]!;
  const megabytes = (plan.bytes.total + simcse.store.bytes) / 1e6;
  step.close();
  simcse.close();
  return row(
    `${model.name}, ${dtype}`,
    batchSize,
    2 * ids.flat().length,
    timing!,
    percent(roofline / timing!.milliseconds),
    String(plan.kernels.length),
    host.toFixed(1),
    megabytes.toFixed(0),
    first!.loss.toFixed(4),
  );
}

/** The same step in other software, on the same sentences. */
export type StepPeers = (bench: Bench, model: BenchModel, ids: readonly (readonly number[])[]) => readonly PeerStep[];

export interface PeerStep {
  readonly name: string;
  /** The time of a step and the tokens that it computed, or why it was not measured. */
  readonly result: (Timing & { readonly tokens: number }) | string;
}

/** The table of all models. */
export async function trainingStepTable(bench: Bench, peers: StepPeers = () => []): Promise<BenchTable> {
  const { features } = bench.device.capabilities;
  const rows: string[][] = [];
  for (const model of benchModels(bench)) {
    for (const batchSize of batchSizes(bench)) {
      const ids = syntheticSentences(batchSize, tokens);
      rows.push(await ownRow(bench, model, "f32", ids));
      if (features.has("shader-f16")) rows.push(await ownRow(bench, model, "f16", ids));
      for (const { name, result } of peers(bench, model, ids)) {
        const cells = typeof result === "string" ? [name, "", result] : row(name, batchSize, result.tokens, result);
        rows.push([...cells, ...Array<string>(head.length - cells.length).fill("")]);
      }
    }
  }
  return {
    head,
    rows,
    note: `Tokens: those that were computed, both views of each sentence of ${tokens}; PyTorch gets the same ids. Of ceiling: the time that all kernels take at least, one after another, of the time that the step took. One submit a step. MB: what the plan allocates, parameters and optimiser state. The first loss is that of the same weights, sentences and masks in each dtype.`,
  };
}
