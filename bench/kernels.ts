/**
 * Single kernels except matmul: LayerNorm, cross-entropy, attention, embedding, each forward and backward, stored both ways; the gradient's
 * norm; and AdamW beside a scalar one.
 */
import type { Tuning } from "../src/autograd/choices.ts";
import { compile, type Program } from "../src/autograd/program.ts";
import type { StepInput } from "../src/autograd/step-input.ts";
import type { Tape } from "../src/autograd/tape.ts";
import { SimcseError } from "../src/errors.ts";
import { toHalves } from "../src/float16.ts";
import type { Device } from "../src/gpu/device.ts";
import { blockTokens } from "../src/kernels/attention/frame.ts";
import { matricesName } from "../src/kernels/attention/matrices.ts";
import { attention } from "../src/kernels/attention.ts";
import { crossEntropy } from "../src/kernels/cross-entropy.ts";
import { embedding } from "../src/kernels/embedding.ts";
import { matrixUnits } from "../src/kernels/language/matrix-units.ts";
import { elementCount, type FloatType, f32, float, type Persistent, type Value } from "../src/kernels/language/operation.ts";
import { layerNorm } from "../src/kernels/layer-norm.ts";
import { adamW } from "../src/kernels/optimizer/adamw.ts";
import { globalNorm } from "../src/kernels/optimizer/global-norm.ts";
import { optimizerField, optimizerStateShape } from "../src/kernels/optimizer/optimizer-state.ts";
import { ArenaTensor } from "../src/nn/parameters/arena-tensor.ts";
import { BatchPacker, declareBatch } from "../src/simcse/model/batch.ts";
import { contenderOf } from "../src/tuning/measure.ts";
import { computesRight, isDoubtful } from "../src/tuning/self-check.ts";
import { normals } from "../test/kernels/data.ts";
import { wrong } from "./matmul.ts";
import { type BenchTable, measureKernels, percent, short, timeCells, workOf } from "./measure.ts";
import { benchDtypes, syntheticSentences } from "./models.ts";
import type { Bench } from "./open-bench.ts";
import { scalarAdamW } from "./scalar-adamw.ts";

interface KernelBench {
  readonly name: string;
  /** The operations that are timed; others only prepare their inputs. */
  readonly timed: (operation: string) => boolean;
  readonly program: Program;
  readonly step: StepInput;
  /** The variant that is asked for. */
  readonly variant?: string;
  readonly close?: () => void;
}

/** What is timed, and what cannot be, with the reason. */
interface Subjects {
  readonly benches: readonly KernelBench[];
  readonly failures: readonly { readonly name: string; readonly reason: string }[];
}

/** Random numbers for every float input of a program; halves as their bits. */
function randomInputs({ plan }: Program): NonNullable<StepInput["inputs"]> {
  const floats = [...plan.tape.inputs].filter(([, { dtype }]) => dtype !== "u32");
  return Object.fromEntries(
    floats.map(([name, { dtype, shape }], seed) => {
      const numbers = normals(elementCount(shape), seed);
      return [name, dtype === "f16" ? toHalves(numbers) : numbers];
    }),
  );
}

/** Values as a program's outputs. */
const outputsOf = (values: readonly (Value | null)[]): Record<string, Value> =>
  Object.fromEntries(values.flatMap((value, i) => (value ? [[`y${i}`, value]] : [])));

/** The variant of this name for every node that has it. */
const named = (variant: string): Tuning => ({ prepare: async () => (_, variants) => variants.find(({ name }) => name === variant) });

/** A program for an operation's forward pass, and another one for its gradient. */
async function bothWays(
  device: Device,
  name: string,
  record: (tape: Tape) => Value,
  step: StepInput = {},
  variant?: string,
): Promise<KernelBench[]> {
  const tuning = variant === undefined ? undefined : named(variant);
  const forward = await compile(device, (tape) => outputsOf([record(tape)]), { tuning });
  const backward = await compile(
    device,
    (tape) => {
      const { node } = record(tape);
      const [y, ...others] = node!.outputs;
      return outputsOf(node!.operation.gradient!(node!, [tape.input("dy", y!), ...others.map(() => null)]));
    },
    { tuning },
  );
  const made = new Set(forward.plan.steps.map(({ node }) => node.operation.name));
  const benchOf = (program: Program, suffix: string, timed: KernelBench["timed"]): KernelBench => ({
    name: `${name}${suffix}`,
    timed,
    program,
    step: { ...step, inputs: { ...randomInputs(program), ...step.inputs } },
    ...(variant === undefined ? {} : { variant }),
  });
  return [benchOf(forward, "", () => true), benchOf(backward, ", gradient", (operation) => !made.has(operation))];
}

async function subjects(bench: Bench): Promise<Subjects> {
  const { device, quick } = bench;
  const dtypes = benchDtypes(bench);
  const count = quick ? 2 ** 20 : device.capabilities.software ? 2 ** 22 : 2 ** 26;
  const layers = await Promise.all(dtypes.map((dtype) => layerKernels(device, dtype)));
  const attentions = await Promise.all(dtypes.map((dtype) => attentionKernels(device, dtype)));
  return {
    benches: [
      ...layers.flat(),
      ...attentions.flatMap(({ benches }) => benches),
      ...(await bothWays(device, "cross-entropy 768×1024", (tape) => crossEntropy(tape.input("x", f32(768, 1024))))),
      ...(await optimizers(device, count)),
    ],
    failures: attentions.flatMap(({ failures }) => failures),
  };
}

/** Numbers of a row of a layer. */
const widthOf = ({ capabilities }: Device) => (capabilities.software ? 128 : 768);

/** The kernels of a layer and of the embedding, on a batch whose rows all hold a token. */
async function layerKernels(device: Device, dtype: FloatType): Promise<KernelBench[]> {
  const width = widthOf(device);
  const capacity = { sentences: 128, tokens: 4096, longest: 32, vocabulary: 30_522, positions: 512 };
  const sentences = syntheticSentences(capacity.sentences, capacity.longest).map((ids, key) => ({ ids, key }));
  const forTraining = new BatchPacker(capacity, { indices: true }).pack(sentences);
  return [
    ...(await bothWays(device, `LayerNorm 4096×${width}, ${dtype}`, (tape) =>
      layerNorm(tape.input("x", float(dtype, 4096, width)), tape.input("w", f32(width)), tape.input("b", f32(width)), 1e-12),
    )),
    ...(dtype === "f32"
      ? await bothWays(
          device,
          `embedding 4096×${width}`,
          (tape) => {
            const { tokens, indices } = declareBatch(tape, capacity, { indices: true });
            const table = (name: string, rows: number) => tape.input(name, f32(rows, width));
            return embedding(
              tokens,
              { word: table("word", capacity.vocabulary), position: table("position", 512), tokenType: table("type", 2) },
              indices,
            );
          },
          forTraining,
        )
      : []),
  ];
}

/** Attention over 4,096 tokens of short and of longer sentences, in every variant. */
async function attentionKernels(device: Device, dtype: FloatType): Promise<Subjects> {
  const width = widthOf(device);
  const heads = width / 64;
  const { capabilities } = device;
  const matrices = dtype === "f16" && matrixUnits(capabilities) !== null ? [matricesName] : [];
  const variants = capabilities.software ? ["walk"] : [`blocks of ${blockTokens}`, ...matrices, "walk"];
  const benches: KernelBench[] = [];
  const failures: { name: string; reason: string }[] = [];
  for (const longest of [32, 128]) {
    const capacity = { sentences: 4096 / longest, tokens: 4096, longest, vocabulary: 30_522, positions: 512 };
    const sentences = syntheticSentences(capacity.sentences, longest).map((ids, key) => ({ ids, key }));
    const record = (tape: Tape) => {
      const batch = declareBatch(tape, capacity, { indices: false });
      const qkv = tape.input("qkv", float(dtype, tape.extent("tokens", capacity.tokens), 3 * width));
      return attention(qkv, batch, { heads, dropout: 0.1 });
    };
    for (const variant of variants) {
      const name = `attention, ${capacity.sentences} sentences × ${longest} tokens, heads: ${heads} of 64, ${dtype}, ${variant}`;
      const step = new BatchPacker(capacity, { indices: false }).pack(sentences);
      try {
        benches.push(...(await bothWays(device, name, record, step, variant)));
      } catch (error) {
        if (!(error instanceof SimcseError)) throw error;
        failures.push({ name, reason: error.message });
      }
    }
  }
  return { benches, failures };
}

/** What the self-check says of the variant that was asked for; nothing where it uses neither f16 nor matrix units. */
async function verdict(device: Device, { program, timed, variant }: KernelBench): Promise<string> {
  const doubtful = program.plan.steps.filter(({ node, lowering }) => timed(node.operation.name) && isDoubtful(lowering, device));
  if (variant === undefined || doubtful.length === 0) return "";
  for (const { node, lowering } of doubtful) {
    if (!(await computesRight(device, node, { name: variant, lower: () => lowering }))) return wrong;
  }
  return "right";
}

/** The gradient's norm, and AdamW over an arena, in vectors of four and as scalars. */
async function optimizers(device: Device, count: number): Promise<KernelBench[]> {
  const allocate = (name: string, values: Float32Array | null, shape: readonly number[]): Persistent & ArenaTensor => {
    const made = new ArenaTensor(name, "f32", shape);
    made.buffer = device.createBuffer(name, made.bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
    if (values) device.write(made.buffer, 0, values);
    return made;
  };
  const stateValues = new Float32Array(elementCount(optimizerStateShape)).fill(
    1,
    optimizerField.gradientFactor,
    optimizerField.biasCorrection + 1,
  );
  const some = normals(count, 5);
  const tensors = {
    gradient: allocate("gradient", some, [count]),
    parameters: allocate("parameters", some, [count]),
    first: allocate("first", null, [count]),
    second: allocate("second", null, [count]),
    state: allocate("state", stateValues, optimizerStateShape),
  };
  const constants = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  const recordings: Record<string, (tape: Tape) => Value | null> = {
    AdamW: (tape) => {
      adamW(tape, [{ ...tensors, weightDecay: 0 }], tensors.state, { ...constants, learningRate: tape.scalar("learningRate") });
      return null;
    },
    "gradient norm": (tape) => globalNorm(tape, [tensors.gradient]),
    "AdamW, scalar": (tape) => {
      scalarAdamW(tape, tensors, tape.scalar("learningRate"));
      return null;
    },
  };
  const close = () => {
    for (const { buffer } of Object.values(tensors)) buffer!.destroy();
  };
  return Promise.all(
    Object.entries(recordings).map(async ([name, record], i) => ({
      name: `${name}, ${(count / 1e6).toFixed(1)} M parameters`,
      timed: () => true,
      program: await compile(device, (tape) => outputsOf([record(tape)])),
      step: name === "gradient norm" ? {} : { scalars: { learningRate: 1e-4 } },
      ...(i === 0 ? { close } : {}),
    })),
  );
}

/** The table of all kernels. */
export async function kernelTable(bench: Bench): Promise<BenchTable> {
  const { benches: list, failures } = await subjects(bench);
  const verdicts: string[] = [];
  for (const one of list) verdicts.push(await verdict(bench.device, one));
  for (const { program, step } of list) program.run(step);
  const contenders = list.map(({ program, timed }) => contenderOf(program, ({ operation }) => timed(operation.name)));
  const timings = await measureKernels(bench, contenders);
  const rows = list.map(({ name, program, timed }, i) => {
    const work = program.work().filter(({ operation }) => timed(operation));
    const { flop, bytes, roofline } = workOf(work, bench.ceilings);
    const { milliseconds } = timings[i]!;
    return [
      name,
      ...timeCells(timings[i]!),
      String(work.length),
      flop > 0 ? short(flop / milliseconds / 1e6) : "",
      short(bytes / milliseconds / 1e6),
      percent(roofline / milliseconds),
      verdicts[i]!,
    ];
  });
  for (const { program, close } of list) {
    program.close();
    close?.();
  }
  return {
    head: ["kernel", "ms", "spread", "dispatches", "GFLOP/s", "GB/s", "of ceiling", "result"],
    rows: [...rows, ...failures.map(({ name, reason }) => [name, "", "", "", "", "", "", `${wrong}: ${reason}`])],
    note: "result: what the self-check says of a variant that uses f16 or matrix units.",
  };
}
