/** The training step of SimCSE, in f32 and in mixed precision, beside the same step in PyTorch if it is installed. */
import type { FloatType } from "../src/kernels/language/operation.ts";
import { infoNce } from "../src/simcse/losses/infonce.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { TrainingStep } from "../src/simcse/training/training-step.ts";
import type { Bench } from "./machine.ts";
import { markdown, measure, percent, short, workOf } from "./measure.ts";
import { type BenchModel, benchModels, bertConfig, syntheticSentences } from "./models.ts";
import { findPyTorch, type PyTorchStep, pytorchStep } from "./pytorch.ts";

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
const missing = (name: string, reason: string) => [name, reason, ...Array<string>(head.length - 2).fill("")];
const padded = (cells: string[]) => [...cells, ...Array<string>(head.length - cells.length).fill("")];

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

/** The configurations of PyTorch that a step is compared with: on the machine's GPU if we use one, else on its CPU. */
function pytorchRows({ device, rounds }: Bench, model: BenchModel): string[][] {
  const torch = findPyTorch();
  if (torch === null) return [missing("PyTorch", "not installed")];
  const on = device.capabilities.software ? "cpu" : "cuda";
  const name = `${model.name}, PyTorch ${torch.version}`;
  if (on === "cuda" && torch.cuda === null) return [missing(name, "has no CUDA")];
  const ways: readonly (readonly [string, Pick<PyTorchStep, "amp" | "compile">])[] =
    on === "cpu"
      ? [["CPU", { amp: false, compile: false }]]
      : [
          ["CUDA, f32", { amp: false, compile: false }],
          ["CUDA, AMP", { amp: true, compile: false }],
          ["CUDA, AMP, compiled", { amp: true, compile: true }],
        ];
  return ways.map(([way, options]) => {
    const ms = pytorchStep(torch, { device: on, ...options, rounds, batch: batchSize, tokens, config: model.config });
    return typeof ms === "number" ? padded(row(`${name}, ${way}`, ms)) : missing(`${name}, ${way}`, ms.reason);
  });
}

/** The table of all models. */
export async function trainingStepTable(bench: Bench): Promise<string> {
  const { features } = bench.device.capabilities;
  const rows: string[][] = [];
  for (const model of benchModels(bench)) {
    rows.push(await ownRow(bench, model, "f32"));
    if (features.has("shader-f16")) rows.push(await ownRow(bench, model, "f16"));
    rows.push(...pytorchRows(bench, model));
  }
  return `${markdown(head, rows)}\n\nOf ceiling: the time that all kernels take at least, one after another, of the time that the step took. One submit a step. MB: what the plan allocates, parameters and optimiser state. The first loss is that of the same weights, sentences and masks in each dtype.`;
}
