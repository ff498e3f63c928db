/**
 * The cost of a step on the host: JavaScript from `TrainingStep.run` to the submit, and its parts. On Dawn's null backend, which computes nothing
 * and runs no driver on the same thread, for models of BERT-base's 12 layers and of 2: one step after the other, and with pauses as long as a GPU's
 * step, after which the processor's caches hold other things. And on this machine's GPU, with its driver's part.
 *
 * The null backend has little memory, so its models are narrow. The gradients of their weights are too small to be computed together, so a step of
 * 12 layers has more dispatches than BERT-base's: 274 for 212.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Device } from "../src/gpu/device.ts";
import { openDevice } from "../src/gpu/node.ts";
import type { FloatType } from "../src/kernels/language/operation.ts";
import type { TransformerConfig } from "../src/nn/architectures/architecture.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { TrainingStep } from "../src/simcse/training/step/training-step.ts";
import type { BenchTable } from "./measure.ts";
import { benchDtypes, benchModels, bertConfig, stepExamples, stepOptions, stepTokens, syntheticSentences } from "./models.ts";
import type { Bench } from "./open-bench.ts";
import { median as medianOf, quantile } from "./quantile.ts";

const batchSize = 64;

const narrow = (layers: number) =>
  bertConfig({
    name: "",
    config: { vocab_size: 30_522, hidden_size: 48, num_hidden_layers: layers, num_attention_heads: 12, intermediate_size: 192 },
  });

/** Steps before those that are timed, those that are timed, and the milliseconds after each. */
interface Pace {
  readonly warmUp: number;
  readonly steps: number;
  readonly pause: number;
}

const together: Pace = { warmUp: 200, steps: 300, pause: 0 };
const apart: Pace = { warmUp: 30, steps: 60, pause: 20 };
/** A GPU takes the time that a pause would. */
const onGpu: Pace = { ...apart, pause: 0 };

/** The parts of a step, each up to a call of WebGPU: the first error scope, the last write, the submit, and the end. */
const parts = ["packing", "writing", "encoding", "submitting"] as const;

type Part = (typeof parts)[number];

/** Notes when each part of a step on a device ends. */
class Watch implements Disposable {
  readonly ends = new Map<Part, number>();

  constructor(readonly device: Device) {
    const { gpu } = device;
    const { queue } = gpu;
    const [push, write, submit] = [gpu.pushErrorScope.bind(gpu), queue.writeBuffer.bind(queue), queue.submit.bind(queue)];
    gpu.pushErrorScope = (filter) => {
      if (!this.ends.has("packing")) this.ends.set("packing", performance.now());
      return push(filter);
    };
    queue.writeBuffer = (...given: Parameters<GPUQueue["writeBuffer"]>) => {
      write(...given);
      this.ends.set("writing", performance.now());
    };
    queue.submit = (commands) => {
      this.ends.set("encoding", performance.now());
      return submit(commands);
    };
  }

  /** The methods of the prototypes are there again. */
  [Symbol.dispose](): void {
    const { gpu } = this.device;
    Reflect.deleteProperty(gpu, "pushErrorScope");
    for (const name of ["writeBuffer", "submit"]) Reflect.deleteProperty(gpu.queue, name);
  }
}

interface Subject {
  readonly name: string;
  readonly config: TransformerConfig;
  readonly dtype: FloatType;
  readonly pace: Pace;
}

async function row({ device, ends }: Watch, { name, config, dtype, pace }: Subject): Promise<string[]> {
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: true, halves: dtype === "f16" });
  const step = await TrainingStep.create(model, stepOptions(batchSize));
  const batch = stepExamples(syntheticSentences(batchSize, stepTokens));
  const whole: number[] = [];
  const ofParts = parts.map((): number[] => []);
  for (let update = 1; update <= pace.warmUp + pace.steps; update++) {
    ends.clear();
    const start = performance.now();
    step.run(batch, update, 1e-4);
    ends.set("submitting", performance.now());
    if (update > pace.warmUp) {
      whole.push(ends.get("submitting")! - start);
      parts.forEach((part, i) => {
        ofParts[i]!.push(ends.get(part)! - (i === 0 ? start : ends.get(parts[i - 1]!)!));
      });
    }
    if (pace !== together || update % 20 === 0) await device.finish();
    if (pace.pause > 0) await wait(pace.pause);
  }
  const dispatches = step.program.dispatches.length;
  step.close();
  model.close();
  const [lowest, median] = [quantile(whole, 0.1), medianOf(whole)];
  return [
    name,
    String(dispatches),
    median.toFixed(2),
    lowest.toFixed(2),
    `${((1000 * lowest) / dispatches).toFixed(1)} to ${((1000 * median) / dispatches).toFixed(1)}`,
    ...ofParts.map((times) => medianOf(times).toFixed(2)),
  ];
}

export async function hostTable(bench: Bench): Promise<BenchTable> {
  const rows: string[][] = [];
  await using nothing = await openDevice({ backend: "null" });
  using onNothing = new Watch(nothing);
  for (const layers of [12, 2]) {
    const name = `${layers} layers, null backend`;
    const subject = { config: narrow(layers), dtype: "f32" } as const;
    rows.push(await row(onNothing, { ...subject, name, pace: together }));
    rows.push(await row(onNothing, { ...subject, name: `${name}, ${apart.pause} ms apart`, pace: apart }));
  }
  if (!bench.device.capabilities.software) {
    using watch = new Watch(bench.device);
    const dtype = benchDtypes(bench).at(-1)!;
    for (const model of benchModels(bench))
      rows.push(await row(watch, { name: `${model.name}, ${dtype}, ${bench.device.name}`, config: bertConfig(model), dtype, pace: onGpu }));
  }
  return {
    head: [
      `the host's part of a step, 2 × ${batchSize} sentences × ${stepTokens} tokens`,
      "dispatches",
      "ms of JavaScript, median",
      "lowest tenth",
      "µs a dispatch",
      ...parts,
    ],
    rows,
    note: "Packing: from the sentences to the checked tables. Writing: error scopes, the encoder, and the tables into their buffers. Encoding: the calls for each dispatch. Submitting: with what the driver does on the same thread. One submit a step.",
  };
}
