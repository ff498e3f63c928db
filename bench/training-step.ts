/** The training step of SimCSE, in f32 and in mixed precision. */
import type { FloatType } from "../src/kernels/language/operation.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { TrainingStep } from "../src/simcse/training/step/training-step.ts";
import { type Timing, timingOf } from "../src/tuning/measure.ts";
import { type BenchTable, percent, short, timeCells, timesInTurns, warmUp, workOf } from "./measure.ts";
import { type BenchModel, base, benchModels, bertConfig, stepExamples, stepOptions, stepTokens, syntheticSentences } from "./models.ts";
import { type Bench, sayRow } from "./open-bench.ts";

/** A measurement ends after so many seconds. */
export const seconds = 3;

/** Steps that are submitted one after another before the GPU is waited for, as a training run does it; a software adapter has no queue to fill. */
export const stepsInARow = ({ device }: Bench): number => (device.capabilities.software ? 1 : 4);

const head = [
  "training step",
  "tokens",
  "ms",
  "spread",
  "ms alone",
  "sentences/s",
  "of ceiling",
  "dispatches",
  "ms of JavaScript",
  "MB",
  "first loss",
];

/** What a step computes. */
export interface StepWork {
  readonly model: BenchModel;
  /** Each is embedded twice. */
  readonly ids: readonly (readonly number[])[];
}

/** The works of a model. A small model is no different in large batches. */
function worksOf({ device, quick }: Bench, model: BenchModel): StepWork[] {
  const batchSizes = device.capabilities.software || quick || model !== base ? [64] : [64, 512];
  return batchSizes.map((batchSize) => ({ model, ids: syntheticSentences(batchSize, stepTokens) }));
}

/** The time of a step among others, and of one that is waited for. */
interface StepTimes {
  readonly inARow: Timing;
  readonly alone: Timing;
}

const row = (name: string, batchSize: number, live: number, { inARow, alone }: StepTimes, ...rest: string[]) => [
  `${name}, 2 × ${batchSize} sentences`,
  live.toLocaleString("en-US"),
  ...timeCells(inARow),
  short(alone.milliseconds),
  ((2 * batchSize * 1000) / inARow.milliseconds).toFixed(0),
  ...rest,
];

/** Our row of a work, with the weights of `initial`. */
async function ownRow(bench: Bench, { model, ids }: StepWork, dtype: FloatType, initial: SimCseModel): Promise<string[]> {
  const { device, ceilings, rounds } = bench;
  const batchSize = ids.length;
  bench.say(`${model.name}, ${dtype}, 2 × ${batchSize} sentences: compiling`);
  const simcse = await SimCseModel.allocate(device, bertConfig(model), { training: true, mlp: true, halves: dtype === "f16" });
  await simcse.copyFrom(initial);
  const step = await TrainingStep.create(simcse, stepOptions(batchSize));
  const batch = stepExamples(ids);
  const hostTimes: number[] = [];
  let update = 0;
  const run = (steps: number) => async () => {
    for (let i = 0; i < steps; i++) {
      const start = performance.now();
      step.run(batch, ++update, 1e-4);
      hostTimes.push(performance.now() - start);
    }
    await device.finish();
  };
  bench.say(`${model.name}, ${dtype}, 2 × ${batchSize} sentences: measuring`);
  const steps = stepsInARow(bench);
  const subjects = [{ run: run(steps) }, { run: run(1) }];
  await warmUp(device, subjects);
  const [inARow, alone] = await timesInTurns(subjects, { rounds, seconds });
  const timing = timingOf(inARow!.map((time) => time / steps));
  const { roofline } = workOf(step.program.work(), ceilings);
  const { plan } = step.program;
  const [first] = await step.metrics(1, 1);
  const megabytes = (plan.bytes.total + simcse.store.bytes) / 1e6;
  step.close();
  simcse.close();
  return row(
    `${model.name}, ${dtype}`,
    batchSize,
    2 * ids.flat().length,
    { inARow: timing, alone: timingOf(alone!) },
    percent(roofline / timing.milliseconds),
    String(plan.kernels.length),
    timingOf(hostTimes).milliseconds.toFixed(1),
    megabytes.toFixed(0),
    first!.loss.toFixed(4),
  );
}

/** The same steps in other software, on the same sentences; they begin after ours have ended. */
export interface StepPeers {
  measure(works: readonly StepWork[]): AsyncIterable<PeerStep>;
}

export interface PeerStep {
  readonly work: StepWork;
  readonly name: string;
  /** The times of a step and the tokens that it computed, or why it was not measured. */
  readonly result: (StepTimes & { readonly tokens: number }) | string;
}

function peerRow({ work, name, result }: PeerStep): string[] {
  const batchSize = work.ids.length;
  const cells =
    typeof result === "string" ? [`${name}, 2 × ${batchSize} sentences`, "", result] : row(name, batchSize, result.tokens, result);
  return [...cells, ...Array<string>(head.length - cells.length).fill("")];
}

/** The table of all models. */
export async function trainingStepTable(bench: Bench, peers?: StepPeers): Promise<BenchTable> {
  const { features } = bench.device.capabilities;
  const dtypes: readonly FloatType[] = features.has("shader-f16") ? ["f32", "f16"] : ["f32"];
  const rows = new Map<StepWork, string[][]>();
  for (const model of benchModels(bench)) {
    bench.say(`${model.name}: drawing weights`);
    // Once for all, because it takes seconds for BERT-base.
    const initial = await SimCseModel.allocate(bench.device, bertConfig(model), { training: false, mlp: true });
    initial.store.initialize(42);
    for (const work of worksOf(bench, model)) {
      rows.set(work, []);
      for (const dtype of dtypes) rows.get(work)!.push(sayRow(bench, await ownRow(bench, work, dtype, initial)));
    }
    initial.close();
  }
  if (peers) for await (const step of peers.measure([...rows.keys()])) rows.get(step.work)!.push(sayRow(bench, peerRow(step)));
  const steps = stepsInARow(bench);
  const inARow =
    steps === 1
      ? "a step that is waited for"
      : `a step among ${steps} that are submitted one after another and then waited for, as in a training run`;
  return {
    head,
    rows: [...rows.values()].flat(),
    note: `Tokens: those that were computed, both views of each sentence of ${stepTokens}; PyTorch gets the same ids. Ms: ${inARow}; alone: one step that is waited for. The median of at most ${bench.rounds} rounds, which ended after ${seconds} s; PyTorch's are measured after ours. Of ceiling: the time that all kernels take at least, one after another, of the ms. One submit a step. MB: what the plan allocates, parameters and optimiser state. The first loss is that of the same weights, sentences and masks in each dtype.`,
  };
}
