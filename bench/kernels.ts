/** Single kernels except matmul: LayerNorm, cross-entropy, attention, embedding, each forward and backward, and AdamW beside a scalar one. */
import { compile, type Program } from "../src/autograd/program.ts";
import type { StepInput } from "../src/autograd/step-input.ts";
import type { Tape } from "../src/autograd/tape.ts";
import type { Device } from "../src/gpu/device.ts";
import { attention } from "../src/kernels/attention.ts";
import { crossEntropy } from "../src/kernels/cross-entropy.ts";
import { embedding } from "../src/kernels/embedding.ts";
import { elementCount, f32, type Persistent, type Value } from "../src/kernels/language/operation.ts";
import { layerNorm } from "../src/kernels/layer-norm.ts";
import { adamW } from "../src/kernels/optimizer/adamw.ts";
import { optimizerField, optimizerStateShape } from "../src/kernels/optimizer/optimizer-state.ts";
import { ArenaTensor } from "../src/nn/parameters/arena-tensor.ts";
import { BatchPacker, declareBatch } from "../src/simcse/model/batch.ts";
import { normals } from "../test/kernels/data.ts";
import { type BenchTable, measure, onGpu, percent, short, workOf } from "./measure.ts";
import type { Bench } from "./open-bench.ts";
import { scalarAdamW } from "./scalar-adamw.ts";

interface KernelBench {
  readonly name: string;
  /** The operations that are timed; others only prepare their inputs. */
  readonly timed: (operation: string) => boolean;
  readonly program: Program;
  readonly step: StepInput;
  readonly close?: () => void;
}

/** Random numbers for every f32 input of a program. */
function randomInputs({ plan }: Program): Record<string, Float32Array> {
  const floats = [...plan.tape.inputs].filter(([, { dtype }]) => dtype === "f32");
  return Object.fromEntries(floats.map(([name, { shape }], seed) => [name, normals(elementCount(shape), seed)]));
}

/** A program for an operation's forward pass, and another one for its gradient. */
async function bothWays(device: Device, name: string, record: (tape: Tape) => Value, step: StepInput = {}): Promise<KernelBench[]> {
  const outputsOf = (values: readonly (Value | null)[]) =>
    Object.fromEntries(values.flatMap((value, i) => (value ? [[`y${i}`, value]] : [])));
  const forward = await compile(device, (tape) => outputsOf([record(tape)]));
  const backward = await compile(device, (tape) => {
    const { node } = record(tape);
    const [y, ...others] = node!.outputs;
    return outputsOf(node!.operation.gradient!(node!, [tape.input("dy", y!), ...others.map(() => null)]));
  });
  const made = new Set(forward.plan.steps.map(({ node }) => node.operation.name));
  const benchOf = (program: Program, suffix: string, timed: KernelBench["timed"]): KernelBench => ({
    name: `${name}${suffix}`,
    timed,
    program,
    step: { ...step, inputs: { ...randomInputs(program), ...step.inputs } },
  });
  return [benchOf(forward, "", () => true), benchOf(backward, ", gradient", (operation) => !made.has(operation))];
}

async function subjects({ device, quick }: Bench): Promise<KernelBench[]> {
  const small = device.capabilities.software;
  const width = small ? 128 : 768;
  const heads = width / 64;
  const capacity = { sentences: 128, tokens: 4096, longest: 32, vocabulary: 30_522, positions: 512 };
  const sentences = Array.from({ length: 128 }, (_, key) => ({
    ids: Array.from({ length: 32 }, (_, i) => (1 + key * 7919 + i * 104_729) % 30_522),
    key,
  }));
  const forEncoding = new BatchPacker(capacity).pack(sentences, { indices: false });
  const forTraining = new BatchPacker(capacity).pack(sentences, { indices: true });
  return [
    ...(await bothWays(device, "LayerNorm 2048×768", (tape) =>
      layerNorm(tape.input("x", f32(2048, 768)), tape.input("w", f32(768)), tape.input("b", f32(768)), 1e-12),
    )),
    ...(await bothWays(device, "cross-entropy 768×1024", (tape) => crossEntropy(tape.input("x", f32(768, 1024))))),
    ...(await bothWays(
      device,
      `attention, 128 sentences × 32 tokens, heads: ${heads} of 64`,
      (tape) => {
        const batch = declareBatch(tape, capacity, { indices: false });
        return attention(tape.input("qkv", f32(tape.extent("tokens", capacity.tokens), 3 * width)), batch, { heads, dropout: 0.1 });
      },
      forEncoding,
    )),
    ...(await bothWays(
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
    )),
    ...(await optimizers(device, quick ? 2 ** 20 : small ? 2 ** 22 : 2 ** 25)),
  ];
}

/** AdamW over an arena, in vectors of four and as scalars. */
async function optimizers(device: Device, count: number): Promise<KernelBench[]> {
  const allocate = (name: string, values: Float32Array | null, shape: readonly number[]): Persistent & ArenaTensor => {
    const made = new ArenaTensor(name, "f32", shape);
    made.buffer = device.createBuffer(name, made.bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
    if (values) device.gpu.queue.writeBuffer(made.buffer, 0, values as GPUAllowSharedBufferSource);
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
  const attributes = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
  const recordings: Record<string, (tape: Tape) => void> = {
    AdamW: (tape) => adamW(tape, tensors, { ...attributes, learningRate: tape.scalar("learningRate") }),
    "AdamW, scalar": (tape) => scalarAdamW(tape, tensors, tape.scalar("learningRate")),
  };
  const close = () => {
    for (const { buffer } of Object.values(tensors)) buffer!.destroy();
  };
  return Promise.all(
    Object.entries(recordings).map(async ([name, record], i) => ({
      name: `${name}, ${(count / 1e6).toFixed(1)} M parameters`,
      timed: () => true,
      program: await compile(device, (tape) => {
        record(tape);
        return {};
      }),
      step: { scalars: { learningRate: 1e-4 } },
      ...(i === 0 ? { close } : {}),
    })),
  );
}

/** The table of all kernels. */
export async function kernelTable(bench: Bench): Promise<BenchTable> {
  const list = await subjects(bench);
  for (const { program, step } of list) program.run(step);
  // Inputs stay in memory; only the live sizes and scalars are passed again.
  const repeated = list.map(({ step: { inputs: _, ...rest } }) => rest);
  const times = await measure(
    list.map(({ program, timed }, i) => onGpu(program, repeated[i], timed)),
    bench.rounds,
  );
  const rows = await Promise.all(
    list.map(async ({ name, program, timed }, i) => {
      const { flop, bytes, roofline } = workOf(
        (await program.profile(repeated[i])).filter(({ operation }) => timed(operation)),
        bench.ceilings,
      );
      const ms = times[i]!;
      return [name, short(ms), flop > 0 ? short(flop / ms / 1e6) : "", short(bytes / ms / 1e6), percent(roofline / ms)];
    }),
  );
  for (const { program, close } of list) {
    program.close();
    close?.();
  }
  return { head: ["kernel", "ms", "GFLOP/s", "GB/s", "of ceiling"], rows };
}
